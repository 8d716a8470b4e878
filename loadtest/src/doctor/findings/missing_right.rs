//! Whether the HPA's controller may read the metric.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, HPA_CONTROLLER};
use crate::doctor::facts::scaling_metric::{Metric, Source};
use crate::doctor::facts::server;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::grant;
use crate::doctor::objects::{condition, is, text};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// The right that reading the metric takes, as RBAC names it.
pub fn right(evidence: &Evidence, metric: &Metric) -> String {
    let (group, namespace) = (server::group(metric.source), &evidence.namespace);
    if metric.source == Source::Resource {
        return format!("list pods.{group} in namespace {namespace}");
    }
    let of = if metric.source == Source::Adapter { "pods/" } else { "" };
    format!("get {of}{} in {group} in namespace {namespace}", metric.name)
}

/// The controller may not read the metric, according to the access review or to the HPA.
pub fn forbidden(evidence: &Evidence, metric: &Metric) -> Option<Finding> {
    // It reads the metric, whatever the review says: by another account, or because a webhook allows it.
    if evidence.hpa.seen().is_some_and(|hpa| is(hpa, "ScalingActive")) {
        return None;
    }
    let group = server::group(metric.source);
    let asked = |question: &str| question.starts_with(HPA_CONTROLLER) && question.contains(group);
    let refused = evidence.access.iter().find(|(question, allowed)| {
        // metrics.k8s.io ends both other groups' names.
        asked(question) && !question.contains(&format!("custom.{group}")) && **allowed == Read::Seen(false)
    });
    let active = evidence.hpa.seen().and_then(|hpa| condition(hpa, "ScalingActive"));
    let message = active.map(|active| text(active, "/message"));
    let message = message.filter(|text| text.contains("forbidden") && text.contains("horizontal-pod-autoscaler"));
    let seen = match (refused, message) {
        (Some((question, _)), _) => format!("SubjectAccessReview denies: {question}"),
        // If the review allows it, it has been allowed since that message.
        (None, Some(message)) if !evidence.access.keys().any(|question| asked(question)) => {
            format!("HPA {}: {message}", evidence.name)
        }
        _ => return None,
    };
    let role = format!("hpa-reads-{}", group.split('.').next().unwrap_or_default());
    let granted = json!({"apiGroups": [group], "resources": ["*"], "verbs": ["get", "list"]});
    let advice = format!("Allow the HPA's controller to read {group}.");
    Some(Finding::new(Cause::ControllerForbidden, seen, advice, allowed(&role, &granted)))
}

/// The commands that give the controller a role of this one rule.
pub fn allowed(role: &str, granted: &Value) -> [Command; 2] {
    grant(role, None, &json!([granted]), ["horizontal-pod-autoscaler", "kube-system"])
}
