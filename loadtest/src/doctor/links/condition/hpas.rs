//! Whether another HPA scales the same pods.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{condition, list, mentions, name, text, time};
use crate::doctor::status::Finding;

pub fn several(evidence: &Evidence, hpa: &Value) -> Option<Finding> {
    let target = |hpa: &Value| {
        ["kind", "name"].map(|field| text(&hpa["spec"]["scaleTargetRef"], &format!("/{field}")).to_owned())
    };
    let others = || evidence.hpas.items().iter().filter(|other| name(other) != evidence.name);
    let [kind, workload] = target(hpa);
    if let Some(other) = others().find(|other| target(other) == target(hpa)) {
        let seen = format!("HPAs {} and {} both scale {kind}/{workload}", evidence.name, name(other));
        let advice = format!(
            "Delete one of {} and {}: only one may scale {kind}/{workload}{}",
            owner(hpa),
            owner(other),
            which(hpa, other)
        );
        return Some(Finding::new(Cause::SeveralHpas, seen, advice, Vec::new()));
    }
    let active = condition(hpa, "ScalingActive").filter(|active| active["reason"] == "AmbiguousSelector")?;
    let message = text(active, "/message");
    let seen = format!("HPA {}: AmbiguousSelector: {message}", evidence.name);
    let other = others().find(|other| mentions(message, name(other)))?;
    let [_, theirs] = target(other);
    let advice = format!(
        "The selector of {theirs} matches the pods of {workload} too, or the other way round. A selector cannot be \
         changed: create one of the two again, with its own labels. Until then only one of them can have an HPA: \
         remove {} or {}{}",
        owner(hpa),
        owner(other),
        which(hpa, other)
    );
    Some(Finding::new(Cause::SeveralHpas, seen, advice, Vec::new()))
}

/// The `ScaledObject` that owns the HPA, and would create it again.
fn owned_by(hpa: &Value) -> Option<&str> {
    let owners = list(hpa, "/metadata/ownerReferences").iter();
    owners.filter(|owner| owner["kind"] == "ScaledObject").map(|owner| text(owner, "/name")).next()
}

fn owner(hpa: &Value) -> String {
    owned_by(hpa).map_or_else(|| format!("HPA {}", name(hpa)), |object| format!("ScaledObject {object}"))
}

/// Whether the other one is newer, and so the one to remove.
fn later(hpa: &Value, other: &Value) -> bool {
    let made = |hpa: &Value| time(&hpa["metadata"]["creationTimestamp"]);
    made(hpa).zip(made(other)).is_some_and(|(own, other)| other > own)
}

fn which(hpa: &Value, other: &Value) -> String {
    if later(hpa, other) { format!(". {} was created later.", owner(other)) } else { ".".to_owned() }
}
