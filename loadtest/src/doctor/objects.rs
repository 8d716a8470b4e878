//! What the API's objects say.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde::Deserialize;
use serde_json::Value;

mod kinds;

pub use kinds::{Hpa, Monitor, Pod, ScaledObject, Service, Workload};

/// The annotation in which `kubectl apply` keeps the manifest that it applied.
pub const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object's name.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// An object's namespace.
pub fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// An object's labels.
pub fn labels(object: &Value) -> &Value {
    &object["metadata"]["labels"]
}

/// A kind and a name, such as `Deployment shop/web`.
pub fn titled(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object");
    match namespace(object) {
        "" => format!("{kind} {}", name(object)),
        namespace => format!("{kind} {namespace}/{}", name(object)),
    }
}

/// The Unix time that a field such as `creationTimestamp` names.
pub fn time(text: &Value) -> Option<f64> {
    let moment = humantime::parse_rfc3339(text.as_str()?).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
}

/// Seconds that an object has been there; as good as forever where it does not say so.
pub fn age(object: &Value, taken: f64) -> f64 {
    time(&object["metadata"]["creationTimestamp"]).map_or(f64::INFINITY, |created| taken - created)
}

/// Seconds since an object was last changed, other than in its status.
pub fn changed(object: &Value, taken: f64) -> f64 {
    let changes = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let times = changes.filter(|change| change["subresource"] != "status").filter_map(|change| time(&change["time"]));
    times.fold(age(object, taken), |least, time| least.min(taken - time))
}

/// The condition of this type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Whether a pod is ready, and not about to go.
pub fn is_ready(pod: &Value) -> bool {
    lives(pod) && condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True")
}

/// Whether a pod has not ended, and is not about to go.
pub fn lives(pod: &Value) -> bool {
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    !ended && pod["metadata"]["deletionTimestamp"].is_null()
}

/// Seconds that a pod has been ready; none where it is not.
pub fn ready_for(pod: &Value, taken: f64) -> Option<f64> {
    let ready = condition(pod, "Ready").filter(|_| is_ready(pod))?;
    Some(time(&ready["lastTransitionTime"]).map_or(f64::INFINITY, |since| taken - since))
}

/// Whether a name is among the words of a message.
pub fn mentions(message: &str, name: &str) -> bool {
    message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.')).any(|word| word == name)
}

/// A label selector, with its `matchLabels` and `matchExpressions`; an empty one where there is none. None of what the API
/// server refuses.
pub fn selector(selector: &Value) -> Option<Selector> {
    let selector: Option<LabelSelector> = Deserialize::deserialize(selector).ok()?;
    selector.unwrap_or_default().try_into().ok()
}

/// Whether labels satisfy a selector. An empty selector takes everything.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let labels: BTreeMap<String, String> = BTreeMap::deserialize(labels).unwrap_or_default();
    self::selector(selector).is_some_and(|selector| selector.matches(&labels))
}

/// Whether a Service sends to pods with these labels; one without a selector has its addresses from elsewhere.
pub fn leads_to(service: &Value, labels: &Value) -> bool {
    let selector = Service(service).selector().as_object().filter(|selector| !selector.is_empty());
    selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels[key] == *value))
}

/// The text at a JSON pointer; empty where there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer; empty where there is none.
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether the condition of this type is true.
pub fn is(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_resolved_as_the_api_server_does() {
        let labels = json!({"app": "shop", "tier": "web"});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(selects(&json!({}), &labels) && selects(&json!({}), &Value::Null));
        assert!(selects(&json!({"matchLabels": {"app": "shop"}}), &labels));
        assert!(!selects(&json!({"matchLabels": {"app": "shop", "team": "a"}}), &labels));
        assert!(selects(&expression("app", "In", &["x", "shop"]), &labels));
        assert!(
            !selects(&expression("team", "In", &["a"]), &labels)
                && selects(&expression("team", "NotIn", &["a"]), &labels)
        );
        assert!(!selects(&expression("app", "NotIn", &["shop"]), &labels));
        assert!(
            selects(&expression("app", "Exists", &[]), &labels)
                && selects(&expression("x", "DoesNotExist", &[]), &labels)
        );
    }
}
