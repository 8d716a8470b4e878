//! The `APIService`, and the server behind it.

use loadtest::doctor::diagnosis::{Finding, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::changed::{LIST, advised, answers, broken, cause, not_found, ready_for, server_started, state, unavailable};
use crate::healthy::{adapter, ago, keda};
use crate::seen;

#[test]
fn no_api_service() {
    for (mut evidence, name, service) in [
        (adapter(), "v1beta1.custom.metrics.k8s.io", "prometheus-adapter"),
        (keda(), "v1beta1.external.metrics.k8s.io", "keda-operator-metrics-apiserver"),
    ] {
        let candidates = evidence.server.candidates.clone();
        evidence.server =
            loadtest::doctor::evidence::Server { api_service: Read::Absent, candidates, ..Default::default() };
        answers(&mut evidence, 404, json!({"message": "the server could not find the requested resource"}));
        let (number, command) = cause(&evidence, Link::ApiService);
        assert_eq!(number, 14);
        assert!(command.starts_with(r"printf '%s\n' '") && command.ends_with("' | kubectl apply -f -"), "{command}");
        assert!(
            command.contains(&format!("name: {name}")) && command.contains(&format!("name: {service}")),
            "{command}"
        );
    }
}

#[test]
fn an_api_service_that_is_not_available() {
    let mut evidence = adapter();
    unavailable(
        &mut evidence,
        "FailedDiscoveryCheck",
        "failing or missing response from https://10.0.0.1:6443/",
        300.0,
    );
    assert_eq!(cause(&evidence, Link::ApiService), (15, String::new()));
    let deployment = seen(&mut evidence.server.deployment);
    deployment["spec"]["replicas"] = json!(0);
    deployment["status"] = json!({});
    evidence.server.pods = Read::Seen(Vec::new());
    let scaled = "Scale Deployment prometheus-adapter in namespace monitoring to 1 replica.".to_owned();
    assert_eq!(advised(&evidence, Link::ApiService), (15, scaled));
    let mut evidence = adapter();
    seen(&mut evidence.server.api_service)["spec"]["service"]["port"] = json!(444);
    unavailable(&mut evidence, "ServicePortError", "service port 444 not found", 300.0);
    let fixed = "Set spec.service.port of APIService v1beta1.custom.metrics.k8s.io to 443.".to_owned();
    assert_eq!(advised(&evidence, Link::ApiService), (15, fixed));
}

#[test]
fn an_adapter_that_is_just_being_restarted_is_no_fault() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "MissingEndpoints", "endpoints for service/prometheus-adapter have no addresses", 5.0);
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(1);
    server_started(&mut evidence, 3.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    // By the strategy Recreate: the old pods have gone, and the new ones are not there yet.
    seen(&mut evidence.server.pods).clear();
    let since = |seconds: f64| json!({"type": "Progressing", "status": "True", "lastUpdateTime": ago(seconds)});
    seen(&mut evidence.server.deployment)["status"] = json!({"conditions": [since(3.0)]});
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    seen(&mut evidence.server.deployment)["status"] = json!({"conditions": [since(400.0)]});
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
}

