//! Whether another HPA scales the same pods.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::delete;
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
        let advice =
            format!("Keep one of {} and {} for {kind}/{workload}{}", owner(hpa), owner(other), which(hpa, other));
        return Some(Finding::new(Cause::SeveralHpas, seen, advice, removal(evidence, hpa, other)));
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
    Some(Finding::new(Cause::SeveralHpas, seen, advice, removal(evidence, hpa, other)))
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
    if later(hpa, other) { format!(": the command removes {}, which is newer.", owner(other)) } else { ".".to_owned() }
}

/// The command that removes the other one, if it is newer.
fn removal(evidence: &Evidence, hpa: &Value, other: &Value) -> Vec<Command> {
    let command = later(hpa, other).then(|| match owned_by(other) {
        Some(object) => delete(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": object, "namespace": evidence.namespace},
        })),
        None => delete(other),
    });
    command.into_iter().collect()
}
