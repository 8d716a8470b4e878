//! Why a healthy HPA does not change its replicas, in one line with its arithmetic.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Outcome, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use crate::changed::{cause_at, scaled, state};
use crate::healthy::{NAMESPACE, adapter, ago, keda};
use crate::resource::{cpu, current};
use crate::seen;

fn healthy(evidence: &Evidence) -> Diagnosis {
    let diagnosis = diagnose(evidence);
    assert_eq!(diagnosis.outcome, Outcome::Healthy, "{:#?}", diagnosis.links);
    assert!(diagnosis.why.is_some());
    diagnosis
}

/// The cause, and the line that has the arithmetic.
fn held(evidence: &Evidence) -> (Option<Cause>, String) {
    let diagnosis = healthy(evidence);
    (diagnosis.explains.map(|finding| finding.cause), diagnosis.why.unwrap())
}

/// Sets the reasons of the conditions `AbleToScale` and `ScalingLimited`.
fn reasons(evidence: &mut Evidence, able: &str, limited: Option<&str>) {
    let conditions = &mut seen(&mut evidence.hpa)["status"]["conditions"];
    conditions[0]["reason"] = json!(able);
    conditions[2]["status"] = json!(if limited.is_some() { "True" } else { "False" });
    conditions[2]["reason"] = json!(limited.unwrap_or("DesiredWithinRange"));
}

fn behavior(evidence: &mut Evidence, behavior: Value) {
    seen(&mut evidence.hpa)["spec"]["behavior"] = behavior;
}

#[test]
fn scale_in_waits_for_its_window() {
    for (window, seconds) in [(None, "300 s"), (Some(60), "60 s")] {
        let mut evidence = adapter();
        if let Some(window) = window {
            behavior(&mut evidence, json!({"scaleDown": {"stabilizationWindowSeconds": window}}));
        }
        let (cause, why) = held(&evidence);
        assert_eq!(cause, Some(Cause::Stabilised));
        assert!(why.contains("1 of 2 per pod") && why.contains("asks for 1") && why.contains(seconds), "{why}");
        let finding = healthy(&evidence).explains.unwrap();
        assert!(finding.evidence.contains("a recommendation of 2 or more"), "{}", finding.evidence);
        assert!(finding.fix.advice.contains(seconds) && finding.fix.commands.is_empty(), "{finding:?}");
    }
    // The condition is still set at the maximum (kubernetes/kubernetes#78761).
    let mut evidence = adapter();
    scaled(&mut evidence, "1", 2, 2, 2);
    reasons(&mut evidence, "ScaleDownStabilized", Some("TooManyReplicas"));
    assert_eq!(held(&evidence).0, Some(Cause::Stabilised));
    // A new HPA takes the replicas that it finds for a recommendation.
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["metadata"]["creationTimestamp"] = json!(ago(60.0));
    assert!(healthy(&evidence).explains.unwrap().evidence.contains("the HPA is 60 s old"));
    // A window for scale-out.
    scaled(&mut evidence, "5", 2, 2, 10);
    behavior(&mut evidence, json!({"scaleUp": {"stabilizationWindowSeconds": 120}}));
    reasons(&mut evidence, "ScaleUpStabilized", None);
    assert_eq!(held(&evidence).0, Some(Cause::Stabilised));
}

#[test]
fn tolerance_is_the_hpas_own_also_at_the_maximum() {
    let mut evidence = adapter();
    scaled(&mut evidence, "2600m", 2, 2, 2);
    behavior(&mut evidence, json!({"scaleUp": {"tolerance": "500m"}}));
    let diagnosis = healthy(&evidence);
    let finding = diagnosis.explains.unwrap();
    assert_eq!(finding.cause, Cause::WithinTolerance);
    assert!(finding.evidence.contains("50 %") && finding.fix.commands.is_empty(), "{finding:?}");
    assert_eq!(diagnosis.metrics[0].out_above, None, "at the maximum nothing scales out");
    // Each direction has its own.
    behavior(&mut evidence, json!({"scaleDown": {"tolerance": "500m"}}));
    assert_eq!(held(&evidence).0, Some(Cause::AtMaximum));
    behavior(&mut evidence, json!({"scaleUp": {"tolerance": "0"}}));
    scaled(&mut evidence, "2001m", 2, 2, 2);
    assert_eq!(held(&evidence).0, Some(Cause::AtMaximum));
}

#[test]
fn value_below_the_target_is_rounded_up() {
    let mut evidence = adapter();
    scaled(&mut evidence, "1600m", 2, 2, 10);
    let (cause, why) = held(&evidence);
    assert_eq!(cause, Some(Cause::RoundedUp));
    assert!(why.contains("ceil(2 × 0.8) = 2") && why.contains("with a pod fewer it would be 3.2"), "{why}");
    let metric = &healthy(&evidence).metrics[0];
    assert_eq!((metric.out_above, metric.in_at), (Some(2.2), Some(1.0)));
    assert_eq!(metric.changes.as_deref(), Some("scales out above 2.2, in at 1 or below"));
}

