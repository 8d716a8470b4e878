//! Whether `spec.scaleTargetRef` names an API group that has the workload's kind.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::requests::group_of;
use crate::doctor::fixes::kubectl::{patch, replace};
use crate::doctor::objects::{Hpa, text, titled};
use crate::doctor::status::Finding;

/// The HPA's controller finds a kind by its group alone, whatever the version. The workload was read from the group that
/// has it.
pub fn wrong_group(evidence: &Evidence, workload: &Value) -> Option<Finding> {
    let hpa = evidence.hpa.seen()?;
    let target = Hpa(hpa).target();
    let (written, served) = (text(target, "/apiVersion"), text(workload, "/apiVersion"));
    let kind = text(target, "/kind");
    let is_served = |group: &str| evidence.resources.items().iter().any(|one| one.group == group && one.kind == kind);
    let is_known = !is_served(group_of(written)) && is_served(group_of(served));
    if text(workload, "/kind") != kind || !is_known {
        return None;
    }
    let path = "/spec/scaleTargetRef/apiVersion";
    let (names, command) = if written.is_empty() {
        let at = path.trim_end_matches("/apiVersion");
        let test = json!({"op": "test", "path": at, "value": target});
        ("is missing".to_owned(), patch(hpa, &json!([test, {"op": "add", "path": path, "value": served}])))
    } else {
        (format!("is {written}"), replace(hpa, path, &json!(written), &json!(served)))
    };
    let seen = format!(
        "{}: spec.scaleTargetRef.apiVersion {names}, where the API server has no {kind}; {} has apiVersion {served}",
        titled(hpa),
        titled(workload)
    );
    let advice = format!("Set it to {served}, as the command does, and in the HPA's manifest.");
    Some(Finding::new(Cause::ScaleTargetVersion, seen, advice, [command]))
}
