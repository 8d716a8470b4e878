//! The link replicas: how many there are, and why there are no more.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Finding, Outcome, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{broken, cause_at, commands_at, scaled, state};
use crate::healthy::{NAMESPACE, adapter, ago, keda};
use crate::seen;

fn explained(evidence: &Evidence) -> Option<Finding> {
    let diagnosis = diagnose(evidence);
    assert_eq!(diagnosis.outcome, Outcome::Healthy, "{:#?}", diagnosis.links);
    diagnosis.explains
}

#[test]
fn value_above_target_at_the_maximum_is_at_maximum() {
    for (mut evidence, command) in [
        (
            adapter(),
            r#"patch horizontalpodautoscaler.autoscaling/shopfront-hpa --type merge -p '{"spec":{"maxReplicas":4}}'"#,
        ),
        (
            keda(),
            r#"patch scaledobject.keda.sh/shopfront-scaledobject --type merge -p '{"spec":{"maxReplicaCount":4}}'"#,
        ),
    ] {
        scaled(&mut evidence, "4500m", 2, 2, 2);
        let finding = explained(&evidence).unwrap();
        assert_eq!(finding.cause, Cause::AtMaximum);
        assert_eq!(finding.fix.commands, [format!("kubectl -n {NAMESPACE} {command}")]);
        // For a peak, the command at most doubles the maximum.
        assert!(finding.fix.advice.contains("5 replicas") && finding.fix.advice.contains("twice"), "{finding:?}");
        // The maximum is just enough.
        scaled(&mut evidence, "2", 2, 2, 2);
        assert_eq!(explained(&evidence), None);
    }
}

#[test]
fn value_near_the_target_is_within_tolerance() {
    for mut evidence in [adapter(), keda()] {
        scaled(&mut evidence, "2150m", 2, 2, 3);
        assert_eq!(explained(&evidence).map(|finding| finding.cause), Some(Cause::WithinTolerance));
        // With one replica fewer the value would exceed the target, so the tolerance is not the reason.
        scaled(&mut evidence, "1900m", 2, 2, 3);
        assert_eq!(explained(&evidence), None);
        scaled(&mut evidence, "3", 2, 3, 3);
        assert_eq!(explained(&evidence), None);
    }
}

#[test]
fn replicas_written_by_another_manager_are_set_elsewhere() {
    for mut evidence in [adapter(), keda()] {
        seen(&mut evidence.hpa)["status"]["lastScaleTime"] = json!(ago(120.0));
        let wrote = |manager: &str, subresource: &str, seconds: f64| {
            json!({
                "manager": manager, "operation": "Apply", "subresource": subresource, "time": ago(seconds),
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            })
        };
        for (entry, named) in [
            (wrote("argocd-controller", "", 30.0), true),
            // Written before the HPA's last change, by the HPA itself, or once by hand.
            (wrote("kubectl-client-side-apply", "", 3000.0), false),
            (wrote("kube-controller-manager", "scale", 119.0), false),
            (wrote("kubectl", "scale", 30.0), false),
            (wrote("kubectl-patch", "", 30.0), false),
        ] {
            seen(&mut evidence.workload)["metadata"]["managedFields"] = json!([entry]);
            if named {
                let finding = broken(&evidence, Link::Replicas);
                assert_eq!(finding.cause, Cause::ReplicasSetElsewhere);
                assert!(finding.evidence.contains("argocd-controller"), "{}", finding.evidence);
            } else {
                assert_eq!(state(&evidence, Link::Replicas), State::Ok, "{entry}");
            }
        }
    }
}

#[test]
fn applied_manifest_with_replicas_gets_a_command_to_forget_them() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["status"]["lastScaleTime"] = json!(ago(120.0));
    let applied = |replicas: &str| {
        json!({
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"spec\":{{{replicas}\"paused\":false}}}}"),
            },
            "managedFields": [{
                "manager": "kubectl-client-side-apply", "operation": "Update", "time": ago(30.0),
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }],
        })
    };
    let mut apply = |replicas: &str| {
        let metadata = seen(&mut evidence.workload)["metadata"].as_object_mut().unwrap();
        metadata.extend(applied(replicas).as_object().unwrap().clone());
        evidence.clone()
    };
    let forgets = "kubectl -n miztiik-automation-ns apply view-last-applied deployment.apps/shopfront-deploy -o yaml | \
                   sed '/^  replicas:/d' | kubectl -n miztiik-automation-ns apply set-last-applied -f -";
    assert_eq!(
        commands_at(&apply("\"replicas\":1,"), Link::Replicas),
        (Cause::ReplicasSetElsewhere, forgets.to_owned())
    );
    // kubectl keeps owning the field after a manifest without it was applied.
    assert_eq!(state(&apply(""), Link::Replicas), State::Ok);
}

#[test]
fn repeated_rescale_to_the_same_size_is_set_elsewhere() {
    let rescale = |size: u32, count: u32, first: f64, last: f64| {
        json!({
            "involvedObject": {"kind": "HorizontalPodAutoscaler", "name": "shopfront-hpa"}, "reason": "SuccessfulRescale",
            "message": format!("New size: {size}; reason: pods metric above target"), "count": count,
            "firstTimestamp": ago(first), "lastTimestamp": ago(last),
        })
    };
    let mut evidence = adapter();
    evidence.events = Read::Seen(vec![rescale(3, 4, 200.0, 20.0)]);
    assert_eq!(cause_at(&evidence, Link::Replicas), Cause::ReplicasSetElsewhere);
    // The HPA scaled out, in and out again by itself.
    evidence.events = Read::Seen(vec![rescale(3, 2, 500.0, 20.0), rescale(1, 1, 100.0, 100.0)]);
    assert_eq!(state(&evidence, Link::Replicas), State::Ok);
    // The rescales to the other size go back much further.
    evidence.events = Read::Seen(vec![rescale(3, 2, 500.0, 20.0), rescale(1, 4, 3000.0, 100.0)]);
    assert_eq!(state(&evidence, Link::Replicas), State::Ok);
}

#[test]
fn target_of_type_value_is_not_divided_by_the_pods() {
    let mut evidence = keda();
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["metrics"][0]["external"]["target"] = json!({"type": "Value", "value": "2"});
    hpa["spec"]["maxReplicas"] = json!(2);
    hpa["status"]["currentMetrics"][0]["external"]["current"] = json!({"value": "3"});
    assert_eq!(explained(&evidence).map(|finding| finding.cause), Some(Cause::AtMaximum));
    // Until the HPA reports a value, the API's answer counts.
    seen(&mut evidence.hpa)["status"]["currentMetrics"] = json!([]);
    assert_eq!(diagnose(&evidence).figures.unwrap().value, Some(2.0));
}
