//! The workload's pods.

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{self, Pod, Workload, condition, is, is_ready, leads_to, lives, time};

/// The pods that have not ended and are not about to go.
pub fn living(evidence: &Evidence) -> impl Iterator<Item = &Value> + Clone {
    evidence.pods.items().iter().filter(|pod| lives(pod))
}

/// The labels that the workload's new pods get: its template's, or those of a pod that is there, as not every kind has a
/// template.
pub fn labels(evidence: &Evidence) -> &Value {
    let of_pod = || living(evidence).next().map(objects::labels);
    template_labels(evidence).or_else(of_pod).unwrap_or(&Value::Null)
}

/// The labels of the workload's template.
pub fn template_labels(evidence: &Evidence) -> Option<&Value> {
    evidence.workload.seen().and_then(|workload| Workload(workload).pod_labels())
}

/// The Services before pods with these labels.
pub fn in_front<'a>(evidence: &'a Evidence, labels: &'a Value) -> impl Iterator<Item = &'a Value> + Clone {
    evidence.services.items().iter().filter(|service| leads_to(service, labels))
}

/// Seconds that a new pod's readiness probe waits before it asks for the first time.
pub fn readiness_delay(evidence: &Evidence) -> f64 {
    let template = evidence.workload.seen().and_then(|workload| Workload(workload).containers().first());
    let container = template.or_else(|| Pod(living(evidence).next()?).containers().first());
    container.and_then(|one| one.pointer("/readinessProbe/initialDelaySeconds")?.as_f64()).unwrap_or_default()
}

/// The pods that are ready.
pub fn ready(evidence: &Evidence) -> Vec<&Value> {
    evidence.pods.items().iter().filter(|pod| is_ready(pod)).collect()
}

/// Seconds that a pod has been ready; none where it is not.
pub fn ready_for(evidence: &Evidence, pod: &Value) -> Option<f64> {
    objects::ready_for(pod, evidence.taken)
}

/// An HPA leaves 0 alone. KEDA does not, and nor does one that went there itself, as its condition `ScaledToZero` says from
/// Kubernetes 1.37 on; before, one that may go there does not.
pub fn leaves_zero(evidence: &Evidence) -> bool {
    let zero = |object: &Value, field: &str| object["spec"][field].as_u64() == Some(0);
    keda_scales_to_zero(evidence)
        || evidence.hpa.seen().is_some_and(|hpa| {
            let disabled = condition(hpa, "ScalingActive").is_some_and(|active| active["reason"] == "ScalingDisabled");
            is(hpa, "ScaledToZero") || (zero(hpa, "minReplicas") && !disabled)
        })
}

/// Whether KEDA scales the workload to 0, and from there.
pub fn keda_scales_to_zero(evidence: &Evidence) -> bool {
    evidence.scaled_object.seen().is_some_and(|scaled| {
        let zero = |field: &str| scaled["spec"][field].as_u64() == Some(0);
        zero("minReplicaCount") || scaled["spec"]["minReplicaCount"].is_null() || zero("idleReplicaCount")
    })
}

/// The replicas that are wanted: the scale's own word, which leaves a 0 out; where it may not be read, the workload's, or
/// what the HPA has worked out.
pub fn desired(evidence: &Evidence) -> Option<u64> {
    if let Some(scale) = evidence.scale.seen() {
        return Some(scale["spec"]["replicas"].as_u64().unwrap_or(0));
    }
    let of_workload = evidence.workload.seen().and_then(|workload| workload["spec"]["replicas"].as_u64());
    let of_hpa = || evidence.hpa.seen()?["status"]["desiredReplicas"].as_u64().filter(|wanted| *wanted > 0);
    of_workload.or_else(of_hpa)
}

/// Seconds from the moment at a JSON pointer until the evidence was taken.
pub fn since(evidence: &Evidence, object: &Value, pointer: &str) -> Option<f64> {
    object.pointer(pointer).and_then(time).map(|moment| evidence.taken - moment)
}
