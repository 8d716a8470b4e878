//! The link API service: the `APIService`, and the server behind it.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Finding, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::changed::{
    advice_at, answers, broken, cause_at, commands_at, not_found, ready_for, server_started, state, unavailable,
};
use crate::healthy::{ADAPTER_LIST, adapter, ago, keda};
use crate::seen;

#[test]
fn missing_api_service_gets_a_manifest() {
    for (mut evidence, name, service) in [
        (adapter(), "v1beta1.custom.metrics.k8s.io", "prometheus-adapter"),
        (keda(), "v1beta1.external.metrics.k8s.io", "keda-operator-metrics-apiserver"),
    ] {
        let candidates = evidence.server.candidates.clone();
        evidence.server =
            loadtest::doctor::evidence::Server { api_service: Read::Absent, candidates, ..Default::default() };
        answers(&mut evidence, 404, json!({"message": "the server could not find the requested resource"}));
        let (cause, command) = commands_at(&evidence, Link::ApiService);
        assert_eq!(cause, Cause::ApiServiceMissing);
        assert!(command.starts_with(r"printf '%s\n' '") && command.ends_with("' | kubectl apply -f -"), "{command}");
        assert!(
            command.contains(&format!("name: {name}")) && command.contains(&format!("name: {service}")),
            "{command}"
        );
    }
}

