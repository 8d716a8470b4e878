//! Whether the HPA's controller may ask for the metric.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, HPA_CONTROLLER};
use crate::doctor::facts::scaling_metric::{Metric, Source};
use crate::doctor::facts::server;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::apply;
use crate::doctor::objects::{condition, is, text};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// The right that reading the metric takes, as RBAC names it.
pub fn right(evidence: &Evidence, metric: &Metric) -> String {
    let of = if metric.source == Source::Adapter { "pods/" } else { "" };
    format!("get {of}{} in {} in namespace {}", metric.name, server::group(metric.source), evidence.namespace)
}

/// The controller may not read the metric: as the review says, or as the HPA does.
pub fn forbidden(evidence: &Evidence, metric: &Metric) -> Option<Finding> {
    // It reads what the review does not know of: by another account, or by a webhook that allows it.
    if evidence.hpa.seen().is_some_and(|hpa| is(hpa, "ScalingActive")) {
        return None;
    }
    let group = server::group(metric.source);
    let asked = |question: &str| question.starts_with(HPA_CONTROLLER) && question.contains(group);
    let refused = evidence.access.iter().find(|(question, allowed)| {
        // metrics.k8s.io ends both other groups' names.
        asked(question) && !question.contains(&format!("custom.{group}")) && **allowed == Read::Seen(false)
    });
    let told = evidence.hpa.seen().and_then(|hpa| condition(hpa, "ScalingActive")).map(|told| text(told, "/message"));
    let told = told.filter(|told| told.contains("forbidden") && told.contains("horizontal-pod-autoscaler"));
    let seen = match (refused, told) {
        (Some((question, _)), _) => format!("SubjectAccessReview: no: {question}"),
        // Where the review says that it may, it may since.
        (None, Some(told)) if !evidence.access.keys().any(|question| asked(question)) => {
            format!("HPA {}: {told}", evidence.name)
        }
        _ => return None,
    };
    let role = format!("hpa-reads-{}", group.split('.').next().unwrap_or_default());
    let granted = json!({"apiGroups": [group], "resources": ["*"], "verbs": ["get", "list"]});
    let advice = format!("Let the HPA's controller read {group}.");
    Some(Finding::new(Cause::ControllerForbidden, seen, advice, allowed(&role, &granted)))
}

/// The commands that give the controller a role of this one rule.
pub fn allowed(role: &str, granted: &Value) -> Vec<Command> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": role},
        "rules": [granted],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [
            {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"},
        ],
    });
    vec![apply(&role), apply(&binding)]
}
