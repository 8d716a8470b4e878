//! Whose the pods are that the workload's selector takes.

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{Hpa, list, text};

/// A pod that the selector takes, and whose it is instead.
pub struct Stranger<'a> {
    /// The pod.
    pub pod: &'a Value,
    /// Kind and name of what it belongs to, such as `Deployment/worker`.
    pub owner: String,
    /// Whether it has ended.
    pub has_ended: bool,
}

/// The pods under the selector that belong to another workload. Only for kinds whose pods name their owner.
pub fn strangers(evidence: &Evidence) -> Vec<Stranger<'_>> {
    let Some(workload) = evidence.workload.seen() else { return Vec::new() };
    let (kind, name) = (text(workload, "/kind"), text(workload, "/metadata/name"));
    if !["Deployment", "Rollout", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&kind) {
        return Vec::new();
    }
    let own = format!("{kind}/{name}");
    // A pod may lack the hash.
    let (makes_replica_sets, of_own_set) = (matches!(kind, "Deployment" | "Rollout"), format!("ReplicaSet/{name}-"));
    let is_scaled = |owner: &str| evidence.hpas.items().iter().any(|hpa| Hpa(hpa).scaled() == owner);
    let has_own = evidence.pods.items().iter().any(|pod| owner(pod).as_deref() == Some(&own));
    let is_own = |owner: &str| owner == own || (makes_replica_sets && owner.starts_with(&of_own_set));
    let of_pod = |pod| {
        // Where owners are known at all, a pod without one belongs to nobody.
        let owner = owner(pod).or_else(|| has_own.then(|| "no owner".to_owned()))?;
        let phase = text(pod, "/status/phase");
        let has_ended = matches!(phase, "Succeeded" | "Failed");
        // The HPA leaves out pods that failed, but a utilization is divided by their requests too.
        let counts = phase != "Failed" || by_requests(evidence);
        // Two HPAs with overlapping selectors are another cause.
        let is_stranger =
            !is_own(&owner) && counts && pod["metadata"]["deletionTimestamp"].is_null() && !is_scaled(&owner);
        is_stranger.then_some(Stranger { pod, owner, has_ended })
    };
    evidence.pods.items().iter().filter_map(of_pod).collect()
}

/// Kind and name of what a pod belongs to; none if that cannot be told.
fn owner(pod: &Value) -> Option<String> {
    let owner = list(pod, "/metadata/ownerReferences").first()?;
    let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
    if kind != "ReplicaSet" {
        return Some(format!("{kind}/{name}"));
    }
    // What made a ReplicaSet gives its pods a hash, and names it by that: `web-7d94b56f44`.
    let hashes = [("Rollout", "rollouts-pod-template-hash"), ("Deployment", "pod-template-hash")];
    let maker = hashes.into_iter().find(|(_, label)| pod["metadata"]["labels"][label].is_string());
    let made = maker.zip(name.rsplit_once('-')).map(|((maker, _), (made, _))| format!("{maker}/{made}"));
    made.or_else(|| Some(format!("{kind}/{name}")))
}

/// Whether the HPA counts pods by the selector: it does for metrics of pods, and for a target that it does not divide.
pub fn counts_pods(evidence: &Evidence) -> bool {
    let metrics = evidence.hpa.seen().map_or(&[][..], |hpa| Hpa(hpa).metrics());
    let is_value =
        |metric: &Value| ["external", "object"].iter().any(|kind| metric[*kind]["target"]["type"] == "Value");
    let is_of_pods = |metric: &Value| matches!(text(metric, "/type"), "Pods" | "Resource" | "ContainerResource");
    metrics.iter().any(|metric| is_of_pods(metric) || is_value(metric))
}

fn by_requests(evidence: &Evidence) -> bool {
    let metrics = evidence.hpa.seen().map_or(&[][..], |hpa| Hpa(hpa).metrics());
    let kinds = ["resource", "containerResource"];
    metrics.iter().any(|metric| kinds.iter().any(|kind| metric[*kind]["target"]["type"] == "Utilization"))
}
