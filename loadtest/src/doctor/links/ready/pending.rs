//! New pods that find no place.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;
use crate::doctor::links::failing::{node_to_come, unschedulable};
use crate::doctor::links::fields::{living, text};
use crate::doctor::links::objects::{merge, name, time};

/// Events that are older, in seconds, are over.
const LATELY: f64 = 300.0;

pub fn judge(evidence: &Evidence, wanted: u64, seen: &str) -> Option<Judgement> {
    without_node(evidence, seen).or_else(|| refused(evidence, wanted, seen).map(Judgement::Broken))
}

fn without_node(evidence: &Evidence, seen: &str) -> Option<Judgement> {
    let waiting = living(evidence).filter_map(|pod| Some((pod, unschedulable(pod)?, node_to_come(evidence, pod))));
    // The first for which no node is to come, else the first.
    let (pod, message, to_come) = waiting.min_by_key(|(.., to_come)| to_come.is_some())?;
    let pod = name(pod);
    if let Some(why) = to_come {
        return Some(Judgement::NotJudged(format!("{seen}; pod {pod} is Pending: {message} ({why})")));
    }
    let advice = if message.contains("Insufficient") {
        "Make room: add nodes, have an autoscaler of nodes do so, or lower the pods' requests."
    } else if message.contains("unschedulable") {
        "A node is cordoned: kubectl get nodes shows which; kubectl uncordon opens it."
    } else {
        "Make a node fit: what the scheduler says is in the way (taints, selectors, affinity, volumes)."
    };
    let seen = format!("{seen}; pod {pod} is Pending: {message}");
    Some(Judgement::Broken(Finding::new(Cause::PodsPending, seen, advice, Vec::new())))
}

/// Pods that were not even made: a quota, or an admission webhook, refused them.
fn refused(evidence: &Evidence, wanted: u64, seen: &str) -> Option<Finding> {
    let missing = wanted.checked_sub(u64::try_from(living(evidence).count()).ok()?).filter(|missing| *missing > 0)?;
    let workload = evidence.workload.seen().map(name).unwrap_or_default();
    let last =
        |event: &Value| ["lastTimestamp", "eventTime", "firstTimestamp"].into_iter().find_map(|at| time(&event[at]));
    let ours = |event: &&Value| {
        let of = text(event, "/involvedObject/name");
        let ours = of == workload || of.strip_prefix(workload).is_some_and(|rest| rest.starts_with('-'));
        event["reason"] == "FailedCreate" && ours && last(event).is_some_and(|at| evidence.taken - at < LATELY)
    };
    let event = evidence.events.items().iter().rev().find(ours)?;
    let message = text(event, "/message");
    let seen = format!("{seen}; {}: {message}", text(event, "/involvedObject/name"));
    let advice = "The API server makes no further pod: raise what its message names.";
    let command = quota(evidence, message, missing);
    Some(Finding::new(Cause::PodsPending, seen, advice, command.into_iter().collect()))
}

/// The command that raises a quota by what the missing pods take. The message, from
/// `plugin/pkg/admission/resourcequota/controller.go`:
/// `exceeded quota: NAME, requested: pods=1, used: pods=1, limited: pods=1`.
fn quota(evidence: &Evidence, message: &str, missing: u64) -> Option<String> {
    let (name, rest) = message.split_once("exceeded quota: ")?.1.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, _) = rest.split_once(", limited: ")?;
    let mut hard = serde_json::Map::new();
    for (of, requested) in requested.split(',').filter_map(|part| part.split_once('=')) {
        let used = used.split(',').filter_map(|part| part.split_once('=')).find(|(name, _)| *name == of)?.1;
        hard.insert(of.to_owned(), json!(sum(used, requested, missing)?));
    }
    let metadata = json!({"name": name, "namespace": evidence.namespace});
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata});
    Some(merge(&quota, &json!({"spec": {"hard": hard}})))
}

/// What is used and this many times what is requested, in the unit of the request.
fn sum(used: &str, requested: &str, times: u64) -> Option<String> {
    let split = |written: &'_ str| {
        let end = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
        Some((written[..end].parse::<u64>().ok()?, written[end..].to_owned()))
    };
    let ((used, unit), (requested, other)) = (split(used)?, split(requested)?);
    let sum = requested.checked_mul(times)?.checked_add(used)?;
    (used == 0 || unit == other).then(|| format!("{sum}{other}"))
}
