//! Why a pod does not run, or is not ready.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state::{Reason, of, runs};
use crate::doctor::fixes::kubectl::{about, in_namespace};
use crate::doctor::fixes::{Command, rollback};
use crate::doctor::objects::{condition, list, name, namespace, text};
use crate::doctor::status::Finding;

/// Why a container of the pod fails, if one does, and the fix: a rollback, if the last change is the reason.
pub fn finding(evidence: &Evidence, workload: Option<&Value>, pods: &[Value], pod: &Value) -> Option<Finding> {
    let Reason { container, what, starts } = of(pod)?;
    let seen = format!("pod {}, container {container}: {what}", name(pod));
    let found =
        |advice: String, command: Option<Command>| Some(Finding::new(Cause::PodFails, seen.clone(), advice, command));
    let undo = workload.and_then(|workload| rollback::undo(evidence.taken, workload, pods, pod));
    if let Some(undo) = undo.filter(|_| !starts) {
        return found(rollback::ADVICE.to_owned(), Some(undo));
    }
    if what.contains("OOMKilled") {
        let advice = "Raise the container's `limits.memory`, or make it use less memory.".to_owned();
        // kubectl knows the templates of these kinds only.
        let workload = workload.filter(|workload| text(workload, "/apiVersion").starts_with("apps/"));
        let limit = doubled(pod, &container).zip(workload);
        let command = limit.map(|(limit, workload)| {
            let resources = about(workload, "set resources").name("--containers=", &container);
            resources.plain("--limits=memory=", &limit)
        });
        return found(advice, command);
    }
    if what.contains("Image") {
        let advice = "Correct the image's name, or give the pod a pull secret for its registry.";
        return found(advice.to_owned(), None);
    }
    let log = in_namespace(namespace(pod)).words("logs").name("", name(pod)).name("--container ", &container);
    let log = log.words("--previous");
    let log = log.text().map(|log| format!(" ({log})")).unwrap_or_default();
    let advice = format!("Read the end of its log{log}. Then fix the program, its arguments or its configuration.");
    found(advice, None)
}

/// Twice the container's memory limit.
fn doubled(pod: &Value, container: &str) -> Option<String> {
    let spec = list(pod, "/spec/containers").iter().find(|spec| spec["name"] == container)?;
    let limit = text(spec, "/resources/limits/memory");
    let end = limit.find(|c: char| !c.is_ascii_digit()).unwrap_or(limit.len());
    let (number, unit) = limit.split_at(end);
    // Bundles come from others, and this becomes part of a command. `1.5Gi` is not a whole number.
    let plain = unit.chars().all(|c| c.is_ascii_alphanumeric());
    Some(format!("{}{unit}", number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(2)?))
}

/// A pod that has not become ready in time.
pub fn not_ready(evidence: &Evidence, pod: &Value) -> Finding {
    let does = if runs(pod) { "runs, but is not ready" } else { "does not start" };
    let seen = format!("pod {} {does}: {}", name(pod), unready(evidence, pod));
    let undo = |workload: &Value| rollback::undo(evidence.taken, workload, evidence.pods.items(), pod);
    if let Some(undo) = evidence.workload.seen().and_then(undo) {
        return Finding::new(Cause::PodsNotCounted, seen, rollback::ADVICE, [undo]);
    }
    let advice = "Fix what the message reports. When the HPA adds replicas, it counts a pod that is not ready as idle. \
                  When it removes replicas, it does not count that pod.";
    Finding::new(Cause::PodsNotCounted, seen, advice, None)
}

/// What is reported about a pod that is not ready.
fn unready(evidence: &Evidence, pod: &Value) -> String {
    let is_of_pod = |event: &&Value| {
        let reason = text(event, "/reason");
        event["involvedObject"]["name"] == name(pod) && (reason == "Unhealthy" || reason.starts_with("Failed"))
    };
    let event = evidence.events.items().iter().rev().find(is_of_pod).map(|event| text(event, "/message").trim());
    let ready = || condition(pod, "Ready").map(|ready| text(ready, "/message")).filter(|message| !message.is_empty());
    event.or_else(ready).unwrap_or("no reason is reported").to_owned()
}