#[test]
fn disabled_direction_is_named_and_enabled_where_the_user_sets_it() {
    for (mut evidence, path) in
        [(adapter(), "/spec/behavior"), (keda(), "/spec/advanced/horizontalPodAutoscalerConfig/behavior")]
    {
        for (field, value) in [("scaleUp", "6"), ("scaleDown", "100m")] {
            let off = json!({field: {"selectPolicy": "Disabled"}});
            scaled(&mut evidence, value, 2, 2, 10);
            behavior(&mut evidence, off.clone());
            if let Read::Seen(object) = &mut evidence.scaled_object {
                object["spec"]["advanced"] = json!({"horizontalPodAutoscalerConfig": {"behavior": off}});
            }
            let finding = healthy(&evidence).explains.unwrap();
            assert_eq!(finding.cause, Cause::DirectionDisabled);
            let [command] = finding.fix.commands.as_slice() else { panic!("{finding:?}") };
            assert!(
                command.contains(&format!(r#"{{"op":"remove","path":"{path}/{field}/selectPolicy"}}"#)),
                "{command}"
            );
        }
        // The other direction is not what keeps it.
        scaled(&mut evidence, "100m", 2, 2, 10);
        behavior(&mut evidence, json!({"scaleUp": {"selectPolicy": "Disabled"}}));
        assert_eq!(held(&evidence).0, Some(Cause::Stabilised));
    }
}

#[test]
fn policy_limits_the_rate() {
    let mut evidence = adapter();
    scaled(&mut evidence, "20", 2, 2, 30);
    let policies = json!([{"type": "Pods", "value": 1, "periodSeconds": 60}]);
    behavior(&mut evidence, json!({"scaleUp": {"policies": policies}}));
    reasons(&mut evidence, "ReadyForNewScale", Some("ScaleUpLimit"));
    let (cause, why) = held(&evidence);
    assert_eq!(cause, Some(Cause::RateLimited));
    assert!(why.contains("asks for 20") && why.ends_with("scale-out is limited to 1 pod in 60 s"), "{why}");
}

#[test]
fn minimum_and_maximum_of_each_kind_are_named() {
    let mut evidence = adapter();
    scaled(&mut evidence, "100m", 2, 2, 10);
    seen(&mut evidence.hpa)["spec"]["minReplicas"] = json!(2);
    let (cause, why) = held(&evidence);
    assert!(cause == Some(Cause::AtMinimum) && why.ends_with("the minimum is 2"), "{why}");
    let mut evidence = cpu();
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["maxReplicas"] = json!(2);
    hpa["status"]["currentMetrics"] = json!([current("cpu", 180)]);
    let (cause, why) = held(&evidence);
    assert!(cause == Some(Cause::AtMaximum) && why.contains("180 % of 80 %, and asks for 5"), "{why}");
    seen(&mut evidence.hpa)["status"]["currentMetrics"] = json!([current("cpu", 84)]);
    assert_eq!(held(&evidence).0, Some(Cause::WithinTolerance));
}

#[test]
fn replicas_that_change_are_not_explained() {
    let mut evidence = adapter();
    scaled(&mut evidence, "6", 2, 4, 10);
    let (cause, why) = held(&evidence);
    assert!(cause.is_none() && why.ends_with("the HPA goes to 4"), "{why}");
}

#[test]
fn zero_is_the_hpas_own_only_by_its_condition() {
    let mut evidence = adapter();
    let external = json!({"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "5"}}});
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["minReplicas"] = json!(0);
    hpa["spec"]["metrics"] = json!([external]);
    (hpa["status"]["currentReplicas"], hpa["status"]["desiredReplicas"]) = (json!(0), json!(0));
    hpa["status"]["currentMetrics"] = json!([]);
    let zero = json!({"type": "ScaledToZero", "status": "True", "reason": "ScaledToZero"});
    hpa["status"]["conditions"].as_array_mut().unwrap().push(zero);
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(0);
    (evidence.pods, evidence.pages) = (Read::Seen(Vec::new()), Vec::new());
    // Nothing else of this chain is of an external metric.
    (evidence.server, evidence.prometheus, evidence.monitors) = Default::default();
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/queue_depth?labelSelector=");
    let body = json!({"items": [{"value": "0"}]});
    evidence.answers.insert(path, loadtest::kube::read::Answer { status: 200, body });
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
    assert_eq!(healthy(&evidence).explains.map(|finding| finding.cause), Some(Cause::ScaledToZero));
    // Somebody else scaled it to 0: the HPA leaves it there.
    crate::changed::conditions(&mut evidence, "ScalingDisabled", "the replica count of the target is zero", 600.0);
    assert_eq!(cause_at(&evidence, Link::Pod), Cause::ReplicasZero);
}

#[test]
fn zero_by_keda_is_explained_and_left_alone() {
    let mut evidence = crate::healthy::keda();
    let hpa = seen(&mut evidence.hpa);
    (hpa["status"]["currentReplicas"], hpa["status"]["desiredReplicas"]) = (json!(0), json!(0));
    hpa["status"]["currentMetrics"] = json!([]);
    seen(&mut evidence.scaled_object)["spec"]["minReplicaCount"] = json!(0);
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(0);
    (evidence.pods, evidence.pages) = (Read::Seen(Vec::new()), Vec::new());
    crate::changed::conditions(&mut evidence, "ScalingDisabled", "the replica count of the target is zero", 600.0);
    let diagnosis = healthy(&evidence);
    let explains = diagnosis.explains.expect("KEDA explains it");
    assert_eq!(explains.cause, Cause::ScaledToZero);
    assert!(explains.evidence.ends_with("KEDA scaled the workload to 0"), "{}", explains.evidence);
    assert_eq!(explains.fix.commands, Vec::<String>::new());
    assert_eq!(diagnosis.why.as_deref(), Some("0 replicas: KEDA scaled the workload to 0"));
    let changes = diagnosis.metrics[0].changes.as_deref();
    assert_eq!(changes, Some("KEDA starts the first pod when a trigger is active"));
}
