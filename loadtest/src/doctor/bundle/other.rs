//! What a file is that is no bundle: people mix up the tool's own files.

use serde_json::Value;

/// What this JSON is.
pub fn describe(value: &Value) -> &'static str {
    let has = |fields: &[&str]| fields.iter().all(|field| value.get(field).is_some());
    if has(&["verdict", "totals"]) {
        "it is the report of a load test"
    } else if has(&["entry"]) {
        "it is the journal of a load test"
    } else if has(&["outcome", "rungs"]) {
        "it is a diagnosis, as doctor --json prints it"
    } else if has(&["apiVersion", "kind"]) {
        "it is an object of Kubernetes"
    } else {
        "its JSON is something else's"
    }
}

/// What a text is that is not one JSON value, by its start.
pub fn describe_text(start: &[u8]) -> &'static str {
    let start = start.trim_ascii_start();
    let has =
        |prefix: &str| start.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    if has(r#"{"entry":"#) {
        "it is the journal of a load test"
    } else if has("<!doctype html") || has("<html") {
        "it is a page of HTML"
    } else if has("apiVersion:") || has("kind:") || has("---") {
        "it is YAML"
    } else {
        "it is not JSON"
    }
}
