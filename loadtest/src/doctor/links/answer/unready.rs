//! Pods that run, and do not become ready.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::Finding;
use crate::doctor::evidence::Evidence;
use crate::doctor::links::failing::start;
use crate::doctor::links::fields::{is, list, living, since, text};
use crate::doctor::links::objects::{condition, name};

/// Seconds within which a pod that runs is to be ready, besides what its probes allow it.
const READY_WITHIN: f64 = 120.0;

/// A pod that runs, and is not ready in all the time that it had.
pub fn late(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let late = |pod: &&Value| {
        let allowed = READY_WITHIN + start(pod);
        let containers = list(pod, "/status/containerStatuses");
        let runs = containers.iter().all(|container| container.pointer("/state/running").is_some());
        let changed = condition(pod, "Ready").and_then(|ready| since(evidence, ready, "/lastTransitionTime"));
        let running = containers.iter().filter_map(|one| since(evidence, one, "/state/running/startedAt"));
        let since = running.chain(changed).reduce(f64::min);
        pod.pointer("/status/phase").is_some_and(|phase| phase == "Running")
            && runs
            && !is(pod, "Ready")
            && since.is_some_and(|since| since > allowed)
    };
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