#[test]
fn external_metric_that_no_rule_makes_does_not_blame_what_scrapes_the_pods() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["spec"]["metrics"] = json!([{"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "5"}}}]);
    evidence.monitors = Read::Seen(Vec::new());
    evidence.answers.clear();
    // No rule of the adapter makes it.
    assert_eq!(broken(&evidence, Link::Rule).cause, Cause::RuleAbsent);
    let candidates = evidence.server.candidates.clone();
    evidence.server =
        loadtest::doctor::evidence::Server { api_service: Read::Absent, candidates, ..Default::default() };
    // prometheus-adapter is there, and has no rule for it: to register the adapter would not bring the metric.
    let finding = broken(&evidence, Link::ApiService);
    assert_eq!((finding.cause, finding.fix.commands.len()), (Cause::ApiServiceMissing, 0));
    assert!(finding.fix.advice.starts_with("Install the server that has this metric"), "{finding:?}");
}

#[test]
fn unavailable_api_service_gets_advice_for_its_reason() {
    let mut evidence = adapter();
    unavailable(
        &mut evidence,
        "FailedDiscoveryCheck",
        "failing or missing response from https://10.0.0.1:6443/",
        300.0,
    );
    assert_eq!(commands_at(&evidence, Link::ApiService), (Cause::ApiServiceUnavailable, String::new()));
    let deployment = seen(&mut evidence.server.deployment);
    deployment["spec"]["replicas"] = json!(0);
    deployment["status"] = json!({});
    evidence.server.pods = Read::Seen(Vec::new());
    let scaled = "Scale Deployment prometheus-adapter in namespace monitoring to 1 replica.".to_owned();
    assert_eq!(advice_at(&evidence, Link::ApiService), (Cause::ApiServiceUnavailable, scaled));
    let mut evidence = adapter();
    seen(&mut evidence.server.api_service)["spec"]["service"]["port"] = json!(444);
    unavailable(&mut evidence, "ServicePortError", "service port 444 not found", 300.0);
    let fixed = "Set spec.service.port of APIService v1beta1.custom.metrics.k8s.io to 443.".to_owned();
    assert_eq!(advice_at(&evidence, Link::ApiService), (Cause::ApiServiceUnavailable, fixed));
}

#[test]
fn restarting_adapter_is_pending() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "MissingEndpoints", "endpoints for service/prometheus-adapter have no addresses", 5.0);
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(1);
    server_started(&mut evidence, 3.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    // With the strategy Recreate, the old pods have gone before the new ones come.
    seen(&mut evidence.server.pods).clear();
    let since = |seconds: f64| json!({"type": "Progressing", "status": "True", "lastUpdateTime": ago(seconds)});
    seen(&mut evidence.server.deployment)["status"] = json!({"conditions": [since(3.0)]});
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    seen(&mut evidence.server.deployment)["status"] = json!({"conditions": [since(400.0)]});
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
}

#[test]
fn server_that_just_started_is_pending() {
    // The API was unavailable for a minute before the adapter was restarted.
    let mut evidence = adapter();
    let refused = "Get \"https://10.0.0.1:443/\": dial tcp 10.0.0.1:443: connect: connection refused";
    unavailable(&mut evidence, "FailedDiscoveryCheck", refused, 70.0);
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
    server_started(&mut evidence, 40.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    server_started(&mut evidence, 50.0);
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
    // The pod took long to become ready.
    seen(&mut evidence.server.pods)[0]["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    // A pod that becomes ready again has not restarted, so its list of metrics is complete.
    let mut flapping = adapter();
    not_found(&mut flapping);
    seen(&mut flapping.server.pods)[0]["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5.0));
    assert_eq!(cause_at(&flapping, Link::Answer), Cause::RuleAbsent);
    // The server restarts again and again.
    let container = &mut seen(&mut evidence.server.pods)[0]["status"]["containerStatuses"][0];
    container["restartCount"] = json!(4);
    container["ready"] = json!(false);
    container["lastState"] = json!({"terminated": {"reason": "Error", "exitCode": 1}});
    server_started(&mut evidence, 4.0);
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
    // A second pod runs beside it, and has not just started.
    let fresh = seen(&mut adapter().server.pods)[0].clone();
    seen(&mut evidence.server.pods).push(fresh);
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
    let container = &mut seen(&mut evidence.server.pods)[1]["status"]["containerStatuses"][0];
    container["state"]["running"]["startedAt"] = json!(ago(4.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
}

#[test]
fn server_that_fails_since_a_change_gets_advice_to_roll_back() {
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
    let (cause, advice) = advice_at(&evidence, Link::ApiService);
    assert!(
        cause == Cause::ApiServiceUnavailable && advice.starts_with("Roll the last change back"),
        "{cause:?}: {advice}"
    );
    let found = broken(&evidence, Link::ApiService).evidence;
    assert!(found.ends_with("CrashLoopBackOff: last ended with Error, exit code 255"), "{found}");
    // The pod is a day old, so the change is not the cause.
    seen(&mut evidence.server.pods)[0]["metadata"]["creationTimestamp"] = json!(ago(86_400.0));
    assert_eq!(commands_at(&evidence, Link::ApiService), (Cause::ApiServiceUnavailable, String::new()));
}

#[test]
fn stuck_rollout_of_the_server_is_unavailable() {
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
    assert_eq!(cause_at(&rolling(goes_on, 400.0), Link::ApiService), Cause::ApiServiceUnavailable);
    let given_up = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"});
    assert_eq!(cause_at(&rolling(given_up, 200.0), Link::ApiService), Cause::ApiServiceUnavailable);
}

#[test]
fn new_api_service_is_pending_and_404_means_no_rule() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "bad status from https://10.0.0.1:443: 404", 5.0);
    seen(&mut evidence.server.api_service)["metadata"]["creationTimestamp"] = json!(ago(12.0));
    assert_eq!(state(&evidence, Link::ApiService), State::Pending);
    seen(&mut evidence.server.api_service)["metadata"]["creationTimestamp"] = json!(ago(3600.0));
    // A server that answers 404 is reachable. It had no rule when it started.
    let restart = "kubectl -n monitoring rollout restart deployment prometheus-adapter".to_owned();
    assert_eq!(commands_at(&evidence, Link::ApiService), (Cause::RuleAbsent, restart));
    let found_nothing = "bad status from https://10.0.0.1:443: 503";
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 5.0);
    assert_eq!(cause_at(&evidence, Link::ApiService), Cause::ApiServiceUnavailable);
}

#[test]
fn api_of_another_known_server_is_reported() {
    let mut evidence = adapter();
    let own = evidence.server.candidates.clone();
    evidence.server.deployment = keda().server.deployment;
    evidence.server.service = keda().server.service;
    evidence.server.candidates = own;
    evidence.server.config = Read::NotAsked;
    let place = json!({"name": "keda-operator-metrics-apiserver", "namespace": "keda", "port": 443});
    seen(&mut evidence.server.api_service)["spec"]["service"] = place;
    not_found(&mut evidence);
    let (cause, advice) = advice_at(&evidence, Link::ApiService);
    assert_eq!(cause, Cause::AnotherServer);
    assert!(advice.contains("namespace monitoring, name prometheus-adapter, port 443"), "{advice}");
    // An adapter with another name is accepted.
    let mut evidence = adapter();
    for object in [seen(&mut evidence.server.deployment), seen(&mut evidence.server.api_service)] {
        object["metadata"]["name"] = json!("metrics");
    }
    assert_eq!(state(&evidence, Link::ApiService), State::Ok);
}

/// Makes the API's server a program with this image.
fn served_by(evidence: &mut Evidence, image: &str) {
    let deployment = seen(&mut evidence.server.deployment);
    deployment["metadata"]["name"] = json!("cluster-agent");
    deployment["spec"]["template"]["spec"]["containers"] = json!([{"name": "agent", "image": image}]);
}

#[test]
fn unknown_server_is_accepted_unless_it_lacks_the_metric() {
    for mut evidence in [adapter(), keda()] {
        served_by(&mut evidence, "registry.example/datadog/cluster-agent:7");
        assert_eq!(state(&evidence, Link::ApiService), State::Ok);
    }
    // A missing metric is no reason to move the API to another server.
    let mut evidence = adapter();
    served_by(&mut evidence, "registry.example/datadog/cluster-agent:7");
    not_found(&mut evidence);
    assert_eq!(commands_at(&evidence, Link::ApiService), (Cause::AnotherServer, String::new()));
    ready_for(&mut evidence, 10.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Ok);
    // The server has no metrics API at all.
    evidence.answers.insert(ADAPTER_LIST.to_owned(), Answer { status: 404, body: json!("404 page not found") });
    let (cause, advice) = advice_at(&evidence, Link::ApiService);
    assert!(cause == Cause::AnotherServer && advice.contains("name prometheus-adapter"), "{cause:?}: {advice}");
}

#[test]
fn untrusted_certificate_gets_advice_on_the_ca() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "x509: certificate signed by unknown authority", 300.0);
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(
        cause == Cause::ApiServiceUnavailable && fix.commands.is_empty() && fix.advice.contains("caBundle"),
        "{fix:?}"
    );
    // A self-signed certificate that changes at each start cannot be trusted by a CA bundle.
    evidence.server.log = Read::Seen("I1125 serving.go:374] Generated self-signed cert (/var/run/x.crt)\n".to_owned());
    let (_, advice) = advice_at(&evidence, Link::ApiService);
    let [first, second] = ["spec.caBundle", "Or set spec.insecureSkipTLSVerify"].map(|part| advice.find(part));
    assert!(first.is_some() && first < second, "the CA comes first: {advice}");
    // An existing CA bundle is never removed.
    seen(&mut evidence.server.api_service)["spec"]["caBundle"] = json!("LS0tLS1CRUdJTg==");
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(
        cause == Cause::ApiServiceUnavailable && fix.commands.is_empty() && fix.advice.contains("spec.caBundle"),
        "{fix:?}"
    );
}

#[test]
fn wrong_target_port_of_the_servers_service_gets_the_right_one() {
    let broken_by = |target: Value| {
        let mut evidence = adapter();
        let refused = "dial tcp 10.0.0.1:443: connect: connection refused";
        unavailable(&mut evidence, "FailedDiscoveryCheck", refused, 300.0);
        seen(&mut evidence.server.service)["spec"]["ports"][0]["targetPort"] = target;
        advice_at(&evidence, Link::ApiService)
    };
    let fixed = "Set targetPort of port 443 of Service monitoring/prometheus-adapter to 6443.";
    for wrong in [json!("https"), json!(8443), Value::Null] {
        assert_eq!(broken_by(wrong), (Cause::ApiServiceUnavailable, fixed.to_owned()));
    }
    assert_ne!(broken_by(json!(6443)).1, fixed);
}
