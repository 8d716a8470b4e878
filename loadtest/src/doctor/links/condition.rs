//! The conditions that the HPA's controller reports: whether it reads its metrics, and whether it may scale.
//!
//! Source of the reasons and texts: `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.34 and 1.37.

mod hpas;
mod metrics;
mod resource;

use serde_json::{Value, json};

use crate::autoscaling::timing::SYNC_PERIOD;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::{early, pods, requests, values};
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, scale};
use crate::doctor::link::Link;
use crate::doctor::objects::{Hpa, condition, is, namespace, text};
use crate::doctor::status::{Checked, Finding, Input, Status};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric, invalid: &[(usize, Link, Finding)]) -> Checked {
    let hpa = Status::require(&evidence.hpa, || Status::missing(Input::Hpa, "there is no HPA"))?;
    Status::stop(hpas::several(evidence, hpa))?;
    Status::stop(resource::check(evidence, hpa))?;
    Status::stop(metrics::others(evidence, scaling, hpa, invalid))?;
    let Some(able) = condition(hpa, "AbleToScale") else {
        return Err(Status::pending(SYNC_PERIOD, "the HPA's controller has not synced it yet"));
    };
    if able["status"] == "False" {
        // One sync may fail, and the last one may be older than this reading.
        if let Some(age) = recent(evidence, able) {
            let seen = format!("HPA {}: {}", evidence.name, written(able));
            return Err(Status::pending(2.0 * SYNC_PERIOD - age, format!("{seen}, for {age:.0} s")));
        }
        return Err(unable(evidence, hpa, able).into());
    }
    match condition(hpa, "ScalingActive") {
        None => Err(Status::pending(SYNC_PERIOD, "the HPA's controller has not read its metrics yet")),
        Some(_) if is(hpa, "ScalingActive") => Ok(active(hpa)),
        Some(active) => inactive(evidence, scaling, hpa, active),
    }
}

/// Seconds since a condition changed, where that is too recent to count.
fn recent(evidence: &Evidence, condition: &Value) -> Option<f64> {
    since(evidence, condition, "/lastTransitionTime").filter(|age| *age < 2.0 * SYNC_PERIOD)
}

fn written(condition: &Value) -> String {
    let [kind, status, reason, message] = ["/type", "/status", "/reason", "/message"].map(|at| text(condition, at));
    format!("{kind} is {status}, {reason}: {message}")
}

fn active(hpa: &Value) -> String {
    let conditions = ["ScalingActive", "AbleToScale", "ScalingLimited", "ScaledToZero"];
    let reasons = conditions.into_iter().filter_map(|kind| condition(hpa, kind)).map(|one| text(one, "/reason"));
    // Almost every HPA says this from Kubernetes 1.37 on.
    let reasons = reasons.filter(|reason| *reason != "NotScaledToZero");
    reasons.collect::<Vec<_>>().join(", ")
}

fn unable(evidence: &Evidence, hpa: &Value, able: &Value) -> Finding {
    let seen = format!("HPA {}: {}", evidence.name, written(able));
    // A quota or a webhook forbids it to everybody.
    if text(able, "/message").contains("is forbidden: User ") {
        let target = Hpa(hpa).target();
        let [version, kind] = ["/apiVersion", "/kind"].map(|at| text(target, at));
        let (group, plural) = (requests::group_of(version), requests::plural(evidence, version, kind));
        let scale = format!("{plural}/scale");
        let advice = format!("Allow the HPA's controller to get and update {scale}.");
        let rule = json!({"apiGroups": [group], "resources": [scale], "verbs": ["get", "update"]});
        // A controller may have another account than the usual one.
        let usual = text(able, "/message").contains("system:serviceaccount:kube-system:horizontal-pod-autoscaler");
        let commands = if usual {
            missing_right::allowed(&format!("hpa-scales-{plural}"), &rule).into()
        } else {
            vec![about(hpa, "describe")]
        };
        return Finding::new(Cause::ControllerForbidden, seen, advice, commands);
    }
    let (cause, advice) = if able["reason"] == "FailedGetScale" {
        let advice = "Set spec.scaleTargetRef to a workload in the HPA's namespace that has a scale subresource.";
        (Cause::TargetElsewhere, advice)
    } else {
        let advice = "The API server rejects the HPA's number of replicas. Either something else writes it at the same time, \
                      or an admission webhook rejects it.";
        (Cause::ReplicasSetElsewhere, advice)
    };
    Finding::new(cause, seen, advice, [about(hpa, "describe")])
}

/// The HPA does not read its metric, although every link before it may work.
fn inactive(evidence: &Evidence, scaling: &ScalingMetric, hpa: &Value, active: &Value) -> Checked {
    let seen = format!("HPA {}: {}", evidence.name, written(active));
    let message = text(active, "/message");
    let cause = match text(active, "/reason") {
        "ScalingDisabled" if pods::leaves_zero(evidence) => return Ok(seen),
        // It had 0 replicas at the HPA's last sync.
        "ScalingDisabled"
            if evidence.scale.seen().is_some_and(|scale| scale["spec"]["replicas"].as_u64() > Some(0)) =>
        {
            return Err(Status::pending(
                SYNC_PERIOD,
                format!("{seen}. It has replicas now: the HPA syncs every {SYNC_PERIOD} s"),
            ));
        }
        "ScalingDisabled" => Cause::ReplicasZero,
        "AmbiguousSelector" | "InvalidSelector" => Cause::SeveralHpas,
        // The last sync may be older than this reading.
        _ if values::works(evidence, scaling) == Some(true) => {
            return Err(Status::pending(
                SYNC_PERIOD,
                format!("{seen}. The API has a value now: the HPA syncs every {SYNC_PERIOD} s"),
            ));
        }
        _ if let Some(age) = recent(evidence, active) => {
            return Err(Status::pending(2.0 * SYNC_PERIOD - age, format!("{seen}, for {age:.0} s")));
        }
        _ if let Some(wait) = early::too_early(evidence, scaling) => return Err(wait.after(&seen).into()),
        _ if message.contains("forbidden") => Cause::ControllerForbidden,
        _ if message.contains("no custom metrics API") || message.contains("no external metrics API") => {
            Cause::ApiServiceMissing
        }
        _ if message.contains("could not find the metric") => Cause::RuleAbsent,
        _ if message.contains("unable to handle the request") || message.contains("could not find the requested") => {
            Cause::ApiServiceUnavailable
        }
        _ => Cause::PodsNotCounted,
    };
    let advice = match cause {
        Cause::ReplicasZero => "Scale the workload to 1: an HPA does not scale from 0.",
        Cause::SeveralHpas => "Give the workload's pods a selector that matches no other pods.",
        _ => "Every link before this one works, as far as it could be checked. Check those that could not.",
    };
    let command = if cause == Cause::ReplicasZero { to_minimum(hpa) } else { about(hpa, "describe") };
    Err(Finding::new(cause, seen, advice, [command]).into())
}

/// The command that scales the HPA's target to the minimum.
fn to_minimum(hpa: &Value) -> Command {
    let target = Hpa(hpa).target();
    let workload = json!({
        "apiVersion": target["apiVersion"], "kind": target["kind"],
        "metadata": {"name": target["name"], "namespace": namespace(hpa)},
    });
    scale(&workload, hpa["spec"]["minReplicas"].as_u64().unwrap_or(1).max(1))
}