#[test]
fn a_server_that_has_just_started_is_not_out_of_reach() {
    // It was unavailable for a minute, for whatever reason; then the adapter was restarted.
    let mut evidence = adapter();
    let refused = "Get \"https://10.0.0.1:443/\": dial tcp 10.0.0.1:443: connect: connection refused";
    unavailable(&mut evidence, "FailedDiscoveryCheck", refused, 70.0);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
    server_started(&mut evidence, 40.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    server_started(&mut evidence, 50.0);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
    // It took a minute to become ready.
    seen(&mut evidence.server.pods)[0]["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    // Readiness that comes and goes is no new start of its listing.
    let mut flapping = adapter();
    not_found(&mut flapping);
    seen(&mut flapping.server.pods)[0]["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5.0));
    assert_eq!(cause(&flapping, Link::Answer).0, 11);
    // It starts again and again.
    let container = &mut seen(&mut evidence.server.pods)[0]["status"]["containerStatuses"][0];
    container["restartCount"] = json!(4);
    container["ready"] = json!(false);
    container["lastState"] = json!({"terminated": {"reason": "Error", "exitCode": 1}});
    server_started(&mut evidence, 4.0);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
    // Beside it, one that has just started.
    let fresh = seen(&mut adapter().server.pods)[0].clone();
    seen(&mut evidence.server.pods).push(fresh);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
    let container = &mut seen(&mut evidence.server.pods)[1]["status"]["containerStatuses"][0];
    container["state"]["running"]["startedAt"] = json!(ago(4.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
}

#[test]
fn a_server_that_fails_since_its_change_is_taken_back() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "MissingEndpoints", "no addresses", 100.0);
    let deployment = seen(&mut evidence.server.deployment);
    deployment["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "4"});
    deployment["metadata"]["managedFields"] = json!([{"time": ago(102.0)}]);
    let lost = json!({"type": "Available", "status": "False", "lastTransitionTime": ago(101.0)});
    deployment["status"] = json!({"replicas": 1, "unavailableReplicas": 1, "conditions": [lost]});
    let pod = &mut seen(&mut evidence.server.pods)[0];
    pod["metadata"]["creationTimestamp"] = json!(ago(100.0));
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    pod["status"]["containerStatuses"] = json!([{
        "name": "prometheus-adapter", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 255}},
    }]);
    let (number, advice) = advised(&evidence, Link::ApiService);
    assert!(number == 15 && advice.starts_with("Roll the last change back"), "{number}: {advice}");
    let found = broken(&evidence, Link::ApiService).evidence;
    assert!(found.ends_with("CrashLoopBackOff: last ended with Error, exit code 255"), "{found}");
    // It ran like that for a day.
    seen(&mut evidence.server.pods)[0]["metadata"]["creationTimestamp"] = json!(ago(86_400.0));
    assert_eq!(cause(&evidence, Link::ApiService), (15, String::new()));
}

#[test]
fn a_rollout_of_the_server_that_does_not_come_to_an_end_is_none() {
    let rolling = |condition: Value, age: f64| {
        let mut evidence = adapter();
        unavailable(&mut evidence, "MissingEndpoints", "no addresses", 700.0);
        let status = &mut seen(&mut evidence.server.deployment)["status"];
        *status = json!({"replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1, "conditions": [condition]});
        let pod = &mut seen(&mut evidence.server.pods)[0];
        pod["metadata"]["creationTimestamp"] = json!(ago(age));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
        pod["status"]["containerStatuses"] = json!([{"state": {"waiting": {"reason": "ContainerCreating"}}}]);
        evidence
    };
    let goes_on = json!({"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"});
    assert_eq!(state(&rolling(goes_on.clone(), 200.0), Link::ApiService), State::Pending);
    assert_eq!(cause(&rolling(goes_on, 400.0), Link::ApiService).0, 15);
    let given_up = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"});
    assert_eq!(cause(&rolling(given_up, 200.0), Link::ApiService).0, 15);
}

#[test]
fn an_api_service_that_was_just_made_has_to_be_found() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "bad status from https://10.0.0.1:443: 404", 5.0);
    seen(&mut evidence.server.api_service)["metadata"]["creationTimestamp"] = json!(ago(12.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    seen(&mut evidence.server.api_service)["metadata"]["creationTimestamp"] = json!(ago(3600.0));
    // Whoever answers with a 404 is reached, and had no rule when it started.
    let restart = "kubectl -n monitoring rollout restart deployment prometheus-adapter".to_owned();
    assert_eq!(cause(&evidence, Link::ApiService), (11, restart));
    let found_nothing = "bad status from https://10.0.0.1:443: 503";
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 5.0);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
}

#[test]
fn another_server_owns_the_api() {
    let mut evidence = adapter();
    let own = evidence.server.candidates.clone();
    evidence.server.deployment = keda().server.deployment;
    evidence.server.service = keda().server.service;
    evidence.server.candidates = own;
    evidence.server.config = Read::NotAsked;
    let place = json!({"name": "keda-operator-metrics-apiserver", "namespace": "keda", "port": 443});
    seen(&mut evidence.server.api_service)["spec"]["service"] = place;
    not_found(&mut evidence);
    let (number, advice) = advised(&evidence, Link::ApiService);
    assert_eq!(number, 16);
    assert!(advice.contains("namespace monitoring, name prometheus-adapter, port 443"), "{advice}");
    // An adapter of another name, in another place, is one all the same.
    let mut evidence = adapter();
    for object in [seen(&mut evidence.server.deployment), seen(&mut evidence.server.api_service)] {
        object["metadata"]["name"] = json!("metrics");
    }
    assert_eq!(state(&evidence, Link::ApiService), State::Ok);
}

/// The API is another server's, which answers with a list.
fn of(evidence: &mut Evidence, image: &str) {
    let deployment = seen(&mut evidence.server.deployment);
    deployment["metadata"]["name"] = json!("cluster-agent");
    deployment["spec"]["template"]["spec"]["containers"] = json!([{"name": "agent", "image": image}]);
}

#[test]
fn a_server_of_another_make_is_none_too_many() {
    for mut evidence in [adapter(), keda()] {
        of(&mut evidence, "registry.example/datadog/cluster-agent:7");
        assert_eq!(state(&evidence, Link::ApiService), State::Ok);
    }
    // It has not this metric: the API is not taken from it for that.
    let mut evidence = adapter();
    of(&mut evidence, "registry.example/datadog/cluster-agent:7");
    not_found(&mut evidence);
    assert_eq!(cause(&evidence, Link::ApiService), (16, String::new()));
    ready_for(&mut evidence, 10.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Ok);
    // It is no server of metrics at all.
    evidence.answers.insert(LIST.to_owned(), Answer { status: 404, body: json!("404 page not found") });
    let (number, advice) = advised(&evidence, Link::ApiService);
    assert!(number == 16 && advice.contains("name prometheus-adapter"), "{number}: {advice}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_not_done_without() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "x509: certificate signed by unknown authority", 300.0);
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(cause.number() == 15 && fix.commands.is_empty() && fix.advice.contains("caBundle"), "{fix:?}");
    // One that is another each time it starts can be told by nobody.
    evidence.server.log = Read::Seen("I1125 serving.go:374] Generated self-signed cert (/var/run/x.crt)\n".to_owned());
    let (_, advice) = advised(&evidence, Link::ApiService);
    let [first, second] = ["spec.caBundle", "Or set spec.insecureSkipTLSVerify"].map(|part| advice.find(part));
    assert!(first.is_some() && first < second, "the CA comes first: {advice}");
    // A CA that is there is never taken away.
    seen(&mut evidence.server.api_service)["spec"]["caBundle"] = json!("LS0tLS1CRUdJTg==");
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(cause.number() == 15 && fix.commands.is_empty() && fix.advice.contains("spec.caBundle"), "{fix:?}");
}

#[test]
fn a_service_that_leads_to_a_port_where_no_server_listens() {
    let broken_by = |target: Value| {
        let mut evidence = adapter();
        let refused = "dial tcp 10.0.0.1:443: connect: connection refused";
        unavailable(&mut evidence, "FailedDiscoveryCheck", refused, 300.0);
        seen(&mut evidence.server.service)["spec"]["ports"][0]["targetPort"] = target;
        advised(&evidence, Link::ApiService)
    };
    let fixed = "Set targetPort of port 443 of Service monitoring/prometheus-adapter to 6443.";
    for wrong in [json!("https"), json!(8443), Value::Null] {
        assert_eq!(broken_by(wrong), (15, fixed.to_owned()));
    }
    assert_ne!(broken_by(json!(6443)).1, fixed);
}
