//! Whether another HPA scales the same pods.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{Hpa, condition, list, mentions, name, text, time};
use crate::doctor::status::Finding;

/// Another HPA of the same workload, or one whose pods this workload's selector matches too.
pub fn several(evidence: &Evidence, hpa: &Value) -> Option<Finding> {
    let target = |hpa: &Value| ["/kind", "/name"].map(|field| text(Hpa(hpa).target(), field).to_owned());
    let others = || evidence.hpas.items().iter().filter(|other| name(other) != evidence.name);
    let [kind, workload] = target(hpa);
    if let Some(other) = others().find(|other| target(other) == target(hpa)) {
        let seen = format!("HPAs {} and {} both scale {kind}/{workload}", evidence.name, name(other));
        let [owner, theirs, later] = owners(hpa, other);
        let advice = format!("Delete one of {owner} and {theirs}: only one may scale {kind}/{workload}.{later}");
        return Some(Finding::new(Cause::SeveralHpas, seen, advice, None));
    }
    let active = condition(hpa, "ScalingActive").filter(|active| active["reason"] == "AmbiguousSelector")?;
    let message = text(active, "/message");
    let seen = format!("HPA {}: AmbiguousSelector: {message}", evidence.name);
    let other = others().find(|other| mentions(message, name(other)))?;
    let [_, another] = target(other);
    let [owner, theirs, later] = owners(hpa, other);
    let advice = format!(
        "The selector of {another} matches the pods of {workload} too, or the other way round. A selector cannot be \
         changed. Create one of the two again, with its own labels. Until then only one of them can have an HPA: remove \
         {owner} or {theirs}.{later}"
    );
    Some(Finding::new(Cause::SeveralHpas, seen, advice, None))
}

/// What to delete for each of the two HPAs, and which was created later, if that is the other one: most likely the one to
/// delete.
fn owners(hpa: &Value, other: &Value) -> [String; 3] {
    let created = |hpa: &Value| time(&hpa["metadata"]["creationTimestamp"]);
    let later = created(hpa).zip(created(other)).is_some_and(|(own, other)| other > own);
    let theirs = owner(other);
    let later = if later { format!(" {theirs} was created later.") } else { String::new() };
    [owner(hpa), theirs, later]
}

/// The HPA, or the `ScaledObject` that owns it, and would create it again.
fn owner(hpa: &Value) -> String {
    let object = list(hpa, "/metadata/ownerReferences").iter().find(|owner| owner["kind"] == "ScaledObject");
    object.map_or_else(|| format!("HPA {}", name(hpa)), |object| format!("ScaledObject {}", text(object, "/name")))
}
