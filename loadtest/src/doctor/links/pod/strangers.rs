//! Pods of others that the workload's selector takes: the HPA counts them too.

use std::collections::BTreeMap;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::owners::{Stranger, counts_pods, strangers};
use crate::doctor::facts::requests;
use crate::doctor::objects::{name, titled};
use crate::doctor::status::Finding;

/// The most pods of each owner that are named.
const NAMED: usize = 3;

pub fn finding(evidence: &Evidence) -> Option<Finding> {
    let all = strangers(evidence);
    if all.is_empty() || !counts_pods(evidence) {
        return None;
    }
    let mut owners: BTreeMap<&str, Vec<&Stranger<'_>>> = BTreeMap::new();
    for stranger in &all {
        owners.entry(&stranger.owner).or_default().push(stranger);
    }
    let of_owner = |(owner, pods): (&&str, &Vec<&Stranger<'_>>)| {
        let names: Vec<&str> = pods.iter().take(NAMED).map(|stranger| name(stranger.pod)).collect();
        let more = if pods.len() > NAMED { ", …" } else { "" };
        let ended = if pods.iter().all(|stranger| stranger.has_ended) { " (finished)" } else { "" };
        format!("{owner}{ended}: {}{more}", names.join(", "))
    };
    let selector = requests::pods(evidence).unwrap_or_default();
    let workload = evidence.workload.seen().map(titled).unwrap_or_default();
    let seen = format!(
        "{} of the {} pods that the selector {selector} takes are not of {workload}: {}",
        all.len(),
        evidence.pods.items().len(),
        owners.iter().map(of_owner).collect::<Vec<_>>().join("; ")
    );
    let effect = if all.iter().all(|stranger| stranger.has_ended) {
        "The HPA counts a finished pod as a pod without a value, which damps each change."
    } else {
        "The HPA averages over their pods too."
    };
    let advice = format!(
        "{effect} Give them other labels, so that {selector} does not take them. A selector cannot be changed: to change \
         one, create its object again, with a label of its own in spec.selector and in the pod template. A finished Job's \
         pods go with the Job: delete it, or set ttlSecondsAfterFinished."
    );
    // No command: these pods belong to somebody else.
    Some(Finding::new(Cause::SelectorTakesOthers, seen, advice, None))
}
