//! The `APIService`, what the API answers, and what the HPA says.

use loadtest::doctor::diagnose;
use loadtest::doctor::diagnosis::{Finding, Link, Outcome, State};
use loadtest::doctor::evidence::{Answer, Evidence, HPA_CONTROLLER, Read, access};
use serde_json::{Value, json};

use crate::healthy::{NAMESPACE, PODS, ago};
use crate::lower::{LIST, adapter, answers, broken, cause, keda, not_found, ready_for, seen, server_started, state};

pub fn unavailable(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    let condition = json!({
        "type": "Available", "status": "False", "reason": reason, "message": message, "lastTransitionTime": ago(since),
    });
    seen(&mut evidence.server.api_service)["status"]["conditions"] = json!([condition]);
    answers(evidence, 503, json!({"message": "the server is currently unable to handle the request"}));
}

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
        assert!(command.starts_with("kubectl apply -f - <<'EOF'\n") && command.ends_with("\nEOF"), "{command}");
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
    let scaled = "kubectl -n monitoring scale deployment.apps/prometheus-adapter --replicas=1".to_owned();
    assert_eq!(cause(&evidence, Link::ApiService), (15, scaled));
    let mut evidence = adapter();
    seen(&mut evidence.server.api_service)["spec"]["service"]["port"] = json!(444);
    unavailable(&mut evidence, "ServicePortError", "service port 444 not found", 300.0);
    let (number, command) = cause(&evidence, Link::ApiService);
    assert_eq!(number, 15);
    let patch = r#"kubectl patch apiservice.apiregistration.k8s.io/v1beta1.custom.metrics.k8s.io --type merge -p '{"spec":{"service":{"port":443}}}'"#;
    assert_eq!(command, patch);
}

#[test]
fn an_adapter_that_is_just_being_restarted_is_no_fault() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "MissingEndpoints", "endpoints for service/prometheus-adapter have no addresses", 5.0);
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(1);
    server_started(&mut evidence, 3.0);
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
    // By the strategy Recreate: the old pods have gone, and the new ones are not there yet.
    seen(&mut evidence.server.pods).clear();
    let since = |seconds: f64| json!({"type": "Progressing", "status": "True", "lastUpdateTime": ago(seconds)});
    seen(&mut evidence.server.deployment)["status"] = json!({"conditions": [since(3.0)]});
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
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
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
    server_started(&mut evidence, 50.0);
    assert_eq!(cause(&evidence, Link::ApiService).0, 15);
    // It took a minute to become ready.
    seen(&mut evidence.server.pods)[0]["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(5.0));
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
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
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
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
    let undo = "kubectl -n monitoring rollout undo deployment.apps/prometheus-adapter".to_owned();
    assert_eq!(cause(&evidence, Link::ApiService), (15, undo));
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
    assert_eq!(state(&rolling(goes_on.clone(), 200.0), Link::ApiService), State::NotJudged);
    assert_eq!(cause(&rolling(goes_on, 400.0), Link::ApiService).0, 15);
    let given_up = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"});
    assert_eq!(cause(&rolling(given_up, 200.0), Link::ApiService).0, 15);
}

#[test]
fn an_api_service_that_was_just_made_has_to_be_found() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "bad status from https://10.0.0.1:443: 404", 5.0);
    seen(&mut evidence.server.api_service)["metadata"]["creationTimestamp"] = json!(ago(12.0));
    assert_eq!(state(&evidence, Link::ApiService), State::NotJudged);
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
    let (number, command) = cause(&evidence, Link::ApiService);
    assert_eq!(number, 16);
    let patch = r#"'{"spec":{"service":{"name":"prometheus-adapter","namespace":"monitoring","port":443}}}'"#;
    assert!(command.ends_with(patch), "{command}");
    // An adapter of another name, in another place, is one all the same.
    let mut evidence = adapter();
    for object in [seen(&mut evidence.server.deployment), seen(&mut evidence.server.api_service)] {
        object["metadata"]["name"] = json!("metrics");
    }
    assert_eq!(state(&evidence, Link::ApiService), State::Holds);
}

