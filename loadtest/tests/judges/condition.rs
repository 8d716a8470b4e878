//! The link condition: what the HPA reports about itself.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Finding, Outcome, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::changed::{
    advice_at, broken, cause_at, commands_at, conditions, not_found, ready_for, server_started, state,
};
use crate::healthy::{NAMESPACE, adapter, ago, keda};
use crate::seen;

fn other_hpa(evidence: &mut Evidence, workload: &str) {
    let mut other = evidence.hpa.seen().unwrap().clone();
    other["metadata"]["name"] = json!("second-hpa");
    other["metadata"]["ownerReferences"] = Value::Null;
    other["metadata"]["creationTimestamp"] = json!(ago(60.0));
    other["spec"]["scaleTargetRef"]["name"] = json!(workload);
    seen(&mut evidence.hpas).push(other);
}

#[test]
fn second_hpa_of_the_workload_is_several_hpas() {
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        other_hpa(&mut evidence, "shopfront-deploy");
        let (cause, advice) = advice_at(&evidence, Link::Condition);
        assert!(
            cause == Cause::SeveralHpas && advice.ends_with("HPA second-hpa was created later."),
            "{cause:?}: {advice}"
        );
        // If the second HPA is the older one, nothing shows which of the two to keep.
        let created = json!(ago(90_000.0));
        seen(&mut evidence.hpas).last_mut().unwrap()["metadata"]["creationTimestamp"] = created;
        let Finding { fix, .. } = broken(&evidence, Link::Condition);
        assert!(fix.commands.is_empty() && fix.advice.contains("second-hpa"), "{fix:?}");
        // KEDA would recreate the HPA, so the advice names the ScaledObject.
        let other = seen(&mut evidence.hpas).last_mut().unwrap();
        other["metadata"]["creationTimestamp"] = json!(ago(60.0));
        other["metadata"]["ownerReferences"] = json!([{"kind": "ScaledObject", "name": "second"}]);
        let (cause, advice) = advice_at(&evidence, Link::Condition);
        assert!(
            cause == Cause::SeveralHpas && advice.ends_with("ScaledObject second was created later."),
            "{cause:?}: {advice}"
        );
        // An HPA of another workload counts only if the controller reports that it selects the same pods.
        let mut evidence = healthy;
        other_hpa(&mut evidence, "other");
        assert_eq!(state(&evidence, Link::Condition), State::Ok);
        let message = format!(
            "pods by selector app=shopfront are controlled by multiple HPAs: [{NAMESPACE}/second-hpa {NAMESPACE}/shopfront-hpa]"
        );
        conditions(&mut evidence, "AmbiguousSelector", &message, 60.0);
        assert_eq!(advice_at(&evidence, Link::Condition).0, Cause::SeveralHpas);
    }
}

#[test]
fn invalid_second_metric_is_reported_unless_the_api_has_it() {
    let mut evidence = adapter();
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(metric);
    seen(&mut evidence.hpa)["status"]["currentMetrics"].as_array_mut().unwrap().push(json!({"type": ""}));
    let (cause, advice) = advice_at(&evidence, Link::Condition);
    assert!(
        cause == Cause::OtherMetricInvalid && advice.starts_with("Fix that metric") && !advice.contains("remove it"),
        "{cause:?}: {advice}"
    );
    // The API has the metric now: the HPA's last sync was before that.
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/queue_depth?labelSelector=");
    let body = json!({"items": [{"metricName": "queue_depth", "value": "3"}]});
    evidence.answers.insert(path, Answer { status: 200, body });
    assert_eq!(state(&evidence, Link::Condition), State::Ok);
}

#[test]
fn failing_second_trigger_is_reported() {
    let mut evidence = keda();
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "s1-kafka"}, "target": {"type": "AverageValue", "averageValue": "5"},
    }});
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(metric);
    seen(&mut evidence.scaled_object)["spec"]["triggers"].as_array_mut().unwrap().push(json!({"type": "kafka"}));
    assert_eq!(state(&evidence, Link::Condition), State::Ok);
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s1-kafka?labelSelector=");
    evidence.answers.insert(path, Answer { status: 500, body: json!({"message": "no brokers"}) });
    let (cause, advice) = advice_at(&evidence, Link::Condition);
    assert!(
        cause == Cause::OtherMetricInvalid && advice.starts_with("Fix that metric") && !advice.contains("remove it"),
        "{cause:?}: {advice}"
    );
}

#[test]
fn hpa_before_its_second_sync_is_pending() {
    for mut evidence in [adapter(), keda()] {
        conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric x: no metrics returned", 8.0);
        assert_eq!(state(&evidence, Link::Condition), State::Pending);
        assert_eq!(diagnose(&evidence).outcome, Outcome::CouldNotLook);
        seen(&mut evidence.hpa)["status"] = json!({});
        assert_eq!(state(&evidence, Link::Condition), State::Pending);
    }
}

