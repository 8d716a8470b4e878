//! Pods that run, and do not become ready.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::Finding;
use crate::doctor::evidence::Evidence;
use crate::doctor::links::failing::{is_overdue, runs};
use crate::doctor::links::fields::{living, text};
use crate::doctor::links::objects::name;

/// A pod that runs, and is not ready in all the time that it had.
pub fn late(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let late = |pod: &&Value| runs(pod) && is_overdue(evidence, pod);
    let pod = living(evidence).find(late)?;
    let name = name(pod);
    let events = evidence.events.items().iter();
    let probe = events.rev().find(|event| event["involvedObject"]["name"] == name && event["reason"] == "Unhealthy");
    let why = probe.map_or_else(|| "it is not ready".to_owned(), |event| text(event, "/message").trim().to_owned());
    let seen = format!("{seen}; pod {name} runs: {why}");
    let advice = "A pod that is not ready counts as idle when the HPA adds, and not at all when it removes. Mend what its \
                  readiness probe says.";
    Some(Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new()))
}