#[test]
fn the_controller_may_not_read_the_metric() {
    for (mut evidence, verb, group, resource) in [
        (adapter(), "get", "custom.metrics.k8s.io", "pods/http_requests_per_second"),
        (keda(), "list", "external.metrics.k8s.io", "s0-prometheus"),
    ] {
        evidence.access.insert(access(HPA_CONTROLLER, verb, group, resource, NAMESPACE), Read::Seen(false));
        // It reads it all the same, by a way of its own.
        assert_eq!(state(&evidence, Link::Answer), State::Holds);
        conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric: forbidden", 60.0);
        let (number, commands) = cause(&evidence, Link::Answer);
        assert_eq!(number, 17);
        assert!(
            commands.contains("kind: ClusterRole\n") && commands.contains("kind: ClusterRoleBinding\n"),
            "{commands}"
        );
        assert!(commands.contains(group) && commands.contains("horizontal-pod-autoscaler"), "{commands}");
    }
    // What somebody else may not is no fault of the chain.
    let mut evidence = adapter();
    let user = access("system:serviceaccount:a:b", "get", "custom.metrics.k8s.io", "pods/x", NAMESPACE);
    evidence.access.insert(user, Read::Seen(false));
    assert_eq!(state(&evidence, Link::Answer), State::Holds);
}

fn only_the_first_pod(evidence: &mut Evidence) {
    let item = json!({"describedObject": {"name": PODS[0].0}, "value": "1"});
    answers(evidence, 200, json!({"items": [item]}));
}

fn second_is_ready_for(evidence: &mut Evidence, seconds: f64) {
    for condition in seen(&mut evidence.pods)[1]["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!(ago(seconds));
    }
}

#[test]
fn a_ready_pod_without_a_value() {
    let mut evidence = adapter();
    only_the_first_pod(&mut evidence);
    assert_eq!(cause(&evidence, Link::Answer), (22, String::new()));
    // Its monitor leaves it out; one that leaves out another has nothing to do with it.
    for replica in &mut evidence.prometheus.replicas {
        seen(&mut replica.targets).truncate(1);
    }
    let mut relabeled = |action: &str, regex: &str| {
        let rule = json!({"action": action, "sourceLabels": ["__meta_kubernetes_pod_name"], "regex": regex});
        seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["relabelings"] = json!([rule]);
        cause(&evidence, Link::Answer)
    };
    for (action, regex) in [("drop", PODS[1].0), ("Keep", PODS[0].0)] {
        let (number, command) = relabeled(action, regex);
        assert_eq!(number, 22, "{command}");
        assert!(command.ends_with(r#"{"op":"remove","path":"/spec/endpoints/0/relabelings/0"}]'"#), "{command}");
    }
    for (action, regex) in [("drop", "other-.*"), ("replace", ".*")] {
        assert_eq!(relabeled(action, regex), (22, String::new()));
    }
    second_is_ready_for(&mut evidence, 8.0);
    assert_eq!(state(&evidence, Link::Answer), State::Holds);
}

#[test]
fn a_pod_that_runs_and_does_not_become_ready() {
    let mut evidence = adapter();
    only_the_first_pod(&mut evidence);
    let pod = &mut seen(&mut evidence.pods)[1];
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago(600.0)}]);
    evidence.events = Read::Seen(vec![json!({
        "involvedObject": {"kind": "Pod", "name": PODS[1].0}, "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503", "lastTimestamp": ago(2.0),
    })]);
    let finding = broken(&evidence, Link::Answer);
    assert_eq!((finding.cause.number(), finding.evidence.contains("statuscode: 503")), (22, true));
    let conditions = &mut seen(&mut evidence.pods)[1]["status"]["conditions"];
    conditions[0]["lastTransitionTime"] = json!(ago(10.0));
    assert_eq!(state(&evidence, Link::Answer), State::Holds);
    // As long as its own probe gives it to start.
    let pod = &mut seen(&mut evidence.pods)[1];
    pod["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(600.0));
    pod["spec"]["containers"][0]["startupProbe"] = json!({"failureThreshold": 200, "periodSeconds": 6});
    assert_eq!(state(&evidence, Link::Answer), State::Holds);
}

#[test]
fn a_metric_that_an_adapter_does_not_list_yet() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    assert_eq!(cause(&evidence, Link::Answer).0, 11);
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Answer), State::NotJudged);
}

