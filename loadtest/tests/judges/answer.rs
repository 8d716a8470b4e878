//! The link answer: what the metrics API answers.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::{Evidence, HPA_CONTROLLER};
use loadtest::doctor::link::Link;
use loadtest::kube::access::access;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{
    answers, broken, cause_at, commands_at, conditions, monitors_created, not_found, pod_ready_for, server_started,
    state, without_targets,
};
use crate::healthy::{NAMESPACE, PODS, adapter, ago, keda};
use crate::seen;

#[test]
fn controller_without_the_right_to_read_gets_a_role_and_a_binding() {
    for (mut evidence, verb, group, resource) in [
        (adapter(), "get", "custom.metrics.k8s.io", "pods/http_requests_per_second"),
        (keda(), "list", "external.metrics.k8s.io", "s0-prometheus"),
    ] {
        evidence.access.insert(access(HPA_CONTROLLER, verb, group, resource, NAMESPACE), Read::Seen(false));
        // The HPA reads the metric nevertheless, so it has the right by other means.
        assert_eq!(state(&evidence, Link::Answer), State::Ok);
        conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric: forbidden", 60.0);
        let (cause, commands) = commands_at(&evidence, Link::Answer);
        assert_eq!(cause, Cause::ControllerForbidden);
        assert!(
            commands.contains("kind: ClusterRole\n") && commands.contains("kind: ClusterRoleBinding\n"),
            "{commands}"
        );
        assert!(commands.contains(group) && commands.contains("horizontal-pod-autoscaler"), "{commands}");
    }
    // The rights of another user do not matter.
    let mut evidence = adapter();
    let user = access("system:serviceaccount:a:b", "get", "custom.metrics.k8s.io", "pods/x", NAMESPACE);
    evidence.access.insert(user, Read::Seen(false));
    assert_eq!(state(&evidence, Link::Answer), State::Ok);
}

fn only_the_first_pod(evidence: &mut Evidence) {
    let item = json!({"describedObject": {"name": PODS[0].0}, "value": "1"});
    answers(evidence, 200, json!({"items": [item]}));
}

#[test]
fn ready_pod_without_a_value_is_not_counted() {
    let mut evidence = adapter();
    only_the_first_pod(&mut evidence);
    assert_eq!(commands_at(&evidence, Link::Answer), (Cause::PodsNotCounted, String::new()));
    // The monitor drops this pod's target. A rule that drops other pods is not the cause.
    for replica in &mut evidence.prometheus.replicas {
        seen(&mut replica.targets).truncate(1);
    }
    let mut relabeled = |action: &str, regex: &str| {
        let rule = json!({"action": action, "sourceLabels": ["__meta_kubernetes_pod_name"], "regex": regex});
        seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0]["relabelings"] = json!([rule]);
        commands_at(&evidence, Link::Answer)
    };
    for (action, regex) in [("drop", PODS[1].0), ("Keep", PODS[0].0)] {
        let (cause, command) = relabeled(action, regex);
        assert_eq!(cause, Cause::PodsNotCounted, "{command}");
        assert!(command.ends_with(r#"{"op":"remove","path":"/spec/endpoints/0/relabelings/0"}]'"#), "{command}");
    }
    for (action, regex) in [("drop", "other-.*"), ("replace", ".*")] {
        assert_eq!(relabeled(action, regex), (Cause::PodsNotCounted, String::new()));
    }
    pod_ready_for(&mut seen(&mut evidence.pods)[1], 8.0);
    assert_eq!(state(&evidence, Link::Answer), State::Ok);
}

#[test]
fn running_pod_that_does_not_become_ready_is_not_counted() {
    let mut evidence = adapter();
    only_the_first_pod(&mut evidence);
    let pod = &mut seen(&mut evidence.pods)[1];
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago(600.0)}]);
    evidence.events = Read::Seen(vec![json!({
        "involvedObject": {"kind": "Pod", "name": PODS[1].0}, "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP probe failed with statuscode: 503", "lastTimestamp": ago(2.0),
    })]);
    let finding = broken(&evidence, Link::Answer);
    assert_eq!((finding.cause, finding.evidence.contains("statuscode: 503")), (Cause::PodsNotCounted, true));
    let conditions = &mut seen(&mut evidence.pods)[1]["status"]["conditions"];
    conditions[0]["lastTransitionTime"] = json!(ago(10.0));
    assert_eq!(state(&evidence, Link::Answer), State::Ok);
    // The pod's own startup probe allows more time.
    let pod = &mut seen(&mut evidence.pods)[1];
    pod["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(600.0));
    pod["spec"]["containers"][0]["startupProbe"] = json!({"failureThreshold": 200, "periodSeconds": 6});
    assert_eq!(state(&evidence, Link::Answer), State::Ok);
}

#[test]
fn metric_not_listed_since_the_adapter_started_is_pending() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::RuleAbsent);
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
}

#[test]
fn metric_is_pending_at_answer_and_condition_after_a_restart() {
    let mut evidence = adapter();
    let message = "unable to fetch metrics from custom metrics API: the server could not find the metric x for pods";
    conditions(&mut evidence, "FailedGetPodsMetric", message, 50.0);
    not_found(&mut evidence);
    server_started(&mut evidence, 50.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn metric_is_pending_after_a_new_monitor() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::RuleAbsent);
    monitors_created(&mut evidence, 200.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
}

#[test]
fn metric_is_pending_while_a_new_monitor_has_no_targets() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    // The monitor was created after the monitors were read.
    let monitors = std::mem::take(seen(&mut evidence.monitors));
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
    // The monitor has no targets yet, so there are no series.
    evidence.monitors = Read::Seen(monitors);
    without_targets(&mut evidence);
    monitors_created(&mut evidence, 1.0);
    assert_eq!(state(&evidence, Link::Target), State::Pending);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
}

#[test]
fn empty_answer_is_pending_after_a_restart() {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::PodsNotCounted);
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
}
