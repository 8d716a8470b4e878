//! Whether pods do not come up by the last change of their Deployment, and the command that takes it back.

use serde_json::Value;

use super::Command;
use crate::autoscaling::timing;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{age, condition, is_ready, list, namespace, text, time};

/// What to do where the command is printed.
pub const ADVICE: &str = "Take the last change back; then mend what the reason says, and roll it out anew.";

/// The command that takes a change back that was made lately, and until which there were others that served.
pub fn undo(taken: f64, workload: &Value, pods: &[Value], pod: &Value) -> Option<Command> {
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
        return served_until(taken, workload, first).then(|| undo.end());
    };
    // There may be failed attempts between: back to what serves.
    let containers = list(other, "/status/containerStatuses");
    containers.iter().any(|container| container["ready"] == true).then(|| {
        undo.words("--to-revision=\"$(kubectl")
            .namespace(namespace(workload))
            .words("get replicaset")
            .value("-l pod-template-hash=", hash(other))
            .words(r#"-o jsonpath='{.items[0].metadata.annotations.deployment\.kubernetes\.io/revision}')""#)
            .end()
    })
}

/// The `ReplicaSet` that made a pod, by the name that a Deployment gives its pods of one template.
fn hash(pod: &Value) -> &str {
    text(pod, "/metadata/labels/pod-template-hash")
}

/// Whether a Deployment whose older pods have gone was available until it was changed, just before the first of the
/// new ones was made, so many seconds ago.
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