fn conditions(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    seen(&mut evidence.hpa)["status"]["conditions"] = json!([
        {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": ""},
        {
            "type": "ScalingActive", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": ago(since),
        },
    ]);
}

fn other_hpa(evidence: &mut Evidence, workload: &str) {
    let mut other = evidence.hpa.seen().unwrap().clone();
    other["metadata"]["name"] = json!("second-hpa");
    other["metadata"]["ownerReferences"] = Value::Null;
    other["metadata"]["creationTimestamp"] = json!(ago(60.0));
    other["spec"]["scaleTargetRef"]["name"] = json!(workload);
    seen(&mut evidence.hpas).push(other);
}

#[test]
fn two_hpas() {
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        other_hpa(&mut evidence, "shopfront-deploy");
        let removed =
            "kubectl -n miztiik-automation-ns delete horizontalpodautoscaler.autoscaling/second-hpa".to_owned();
        assert_eq!(cause(&evidence, Link::Condition), (20, removed.clone()));
        // Which of the two is meant is not known of one that was there before.
        let created = json!(ago(90_000.0));
        seen(&mut evidence.hpas).last_mut().unwrap()["metadata"]["creationTimestamp"] = created;
        let Finding { fix, .. } = broken(&evidence, Link::Condition);
        assert!(fix.commands.is_empty() && fix.advice.contains("second-hpa"), "{fix:?}");
        // The one of a ScaledObject comes again, if that is not removed; and no name is a command of its own.
        let other = seen(&mut evidence.hpas).last_mut().unwrap();
        other["metadata"]["creationTimestamp"] = json!(ago(60.0));
        other["metadata"]["ownerReferences"] = json!([{"kind": "ScaledObject", "name": "--all; touch a"}]);
        let removed_with_it =
            "kubectl -n miztiik-automation-ns delete 'scaledobject.keda.sh/--all; touch a'".to_owned();
        assert_eq!(cause(&evidence, Link::Condition), (20, removed_with_it));
        // Of another workload: only where the controller says that it takes the same pods.
        let mut evidence = healthy;
        other_hpa(&mut evidence, "other");
        assert_eq!(state(&evidence, Link::Condition), State::Holds);
        let message = format!(
            "pods by selector app=shopfront are controlled by multiple HPAs: [{NAMESPACE}/second-hpa {NAMESPACE}/shopfront-hpa]"
        );
        conditions(&mut evidence, "AmbiguousSelector", &message, 60.0);
        assert_eq!(cause(&evidence, Link::Condition), (20, removed));
    }
}

#[test]
fn another_metric_that_is_invalid() {
    let mut evidence = adapter();
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(metric);
    seen(&mut evidence.hpa)["status"]["currentMetrics"].as_array_mut().unwrap().push(json!({"type": ""}));
    let (number, command) = cause(&evidence, Link::Condition);
    assert_eq!(number, 25);
    let metric = &evidence.hpa.seen().unwrap()["spec"]["metrics"][1];
    let test = json!({"op": "test", "path": "/spec/metrics/1", "value": metric});
    let removed = format!(r#"--type json -p '[{test},{{"op":"remove","path":"/spec/metrics/1"}}]'"#);
    assert!(command.ends_with(&removed), "{command}");
    // The API has it, and the HPA looked before that.
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/queue_depth?labelSelector=");
    let body = json!({"items": [{"metricName": "queue_depth", "value": "3"}]});
    evidence.answers.insert(path, Answer { status: 200, body });
    assert_eq!(state(&evidence, Link::Condition), State::Holds);
}

#[test]
fn another_trigger_that_is_invalid() {
    let mut evidence = keda();
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "s1-kafka"}, "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(metric);
    seen(&mut evidence.scaled_object)["spec"]["triggers"].as_array_mut().unwrap().push(json!({"type": "kafka"}));
    assert_eq!(state(&evidence, Link::Condition), State::Holds);
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s1-kafka?labelSelector=");
    evidence.answers.insert(path, Answer { status: 500, body: json!({"message": "no brokers"}) });
    let (number, command) = cause(&evidence, Link::Condition);
    assert_eq!(number, 25);
    assert!(command.contains("scaledobject.keda.sh/shopfront-scaledobject"), "{command}");
    let remove = r#"{"op":"remove","path":"/spec/triggers/1"}]'"#;
    let test = r#"[{"op":"test","path":"/spec/triggers/1","value":{"type":"kafka"}}"#;
    assert!(command.ends_with(&format!("{test},{remove}")), "{command}");
    // What was left out of the evidence is nothing to hold it against.
    seen(&mut evidence.scaled_object)["spec"]["triggers"][1]["metadata"] = json!({"password": "(left out)"});
    let (_, command) = cause(&evidence, Link::Condition);
    let test = r#"[{"op":"test","path":"/spec/triggers/1/type","value":"kafka"}"#;
    assert!(command.ends_with(&format!("{test},{remove}")), "{command}");
}

