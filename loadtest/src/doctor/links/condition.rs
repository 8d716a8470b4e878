//! What the HPA's controller writes into the HPA: whether it reads its metrics, and whether it may scale.
//!
//! Source of the reasons and texts: `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.34.

mod hpas;
mod metrics;

use serde_json::{Value, json};

use crate::autoscaling::manifests::SYNC;
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::{early, pods, requests, values};
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{describe, scale};
use crate::doctor::objects::{condition, is, namespace, text};
use crate::kube::read::Read;

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    let hpa = match &evidence.hpa {
        Read::Seen(hpa) => hpa,
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => return Judgement::NotJudged("there is no HPA".to_owned()),
    };
    if let Some(finding) = hpas::several(evidence, hpa) {
        return Judgement::Broken(finding);
    }
    if let Some(judgement) = metrics::others(evidence, subject, hpa) {
        return judgement;
    }
    let Some(able) = condition(hpa, "AbleToScale") else {
        return Judgement::NotJudged("the HPA's controller has not looked at it yet".to_owned());
    };
    if able["status"] == "False" {
        // One look may fail, and the last may be before what is read now.
        if since(evidence, able, "/lastTransitionTime").is_some_and(|age| age < 2.0 * SYNC) {
            let seen = format!("HPA {}: {}", evidence.name, written(able));
            return Judgement::NotJudged(format!("{seen}. It says so for less than {} s", 2.0 * SYNC));
        }
        return Judgement::Broken(unable(evidence, hpa, able));
    }
    match condition(hpa, "ScalingActive") {
        None => Judgement::NotJudged("the HPA's controller has not read its metrics yet".to_owned()),
        Some(_) if is(hpa, "ScalingActive") => Judgement::Holds(active(hpa)),
        Some(active) => inactive(evidence, subject, hpa, active),
    }
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
    // What a quota or a webhook forbids, it forbids whoever asks.
    if text(able, "/message").contains("is forbidden: User ") {
        let target = &hpa["spec"]["scaleTargetRef"];
        let [version, kind] = ["/apiVersion", "/kind"].map(|at| text(target, at));
        let (group, plural) = (requests::group_of(version), requests::plural(evidence, version, kind));
        let scale = format!("{plural}/scale");
        let advice = format!("Let the HPA's controller get and update {scale}.");
        let rule = json!({"apiGroups": [group], "resources": [scale], "verbs": ["get", "update"]});
        // A controller may have another account than the usual one.
        let usual = text(able, "/message").contains("system:serviceaccount:kube-system:horizontal-pod-autoscaler");
        let commands =
            if usual { missing_right::allowed(&format!("hpa-scales-{plural}"), &rule) } else { vec![describe(hpa)] };
        return Finding::new(Cause::ControllerForbidden, seen, advice, commands);
    }
    if able["reason"] == "FailedGetScale" {
        let advice =
            "Name a workload in spec.scaleTargetRef that is in the HPA's namespace and has a scale subresource.";
        return Finding::new(Cause::TargetElsewhere, seen, advice, vec![describe(hpa)]);
    }
    let advice = "The API server takes no new number of replicas from the HPA: somebody else writes it at the same time, \
                  or an admission webhook refuses.";
    Finding::new(Cause::ReplicasSetElsewhere, seen, advice, vec![describe(hpa)])
}

/// The HPA does not read its metric, though all above may hold.
fn inactive(evidence: &Evidence, subject: &Subject, hpa: &Value, active: &Value) -> Judgement {
    let seen = format!("HPA {}: {}", evidence.name, written(active));
    let message = text(active, "/message");
    let early = || early::too_early(evidence, subject);
    let cause = match text(active, "/reason") {
        "ScalingDisabled" if pods::leaves_zero(evidence) => return Judgement::Holds(seen),
        // It was at 0 when the HPA last looked.
        "ScalingDisabled"
            if evidence.scale.seen().is_some_and(|scale| scale["spec"]["replicas"].as_u64() > Some(0)) =>
        {
            return Judgement::NotJudged(format!("{seen}. It has replicas now: the HPA looks again within {SYNC} s"));
        }
        "ScalingDisabled" => Cause::ReplicasZero,
        "AmbiguousSelector" | "InvalidSelector" => Cause::SeveralHpas,
        // It looks every fifteen seconds, and the last time may be before what is read now.
        _ if values::works(evidence, subject) == Some(true) => {
            return Judgement::NotJudged(format!(
                "{seen}. The API has a value now: the HPA looks again within {SYNC} s"
            ));
        }
        _ if since(evidence, active, "/lastTransitionTime").is_some_and(|age| age < 2.0 * SYNC) => {
            return Judgement::NotJudged(format!("{seen}. It says so for less than {} s", 2.0 * SYNC));
        }
        _ if early().is_some() => {
            return Judgement::NotJudged(format!("{seen}. But {}", early().unwrap_or_default()));
        }
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
        Cause::ReplicasZero => "Give the workload a replica: from 0 an HPA does not scale.",
        Cause::SeveralHpas => "Give the workload's pods a selector that is theirs alone.",
        _ => "Every link above holds where it could be looked at: look at those that could not.",
    };
    let command = if cause == Cause::ReplicasZero { started(hpa) } else { describe(hpa) };
    Judgement::Broken(Finding::new(cause, seen, advice, vec![command]))
}

/// The command that gives what the HPA scales its least of replicas.
fn started(hpa: &Value) -> Command {
    let target = &hpa["spec"]["scaleTargetRef"];
    let workload =
        json!({"apiVersion": target["apiVersion"], "kind": target["kind"], "metadata": {"name": target["name"]}});
    let least = hpa["spec"]["minReplicas"].as_u64().unwrap_or(1).max(1);
    scale(&workload, namespace(hpa), least)
}
