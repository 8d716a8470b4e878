//! Whether the last change of a Deployment keeps its pods from starting, and the command that rolls it back.

use serde_json::Value;

use super::Command;
use crate::autoscaling::timing;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{Pod, age, condition, is_ready, list, namespace, text, time};

/// What to do where the command is printed.
pub const ADVICE: &str = "Roll the last change back. Then fix what the reason names, and roll it out again.";

/// The command that rolls back a recent change, if other pods served until then.
pub fn undo(taken: f64, workload: Option<&Value>, pods: &[Value], pod: &Value) -> Option<Command> {
    let workload = workload?;
    let revision = workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    let alike = pods.iter().filter(|other| hash(other) == hash(pod));
    let first = alike.clone().map(|pod| age(pod, taken)).fold(0.0, f64::max);
    let is_a_change = revision.and_then(|revision| revision.parse().ok()).is_some_and(|revision: u64| revision > 1);
    // Where others of the change serve, it is not what keeps this one.
    if !is_a_change || first > timing::CHANGE_TO_UNDO || alike.clone().any(is_ready) {
        return None;
    }
    let undo = about(workload, "rollout undo");
    let Some(other) = pods.iter().find(|other| hash(other) != hash(pod) && age(other, taken) > first) else {
        return served_until(taken, workload, first).then_some(undo);
    };
    // There may be failed attempts between, so the revision is the one that serves.
    let containers = Pod(other).container_statuses();
    containers.iter().any(|container| container["ready"] == true).then(|| {
        undo.words("--to-revision=\"$(kubectl")
            .namespace(namespace(workload))
            .words("get replicaset")
            .value("-l pod-template-hash=", hash(other))
            .words(r#"-o jsonpath='{.items[0].metadata.annotations.deployment\.kubernetes\.io/revision}')""#)
    })
}

/// The hash of the template that a Deployment made a pod from.
fn hash(pod: &Value) -> &str {
    text(pod, "/metadata/labels/pod-template-hash")
}

/// Whether a Deployment whose older pods are gone was available until it was changed, just before its first new pod was
/// created, this many seconds ago.
fn served_until(taken: f64, workload: &Value, first: f64) -> bool {
    let managed = list(workload, "/metadata/managedFields").iter();
    let times = managed.filter(|change| change["subresource"].is_null()).filter_map(|change| time(&change["time"]));
    let changed = taken - times.fold(f64::NEG_INFINITY, f64::max);
    let available = condition(workload, "Available").filter(|available| available["status"] == "False");
    let lost = available.and_then(|available| time(&available["lastTransitionTime"])).map(|lost| taken - lost);
    let just_before = (first - timing::CLOCK_SLACK..first + timing::FIRST_POD_OF_CHANGE).contains(&changed);
    just_before
        && lost
            .is_some_and(|lost| (changed - timing::FIRST_POD_OF_CHANGE..=changed + timing::CLOCK_SLACK).contains(&lost))
}