#[test]
fn an_hpa_that_has_not_looked_yet_is_not_broken() {
    for mut evidence in [adapter(), keda()] {
        conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric x: no metrics returned", 8.0);
        assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
        assert_eq!(diagnose(&evidence).outcome, Outcome::CouldNotLook);
        seen(&mut evidence.hpa)["status"] = json!({});
        assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
    }
}

#[test]
fn a_metric_that_is_on_its_way_is_no_fault_of_the_rule() {
    let mut evidence = adapter();
    let message = "unable to fetch metrics from custom metrics API: the server could not find the metric x for pods";
    conditions(&mut evidence, "FailedGetPodsMetric", message, 50.0);
    not_found(&mut evidence);
    server_started(&mut evidence, 50.0);
    assert_eq!(state(&evidence, Link::Answer), State::NotJudged);
    assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
}

#[test]
fn a_monitor_that_was_just_changed_takes_its_time() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    assert_eq!(cause(&evidence, Link::Answer).0, 11);
    for monitor in seen(&mut evidence.monitors) {
        monitor["metadata"]["creationTimestamp"] = json!(ago(200.0));
    }
    assert_eq!(state(&evidence, Link::Answer), State::NotJudged);
}

#[test]
fn an_adapter_that_was_just_restarted_may_have_no_value() {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    assert_eq!(cause(&evidence, Link::Answer).0, 22);
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Answer), State::NotJudged);
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
        assert_eq!(state(&evidence, Link::ApiService), State::Holds);
    }
    // It has not this metric: the API is not taken from it for that.
    let mut evidence = adapter();
    of(&mut evidence, "registry.example/datadog/cluster-agent:7");
    not_found(&mut evidence);
    assert_eq!(cause(&evidence, Link::ApiService), (16, String::new()));
    ready_for(&mut evidence, 10.0);
    assert_eq!(state(&evidence, Link::ApiService), State::Holds);
    // It is no server of metrics at all.
    evidence.answers.insert(LIST.to_owned(), Answer { status: 404, body: json!("404 page not found") });
    let (number, command) = cause(&evidence, Link::ApiService);
    assert!(number == 16 && command.contains(r#""name":"prometheus-adapter""#), "{number}: {command}");
}

#[test]
fn cpu_is_no_adapters_to_serve() {
    let mut evidence = adapter();
    let target = json!({"type": "Utilization", "averageUtilization": 80});
    seen(&mut evidence.hpa)["spec"]["metrics"] =
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    let message = "unable to get metrics for resource cpu: no metrics returned from resource metrics API";
    conditions(&mut evidence, "FailedGetResourceMetric", message, 50.0);
    assert_eq!(cause(&evidence, Link::Condition).0, 22);
    // What a metrics server knows of a new pod comes later.
    ready_for(&mut evidence, 50.0);
    assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
    evidence.server.api_service = Read::Absent;
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(cause.number() == 14 && fix.commands.is_empty() && !fix.advice.contains("adapter"), "{fix:?}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_not_done_without() {
    let mut evidence = adapter();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "x509: certificate signed by unknown authority", 300.0);
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(cause.number() == 15 && fix.commands.is_empty() && fix.advice.contains("caBundle"), "{fix:?}");
    // One that is another each time it starts can be told by nobody.
    evidence.server.log = Read::Seen("I1125 serving.go:374] Generated self-signed cert (/var/run/x.crt)\n".to_owned());
    let command = broken(&evidence, Link::ApiService).fix.commands.join("\n");
    assert!(command.ends_with(r#"-p '{"spec":{"caBundle":null,"insecureSkipTLSVerify":true}}'"#), "{command}");
}

#[test]
fn a_service_that_leads_to_a_port_where_no_server_listens() {
    let broken_by = |target: Value| {
        let mut evidence = adapter();
        let refused = "dial tcp 10.0.0.1:443: connect: connection refused";
        unavailable(&mut evidence, "FailedDiscoveryCheck", refused, 300.0);
        seen(&mut evidence.server.service)["spec"]["ports"][0]["targetPort"] = target;
        cause(&evidence, Link::ApiService)
    };
    let mended = r#"kubectl -n monitoring patch service/prometheus-adapter --type json -p '[{"op":"test","path":"/spec/ports/0/name","value":"https"},{"op":"add","path":"/spec/ports/0/targetPort","value":6443}]'"#;
    for wrong in [json!("https"), json!(8443), Value::Null] {
        assert_eq!(broken_by(wrong), (15, mended.to_owned()));
    }
    assert_eq!(broken_by(json!(6443)), (15, String::new()));
}

#[test]
fn no_pod_by_keda_is_no_fault() {
    let mut evidence = keda();
    let spec = &mut seen(&mut evidence.scaled_object)["spec"];
    spec["minReplicaCount"] = json!(0);
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(0);
    evidence.pods = Read::Seen(Vec::new());
    evidence.pages = Vec::new();
    let message = "scaling is disabled since the replica count of the target is zero";
    conditions(&mut evidence, "ScalingDisabled", message, 600.0);
    assert_eq!(state(&evidence, Link::Condition), State::Holds);
    assert_eq!(diagnose(&evidence).outcome, Outcome::Healthy);
}

#[test]
fn metrics_of_one_name_are_told_apart() {
    let mut evidence = adapter();
    let mut second = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    second["pods"]["metric"]["selector"] = json!({"matchLabels": {"path": "pay"}});
    let path = loadtest::doctor::questions::metric(&evidence, &second).unwrap();
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(second);
    evidence.answers.insert(path, Answer { status: 404, body: json!({"message": "not found"}) });
    assert_eq!(cause(&evidence, Link::Condition).0, 25);
    // The adapter was just started.
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
}

#[test]
fn a_pod_that_starts_is_no_fault_of_the_hpa() {
    let mut evidence = adapter();
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["creationTimestamp"] = json!(ago(90.0));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago(90.0)}]);
    }
    conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric x: no metrics returned", 80.0);
    not_found(&mut evidence);
    assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
}

