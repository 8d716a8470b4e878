//! New pods that are not scheduled, or not even created.

use serde_json::Value;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state::{node_to_come, unschedulable};
use crate::doctor::facts::pods::{desired, living};
use crate::doctor::findings::pod_failure::with_unit;
use crate::doctor::fixes::scaler::maximum;
use crate::doctor::fixes::{Command, rollback};
use crate::doctor::objects::{age, condition, name, text, time};
use crate::doctor::status::{Finding, Status};

/// Why desired pods are pending or missing, with this evidence in front.
pub fn check(evidence: &Evidence, seen: &str) -> Option<Status> {
    without_node(evidence, seen).or_else(|| refused(evidence, seen).map(Status::Broken))
}

fn without_node(evidence: &Evidence, seen: &str) -> Option<Status> {
    let waiting = living(evidence).filter_map(|pod| Some((pod, unschedulable(pod)?, node_to_come(evidence, pod))));
    // The first for which no node is on its way, else the first.
    let (pod, message, to_come) = waiting.min_by_key(|(.., to_come)| to_come.is_some())?;
    let seen = format!("{seen}; pod {} is Pending: {message}", name(pod));
    if let Some(why) = to_come {
        return Some(Status::pending(timing::NODE_DECISION, format!("{seen} ({why})")));
    }
    let found = |advice: &str, command: Option<Command>| {
        Some(Status::Broken(Finding::new(Cause::PodsPending, &*seen, advice, command)))
    };
    let undo = rollback::undo(evidence.taken, evidence.workload.seen(), evidence.pods.items(), pod);
    if undo.is_some() {
        let advice = "The workload's pods were scheduled until its last change. Roll the change back, or make room for \
                      what it requests.";
        return found(advice, undo);
    }
    let advice = if message.contains("Insufficient") {
        let advice = "Make room: add nodes, use a node autoscaler, or lower the pods' requests.";
        if let Some((placed, command)) = limited_to_placed(evidence) {
            let advice =
                format!("{advice} Until then, the command limits the HPA to the {placed} pods that have a node.");
            return found(&advice, Some(command));
        }
        advice
    } else if message.contains("unschedulable") {
        "A node is cordoned. kubectl get nodes shows which one, and kubectl uncordon makes it schedulable again."
    } else {
        "Fix what the scheduler reports (taints, selectors, affinity or volumes), so that a node fits."
    };
    found(advice, None)
}

/// The command that lowers the maximum to the pods that have a node, and their number. None if all desired pods have one,
/// or fewer than the HPA's minimum.
fn limited_to_placed(evidence: &Evidence) -> Option<(u64, Command)> {
    let placed = u64::try_from(living(evidence).filter(|pod| unschedulable(pod).is_none()).count()).ok()?;
    let minimum = evidence.hpa.seen()?["spec"]["minReplicas"].as_u64().unwrap_or(1).max(1);
    (minimum..desired(evidence)?).contains(&placed).then(|| Some((placed, maximum(evidence, placed)?)))?
}

/// Pods that were not even created: a quota or an admission webhook rejected them.
fn refused(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let there = u64::try_from(living(evidence).count()).ok()?;
    let missing = desired(evidence)?.checked_sub(there).filter(|missing| *missing > 0)?;
    let object = evidence.workload.seen();
    let workload = object.map(name).unwrap_or_default();
    let lately = if object.is_some_and(|object| object["kind"] == "Deployment") {
        timing::REFUSAL_OF_DEPLOYMENT
    } else {
        timing::REFUSAL_OF_OTHER_KIND
    };
    let last =
        |event: &Value| ["lastTimestamp", "eventTime", "firstTimestamp"].into_iter().find_map(|at| time(&event[at]));
    let is_new = evidence.own_namespace.seen().is_some_and(|own| age(own, evidence.taken) < timing::NAMESPACE_SETTLES);
    let ours = |event: &&Value| {
        let of = text(event, "/involvedObject/name");
        let ours = of == workload || of.strip_prefix(workload).is_some_and(|rest| rest.starts_with('-'));
        // A new namespace gets its service account in its first seconds.
        let is_early = is_new && text(event, "/message").contains("looking up service account");
        event["reason"] == "FailedCreate"
            && ours
            && !is_early
            && last(event).is_some_and(|at| evidence.taken - at < lately)
    };
    let event = evidence.events.items().iter().rev().find(ours);
    let event = event.map(|event| (text(event, "/involvedObject/name"), text(event, "/message")));
    // Events end, as retries become rarer. The Deployment keeps the last rejection.
    let kept = || {
        let refusal = condition(object?, "ReplicaFailure").filter(|refusal| refusal["status"] == "True")?;
        Some((workload, text(refusal, "/message")))
    };
    let (of, message) = event.or_else(kept)?;
    let seen = format!("{seen}; {of}: {message}");
    let advice = quota(message, missing)
        .unwrap_or_else(|| "The API server rejects new pods. Raise the limit that its message names.".to_owned());
    Some(Finding::new(Cause::PodsPending, seen, advice, None))
}

/// How far a quota has to be raised for the missing pods. The message, from
/// `plugin/pkg/admission/resourcequota/controller.go`:
/// `exceeded quota: NAME, requested: pods=1, used: pods=1, limited: pods=1`.
fn quota(message: &str, missing: u64) -> Option<String> {
    let (name, rest) = message.split_once("exceeded quota: ")?.1.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, _) = rest.split_once(", limited: ")?;
    let mut hard = Vec::new();
    for (of, requested) in requested.split(',').filter_map(|part| part.split_once('=')) {
        let used = used.split(',').filter_map(|part| part.split_once('=')).find(|(name, _)| *name == of)?.1;
        hard.push(format!("{of} to {}", sum(used, requested, missing)?));
    }
    Some(format!("Ask whoever owns ResourceQuota {name} to raise {}, or run fewer replicas.", hard.join(", ")))
}

/// The used amount plus this many times the requested one, in the unit of the request.
fn sum(used: &str, requested: &str, times: u64) -> Option<String> {
    let ((used, unit), (requested, other)) = (with_unit(used)?, with_unit(requested)?);
    let sum = requested.checked_mul(times)?.checked_add(used)?;
    (used == 0 || unit == other).then(|| format!("{sum}{other}"))
}
