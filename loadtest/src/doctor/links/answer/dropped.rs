//! Whether a monitor's relabelings drop a pod.

use serde_json::{Value, json};

use crate::autoscaling::adapter_rules::Pattern;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::monitors::{endpoints, of_target};
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::targets::ours;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::patch_item;
use crate::doctor::objects::{list, name, text, titled};

/// The relabeling by which the monitor of the other pods drops this one, and the command that removes it.
pub fn dropped(evidence: &Evidence, subject: &Subject, pod: &Value) -> Option<(String, Command)> {
    let replicas = evidence.prometheus.replicas.iter();
    let mut targets = replicas.flat_map(|replica| ours(evidence, subject, replica));
    let (monitor, number) = targets.find_map(|(_, target)| of_target(evidence, target))?;
    let path = format!("/spec/{}/{number}/relabelings", endpoints(monitor));
    let rules = list(monitor, &path);
    let place = rules.iter().position(|rule| drops(rule, pod))?;
    let path = format!("{path}/{place}");
    let removed = json!({"op": "remove", "path": path});
    Some((
        format!("{}: {path} drops it by its name", titled(monitor)),
        patch_item(monitor, &path, &rules[place], [removed]),
    ))
}

/// Only by the pod's name: the other labels of a target that does not exist are not known.
fn drops(rule: &Value, pod: &Value) -> bool {
    // Some of Go's syntax is unknown here.
    let Ok(pattern) = Pattern::whole(rule["regex"].as_str().unwrap_or("(.*)")) else { return false };
    let fits = pattern.matches(name(pod));
    let acts = match text(rule, "/action").to_lowercase().as_str() {
        "drop" => fits,
        "keep" => !fits,
        _ => false,
    };
    acts && rule["sourceLabels"] == json!(["__meta_kubernetes_pod_name"])
}
