//! The conditions that the HPA's controller reports: whether it reads its metrics, and whether it may scale.
//!
//! Source of the reasons and texts: `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.34.

mod hpas;
mod metrics;

use serde_json::{Value, json};

use crate::autoscaling::timing::SYNC_PERIOD;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::{early, pods, requests, values};
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{describe, scale};
use crate::doctor::objects::{condition, is, namespace, text};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    let hpa = match &evidence.hpa {
        Read::Seen(hpa) => hpa,
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => return Status::missing(Input::Hpa, "there is no HPA"),
    };
    if let Some(finding) = hpas::several(evidence, hpa) {
        return Status::Broken(finding);
    }
    if let Some(status) = metrics::others(evidence, subject, hpa) {
        return status;
    }
    let Some(able) = condition(hpa, "AbleToScale") else {
        return Status::pending(SYNC_PERIOD, "the HPA's controller has not synced it yet");
    };
    if able["status"] == "False" {
        // One sync may fail, and the last one may be older than what is read now.
        if let Some(age) = recent(evidence, able) {
            let seen = format!("HPA {}: {}", evidence.name, written(able));
            return Status::pending(2.0 * SYNC_PERIOD - age, format!("{seen}, for {age:.0} s"));
        }
        return Status::Broken(unable(evidence, hpa, able));
    }
    match condition(hpa, "ScalingActive") {
        None => Status::pending(SYNC_PERIOD, "the HPA's controller has not read its metrics yet"),
        Some(_) if is(hpa, "ScalingActive") => Status::Ok(active(hpa)),
        Some(active) => inactive(evidence, subject, hpa, active),
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
    let conditions = ["ScalingActive", "AbleToScale", "ScalingLimited"];
    let reasons = conditions.into_iter().filter_map(|kind| condition(hpa, kind)).map(|one| text(one, "/reason"));
    reasons.collect::<Vec<_>>().join(", ")
}

fn unable(evidence: &Evidence, hpa: &Value, able: &Value) -> Finding {
    let seen = format!("HPA {}: {}", evidence.name, written(able));
    // A quota or a webhook forbids it to everybody.
    if text(able, "/message").contains("is forbidden: User ") {
        let target = &hpa["spec"]["scaleTargetRef"];
        let [version, kind] = ["/apiVersion", "/kind"].map(|at| text(target, at));
        let (group, plural) = (requests::group_of(version), requests::plural(evidence, version, kind));
        let scale = format!("{plural}/scale");
        let advice = format!("Allow the HPA's controller to get and update {scale}.");
        let rule = json!({"apiGroups": [group], "resources": [scale], "verbs": ["get", "update"]});
        // A controller may have another account than the usual one.
        let usual = text(able, "/message").contains("system:serviceaccount:kube-system:horizontal-pod-autoscaler");
        let commands =
            if usual { missing_right::allowed(&format!("hpa-scales-{plural}"), &rule) } else { vec![describe(hpa)] };
        return Finding::new(Cause::ControllerForbidden, seen, advice, commands);
    }
    if able["reason"] == "FailedGetScale" {
        let advice = "Set spec.scaleTargetRef to a workload in the HPA's namespace that has a scale subresource.";
        return Finding::new(Cause::TargetElsewhere, seen, advice, vec![describe(hpa)]);
    }
    let advice = "The API server rejects the HPA's number of replicas: something else writes it at the same time, or an \
                  admission webhook rejects it.";
    Finding::new(Cause::ReplicasSetElsewhere, seen, advice, vec![describe(hpa)])
}

/// The HPA does not read its metric, although every link before it may work.
fn inactive(evidence: &Evidence, subject: &Subject, hpa: &Value, active: &Value) -> Status {
    let seen = format!("HPA {}: {}", evidence.name, written(active));
    let message = text(active, "/message");
    let cause = match text(active, "/reason") {
        "ScalingDisabled" if pods::leaves_zero(evidence) => return Status::Ok(seen),
        // It had 0 replicas at the HPA's last sync.
        "ScalingDisabled"
            if evidence.scale.seen().is_some_and(|scale| scale["spec"]["replicas"].as_u64() > Some(0)) =>
        {
            return Status::pending(
                SYNC_PERIOD,
                format!("{seen}. It has replicas now: the HPA syncs every {SYNC_PERIOD} s"),
            );
        }
        "ScalingDisabled" => Cause::ReplicasZero,
        "AmbiguousSelector" | "InvalidSelector" => Cause::SeveralHpas,
        // The last sync may be older than what is read now.
        _ if values::works(evidence, subject) == Some(true) => {
            return Status::pending(
                SYNC_PERIOD,
                format!("{seen}. The API has a value now: the HPA syncs every {SYNC_PERIOD} s"),
            );
        }
        _ if let Some(age) = recent(evidence, active) => {
            return Status::pending(2.0 * SYNC_PERIOD - age, format!("{seen}, for {age:.0} s"));
        }
        _ if let Some(wait) = early::too_early(evidence, subject) => return Status::Pending(wait.after(&seen)),
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
    let command = if cause == Cause::ReplicasZero { started(hpa) } else { describe(hpa) };
    Status::Broken(Finding::new(cause, seen, advice, vec![command]))
}

/// The command that gives the HPA's target its minimum of replicas.
fn started(hpa: &Value) -> Command {
    let target = &hpa["spec"]["scaleTargetRef"];
    let workload =
        json!({"apiVersion": target["apiVersion"], "kind": target["kind"], "metadata": {"name": target["name"]}});
    let minimum = hpa["spec"]["minReplicas"].as_u64().unwrap_or(1).max(1);
    scale(&workload, namespace(hpa), minimum)
}
