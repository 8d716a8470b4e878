//! Whether another HPA has a say in the same pods.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::Finding;
use crate::doctor::evidence::Evidence;
use crate::doctor::links::fields::{list, text};
use crate::doctor::links::objects::{condition, name};

pub fn several(evidence: &Evidence, hpa: &Value) -> Option<Finding> {
    let target = |hpa: &Value| {
        ["kind", "name"].map(|field| text(&hpa["spec"]["scaleTargetRef"], &format!("/{field}")).to_owned())
    };
    let others = || evidence.hpas.items().iter().filter(|other| name(other) != evidence.name);
    let [kind, workload] = target(hpa);
    if let Some(other) = others().find(|other| target(other) == target(hpa)) {
        let seen = format!("HPAs {} and {} both scale {kind}/{workload}", evidence.name, name(other));
        let advice = format!("Keep one HPA for {kind}/{workload}: this removes {}.", owner(other));
        return Some(Finding::new(Cause::SeveralHpas, seen, advice, vec![removal(evidence, other)]));
    }
    let active = condition(hpa, "ScalingActive").filter(|active| active["reason"] == "AmbiguousSelector")?;
    let message = text(active, "/message");
    let seen = format!("HPA {}: AmbiguousSelector: {message}", evidence.name);
    let other = others().find(|other| mentions(message, name(other)))?;
    let [_, theirs] = target(other);
    let advice = format!(
        "The selector of {theirs} takes the pods of {workload} as well, or the other way round: a selector cannot be \
         changed, so make one of the two anew, with labels of its own. Until then only one of them can have an HPA: this \
         removes {}.",
        owner(other)
    );
    Some(Finding::new(Cause::SeveralHpas, seen, advice, vec![removal(evidence, other)]))
}

/// Whether a name is among the words of the message.
fn mentions(message: &str, name: &str) -> bool {
    message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.')).any(|word| word == name)
}

/// The `ScaledObject` that would make the HPA again, else the HPA.
fn owned_by(hpa: &Value) -> Option<&str> {
    let owners = list(hpa, "/metadata/ownerReferences").iter();
    owners.filter(|owner| owner["kind"] == "ScaledObject").map(|owner| text(owner, "/name")).next()
}

fn owner(hpa: &Value) -> String {
    owned_by(hpa).map_or_else(|| format!("HPA {}", name(hpa)), |object| format!("ScaledObject {object}"))
}

fn removal(evidence: &Evidence, hpa: &Value) -> String {
    let namespace = &evidence.namespace;
    match owned_by(hpa) {
        Some(object) => format!("kubectl -n {namespace} delete scaledobject {object}"),
        None => format!("kubectl -n {namespace} delete hpa {}", name(hpa)),
    }
}
