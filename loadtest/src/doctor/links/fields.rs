//! Short ways into the fields of the API's objects, and to those pods that count.

use serde_json::Value;

use super::objects::{self, condition, is_ready, lives, time};
use crate::doctor::evidence::Evidence;

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

/// Seconds from the moment at a JSON pointer until the evidence was taken.
pub fn since(evidence: &Evidence, object: &Value, pointer: &str) -> Option<f64> {
    object.pointer(pointer).and_then(time).map(|moment| evidence.taken - moment)
}

/// The pods that have not ended and are not about to go.
pub fn living(evidence: &Evidence) -> impl Iterator<Item = &Value> + Clone {
    evidence.pods.items().iter().filter(|pod| lives(pod))
}

/// The pods that are ready.
pub fn ready(evidence: &Evidence) -> Vec<&Value> {
    evidence.pods.items().iter().filter(|pod| is_ready(pod)).collect()
}

/// Seconds that a pod has been ready; none where it is not.
pub fn ready_for(evidence: &Evidence, pod: &Value) -> Option<f64> {
    objects::ready_for(pod, evidence.taken)
}
