//! Whether pods do not come up by the last change of their Deployment, and the command that takes it back.

use serde_json::Value;

use super::objects::{age, argument, condition, in_namespace, is_ready, namespace, time};

/// How long ago a change may have been made, in seconds, to be taken back without thinking twice.
const LATELY: f64 = 3600.0;
/// Within so many seconds of a change its first pod is made.
const FIRST_POD: f64 = 300.0;

/// What to do where the command is printed.
pub const ADVICE: &str =
    "Take the last change of the workload back; then mend what the reason says, and roll it out anew.";

/// The command that takes a change back that was made lately, and until which there were others that served.
pub fn undo(taken: f64, workload: &Value, pods: &[Value], pod: &Value) -> Option<String> {
    is_bad(taken, workload, pods, pod)
        .then(|| format!("kubectl {}rollout undo {}", in_namespace(namespace(workload)), argument(workload)))
}

fn is_bad(taken: f64, workload: &Value, pods: &[Value], pod: &Value) -> bool {
    let revision = workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    let hash = |pod: &Value| pod["metadata"]["labels"]["pod-template-hash"].clone();
    let alike = pods.iter().filter(|other| hash(other) == hash(pod));
    // Others of the change serve: it is not what keeps this one.
    if alike.clone().any(is_ready) {
        return false;
    }
    let first = alike.map(|pod| age(pod, taken)).fold(0.0, f64::max);
    if revision.and_then(|revision| revision.parse::<u64>().ok()).is_none_or(|revision| revision < 2) || first > LATELY
    {
        return false;
    }
    let older = |other: &&Value| hash(other) != hash(pod) && age(other, taken) > first;
    let served = |other: &Value| {
        let mut containers = other["status"]["containerStatuses"].as_array().into_iter().flatten();
        containers.any(|container| container["ready"] == true)
    };
    if let Some(other) = pods.iter().find(older) {
        return served(other);
    }
    // They have gone: the Deployment was available until it was changed, just before the first of these was made.
    let managed = workload["metadata"]["managedFields"].as_array().into_iter().flatten();
    let times = managed.filter(|change| change["subresource"].is_null()).filter_map(|change| time(&change["time"]));
    let changed = taken - times.fold(f64::NEG_INFINITY, f64::max);
    let available = condition(workload, "Available").filter(|available| available["status"] == "False");
    let lost = available.and_then(|available| time(&available["lastTransitionTime"])).map(|lost| taken - lost);
    let just_before = (first - 5.0..first + FIRST_POD).contains(&changed);
    just_before && lost.is_some_and(|lost| lost <= changed + 5.0)
}