#[test]
fn a_workload_that_was_just_scaled_up_from_zero_is_looked_at_soon() {
    let mut evidence = adapter();
    conditions(
        &mut evidence,
        "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero",
        9.0,
    );
    assert_eq!(state(&evidence, Link::Condition), State::NotJudged);
}

#[test]
fn what_the_hpa_says_of_itself_has_a_command_too() {
    let mut evidence = adapter();
    // How many replicas there are may not be read.
    evidence.scale = Read::Unread(loadtest::doctor::evidence::Unread::default());
    let message = "scaling is disabled since the replica count of the target is zero";
    conditions(&mut evidence, "ScalingDisabled", message, 600.0);
    let one = "kubectl -n miztiik-automation-ns scale deployment.apps/shopfront-deploy --replicas=1".to_owned();
    assert_eq!(cause(&evidence, Link::Condition), (21, one));
    let describe =
        "kubectl -n miztiik-automation-ns describe horizontalpodautoscaler.autoscaling/shopfront-hpa".to_owned();
    conditions(
        &mut evidence,
        "AmbiguousSelector",
        "pods by selector app=shopfront are controlled by multiple HPAs",
        60.0,
    );
    assert_eq!(cause(&evidence, Link::Condition), (20, describe.clone()));
    for (reason, number) in [("FailedGetScale", 18), ("FailedUpdateScale", 26)] {
        seen(&mut evidence.hpa)["status"]["conditions"] =
            json!([{"type": "AbleToScale", "status": "False", "reason": reason, "message": "refused"}]);
        assert_eq!(cause(&evidence, Link::Condition), (number, describe.clone()));
    }
}

#[test]
fn a_controller_that_may_not_read_or_write_the_scale() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["spec"]["scaleTargetRef"] =
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shopfront-deploy"});
    let mut told = |reason: &str, why: &str| {
        let message = format!("rollouts.argoproj.io \"shopfront-deploy\" is forbidden: {why}");
        seen(&mut evidence.hpa)["status"]["conditions"] =
            json!([{"type": "AbleToScale", "status": "False", "reason": reason, "message": message}]);
        cause(&evidence, Link::Condition)
    };
    for (reason, verb) in [("FailedGetScale", "get"), ("FailedUpdateScale", "update")] {
        let why = |user: &str| format!("User \"system:{user}\" cannot {verb} resource \"rollouts/scale\"");
        let (number, commands) = told(reason, &why("serviceaccount:kube-system:horizontal-pod-autoscaler"));
        assert_eq!((number, commands.matches("kubectl apply").count()), (17, 2), "{commands}");
        assert!(commands.contains("rollouts/scale") && commands.contains("argoproj.io"), "{commands}");
        // Whom a role is to be given to is not told by another's name.
        let (number, commands) = told(reason, &why("kube-controller-manager"));
        assert!(number == 17 && commands.contains("describe") && !commands.contains("apply"), "{commands}");
    }
    // A policy's word, and no missing right.
    assert_eq!(told("FailedUpdateScale", "no more than 3 replicas").0, 26);
}
