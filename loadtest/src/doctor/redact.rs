//! Takes out of the evidence what may be secret, and what nobody judges, before anything is kept of it.

mod text;

use serde_json::{Map, Value, json};

use super::evidence::{Evidence, Page, Read};
use super::links::objects::APPLIED;
use super::links::subject::Subject;
use super::questions;
pub(crate) use text::without_passwords;
use text::{arguments, is_secret, without_users};

/// What stands in a secret's place.
pub const LEFT_OUT: &str = "(left out)";

/// An annotation, as objects have it and as Prometheus' discovered labels do: a copy of the whole object.
const COPIES: [&str; 2] = ["last-applied-configuration", "last_applied_configuration"];

/// Annotations that are longer than this hold whole objects, whoever writes them (kapp, Fleet, Helm's kin).
const LONGEST: usize = 256;

/// Maps whose keys people choose.
const MAPS: [&str; 5] = ["annotations", "discoveredLabels", "data", "metadata", "labels"];

/// The evidence without values of variables, copies of whole objects, passwords in URLs, and whatever has a secret's
/// name; of pages and of the adapter's `ConfigMap` only what the links are judged by.
pub fn redacted(evidence: &Evidence) -> Evidence {
    let subject = Subject::of(evidence);
    let mut evidence = evidence.clone();
    for page in &mut evidence.pages {
        judged_of_page(page, subject.series.as_deref());
    }
    if let Read::Seen(config) = &mut evidence.server.config {
        judged_of_config(config);
    }
    if let Read::Seen(log) = &mut evidence.server.log {
        *log = without_passwords(log);
    }
    let mut value = serde_json::to_value(evidence).expect("evidence is made of what JSON has");
    redact(&mut value);
    serde_json::from_value(value).expect("it has the same fields as before")
}

/// The counter's series, and what other counters there are: their names alone.
fn judged_of_page(page: &mut Page, series: Option<&str>) {
    for text in [&mut page.first, &mut page.second] {
        let Read::Seen(text) = text else { continue };
        let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        let is_series = |line: &str| {
            let rest = series.and_then(|series| line.strip_prefix(series));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        *text = text.split_inclusive('\n').filter(|line| is_counter(line.trim_end()) || is_series(line)).collect();
    }
}

/// The document with the rules.
fn judged_of_config(config: &mut Value) {
    let rules = questions::document(config).map(str::to_owned);
    if let Some(data) = config["data"].as_object_mut() {
        data.retain(|_, document| document.as_str() == rules.as_deref());
    }
    if let Some(config) = config.as_object_mut() {
        config.remove("binaryData");
    }
}

/// Of what kubectl applied, the replicas alone.
fn judged_of_applied(applied: &mut Value) {
    let whole: Value = applied.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let replicas = whole.pointer("/spec/replicas").and_then(Value::as_i64);
    *applied =
        replicas.map_or_else(|| json!({}), |replicas| json!({"spec": {"replicas": replicas}})).to_string().into();
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::String(text) => *text = without_users(text),
        _ => {}
    }
}

fn object(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| name == APPLIED || !COPIES.iter().any(|copy| name.contains(copy)));
    // A variable, or a header of a probe.
    if fields.get("name").and_then(Value::as_str).is_some_and(is_secret) {
        fields.entry("value").and_modify(|value| *value = LEFT_OUT.into());
    }
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), &mut *value) {
            ("env", Value::Array(variables)) => variables.iter_mut().for_each(variable),
            ("args" | "command", Value::Array(arguments)) => self::arguments(arguments),
            ("annotations" | "discoveredLabels", Value::Object(map)) => {
                map.entry(APPLIED).and_modify(judged_of_applied);
                map.retain(|_, value| value.as_str().is_none_or(|value| value.len() <= LONGEST));
                map.values_mut().filter(|value| value.is_string()).for_each(passwords);
                secrets(map);
            }
            (name, Value::Object(map)) if MAPS.contains(&name) => secrets(map),
            // Their names are those of a request's, which say nothing of what they hold.
            ("headers" | "endpointParams" | "params", Value::Object(map)) => {
                map.values_mut().for_each(|value| *value = LEFT_OUT.into());
            }
            (name, value) if is_held(value) && is_secret(name) => *value = LEFT_OUT.into(),
            ("message", Value::String(_)) => passwords(value),
            _ => {}
        }
        redact(value);
    }
}

/// Those of a map's values whose names are a secret's.
fn secrets(map: &mut Map<String, Value>) {
    // Of a URL's query, as of any.
    let secret = |name: &str| is_secret(name) || name.starts_with("__param_");
    let held = map.iter_mut().filter(|(name, value)| is_held(value) && secret(name));
    held.for_each(|(_, value)| *value = LEFT_OUT.into());
}

/// Whether a value is one that may be a secret itself; `Read` says of a query of whatever name that it is not there.
fn is_held(value: &Value) -> bool {
    value.is_array() || value.as_str().is_some_and(|text| !matches!(text, "absent" | "notAsked"))
}

fn variable(variable: &mut Value) {
    if let Some(value) = variable.get_mut("value") {
        *value = LEFT_OUT.into();
    }
}

fn passwords(value: &mut Value) {
    if let Some(text) = value.as_str() {
        *value = without_passwords(text).into();
    }
}
