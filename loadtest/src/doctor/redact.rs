//! Takes out of the evidence what may be secret, before anything is kept of it.

use serde_json::{Map, Value};

use super::evidence::Evidence;

/// What stands in a secret's place.
const LEFT_OUT: &str = "(left out)";

/// An annotation, as objects have it and as Prometheus' discovered labels do: a copy of the whole object.
const APPLIED: [&str; 2] = ["last-applied-configuration", "last_applied_configuration"];

/// Parts of names whose values are secrets, without what separates words.
const SECRET: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "customheaders",
    "queryparameters",
];

/// Maps whose keys people choose.
const MAPS: [&str; 5] = ["annotations", "discoveredLabels", "data", "metadata", "labels"];

/// The evidence without values of variables, copies of whole objects, passwords in URLs, and whatever has a secret's
/// name among arguments and annotations.
pub fn redacted(evidence: &Evidence) -> Evidence {
    let mut value = serde_json::to_value(evidence).expect("evidence is made of what JSON has");
    redact(&mut value);
    serde_json::from_value(value).expect("it has the same fields as before")
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
    fields.retain(|name, _| !APPLIED.iter().any(|applied| name.contains(applied)));
    // A variable, or a header of a probe.
    if fields.get("name").and_then(Value::as_str).is_some_and(is_secret) {
        fields.entry("value").and_modify(|value| *value = LEFT_OUT.into());
    }
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), &mut *value) {
            ("env", Value::Array(variables)) => variables.iter_mut().for_each(variable),
            ("args" | "command", Value::Array(arguments)) => self::arguments(arguments),
            (name, Value::Object(map)) if MAPS.contains(&name) => {
                let secret = map.iter_mut().filter(|(name, value)| value.is_string() && is_secret(name));
                secret.for_each(|(_, value)| *value = LEFT_OUT.into());
            }
            _ => {}
        }
        redact(value);
    }
}

fn variable(variable: &mut Value) {
    if let Some(value) = variable.get_mut("value") {
        *value = LEFT_OUT.into();
    }
}

/// `--token=x`, and `--token` with `x` after it.
fn arguments(arguments: &mut [Value]) {
    let mut after_a_secret = false;
    for argument in arguments {
        let Some(text) = argument.as_str() else { continue };
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let flag = name.starts_with('-');
        let secret = flag && is_secret(name);
        let replaced = match value {
            Some(_) if secret => Some(format!("{name}={LEFT_OUT}")),
            None if after_a_secret && !flag => Some(LEFT_OUT.to_owned()),
            _ => None,
        };
        after_a_secret = secret && value.is_none();
        if let Some(replaced) = replaced {
            *argument = replaced.into();
        }
    }
}

/// Whether a name is one that secrets have; a file or an object that holds one is none itself.
fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect();
    !name.ends_with("file") && !name.ends_with("name") && SECRET.iter().any(|secret| name.contains(secret))
}

/// URLs without their users, and headers without what they authorise.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|one: char| one.is_whitespace() || "/?#\"'<>,".contains(one)).unwrap_or(part.len());
        let start = part[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str("://");
        kept.push_str(&part[start..]);
    }
    kept
}