#[test]
fn cpu_metric_needs_no_adapter() {
    let mut evidence = adapter();
    let target = json!({"type": "Utilization", "averageUtilization": 80});
    seen(&mut evidence.hpa)["spec"]["metrics"] =
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    let message = "unable to get metrics for resource cpu: no metrics returned from resource metrics API";
    conditions(&mut evidence, "FailedGetResourceMetric", message, 50.0);
    assert_eq!(cause_at(&evidence, Link::Condition), Cause::PodsNotCounted);
    // A metrics server needs some time for a new pod.
    ready_for(&mut evidence, 50.0);
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
    evidence.server.api_service = Read::Absent;
    let Finding { cause, fix, .. } = broken(&evidence, Link::ApiService);
    assert!(cause == Cause::ApiServiceMissing && fix.commands.is_empty() && !fix.advice.contains("adapter"), "{fix:?}");
}

#[test]
fn zero_replicas_by_keda_are_healthy() {
    let mut evidence = keda();
    let spec = &mut seen(&mut evidence.scaled_object)["spec"];
    spec["minReplicaCount"] = json!(0);
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(0);
    evidence.pods = Read::Seen(Vec::new());
    evidence.pages = Vec::new();
    let message = "scaling is disabled since the replica count of the target is zero";
    conditions(&mut evidence, "ScalingDisabled", message, 600.0);
    assert_eq!(state(&evidence, Link::Condition), State::Ok);
    assert_eq!(diagnose(&evidence).outcome, Outcome::Healthy);
}

#[test]
fn metrics_with_the_same_name_differ_by_selector() {
    let mut evidence = adapter();
    let mut second = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    second["pods"]["metric"]["selector"] = json!({"matchLabels": {"path": "pay"}});
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/pods/*/http_requests_per_second\
                ?labelSelector=app%3Dshopfront&metricLabelSelector=path%3Dpay";
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().push(second);
    evidence.answers.insert(path.to_owned(), Answer { status: 404, body: json!({"message": "not found"}) });
    assert_eq!(cause_at(&evidence, Link::Condition), Cause::OtherMetricInvalid);
    // The adapter has just started.
    server_started(&mut evidence, 20.0);
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn condition_is_pending_while_pods_start() {
    let mut evidence = adapter();
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["creationTimestamp"] = json!(ago(90.0));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago(90.0)}]);
    }
    conditions(&mut evidence, "FailedGetPodsMetric", "unable to get metric x: no metrics returned", 80.0);
    not_found(&mut evidence);
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn workload_just_scaled_from_zero_is_pending() {
    let mut evidence = adapter();
    conditions(
        &mut evidence,
        "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero",
        9.0,
    );
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn each_hpa_condition_has_a_command() {
    let mut evidence = adapter();
    // The scale is unreadable.
    evidence.scale = Read::Unread(loadtest::kube::read::Unread::default());
    let message = "scaling is disabled since the replica count of the target is zero";
    conditions(&mut evidence, "ScalingDisabled", message, 600.0);
    let one = "kubectl -n miztiik-automation-ns scale deployment.apps/shopfront-deploy --replicas=1".to_owned();
    assert_eq!(commands_at(&evidence, Link::Condition), (Cause::ReplicasZero, one));
    let describe =
        "kubectl -n miztiik-automation-ns describe horizontalpodautoscaler.autoscaling/shopfront-hpa".to_owned();
    conditions(
        &mut evidence,
        "AmbiguousSelector",
        "pods by selector app=shopfront are controlled by multiple HPAs",
        60.0,
    );
    assert_eq!(commands_at(&evidence, Link::Condition), (Cause::SeveralHpas, describe.clone()));
    for (reason, cause) in
        [("FailedGetScale", Cause::TargetElsewhere), ("FailedUpdateScale", Cause::ReplicasSetElsewhere)]
    {
        seen(&mut evidence.hpa)["status"]["conditions"] =
            json!([{"type": "AbleToScale", "status": "False", "reason": reason, "message": "refused"}]);
        assert_eq!(commands_at(&evidence, Link::Condition), (cause, describe.clone()));
    }
}

#[test]
fn controller_without_scale_rights_gets_a_role_and_a_binding() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["spec"]["scaleTargetRef"] =
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shopfront-deploy"});
    let mut commands_for = |reason: &str, why: &str| {
        let message = format!("rollouts.argoproj.io \"shopfront-deploy\" is forbidden: {why}");
        seen(&mut evidence.hpa)["status"]["conditions"] =
            json!([{"type": "AbleToScale", "status": "False", "reason": reason, "message": message}]);
        commands_at(&evidence, Link::Condition)
    };
    for (reason, verb) in [("FailedGetScale", "get"), ("FailedUpdateScale", "update")] {
        let why = |user: &str| format!("User \"system:{user}\" cannot {verb} resource \"rollouts/scale\"");
        let (cause, commands) = commands_for(reason, &why("serviceaccount:kube-system:horizontal-pod-autoscaler"));
        assert_eq!((cause, commands.matches("kubectl apply").count()), (Cause::ControllerForbidden, 2), "{commands}");
        assert!(commands.contains("rollouts/scale") && commands.contains("argoproj.io"), "{commands}");
        // The message names another user, so it does not show whom to bind a role to.
        let (cause, commands) = commands_for(reason, &why("kube-controller-manager"));
        assert!(
            cause == Cause::ControllerForbidden && commands.contains("describe") && !commands.contains("apply"),
            "{commands}"
        );
    }
    // A policy refused the update: no right is missing.
    assert_eq!(commands_for("FailedUpdateScale", "no more than 3 replicas").0, Cause::ReplicasSetElsewhere);
}
