//! What the API's objects say.

use std::time::UNIX_EPOCH;

use serde_json::Value;

mod kinds;

pub use crate::autoscaling::selectors::{leads_to, selector, selects};
pub use kinds::{ApiService, Hpa, Monitor, Pod, ScaledObject, Service, Workload};

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
