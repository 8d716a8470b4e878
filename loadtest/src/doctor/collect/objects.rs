//! What raw objects say, where more than one reader needs it.

use serde_json::Value;

use crate::doctor::evidence::Read;

/// The strings of an array.
pub fn strings(array: &Value) -> impl Iterator<Item = &str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// An object's name.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Whether labels have all that a plain selector asks for; an empty one selects nothing, as a Service's does.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object();
    selector.is_some_and(|all| !all.is_empty() && all.iter().all(|(name, value)| labels[name] == *value))
}

/// Whether labels have all that a `labelSelector` asks for; an empty one selects everything.
pub fn matches(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(name, value)| labels[name] == *value);
    equal
        && selector["matchExpressions"].as_array().into_iter().flatten().all(|expression| {
            let label = expression["key"].as_str().and_then(|key| labels[key].as_str());
            let among = || label.is_some_and(|label| strings(&expression["values"]).any(|value| value == label));
            match expression["operator"].as_str() {
                Some("In") => among(),
                Some("NotIn") => !among(),
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                _ => false,
            }
        })
}

/// The number of a pod's port: a number as it is, a name as a container declares it.
pub fn port(pod: &Value, port: &Value) -> Option<u16> {
    if let Some(number) = port.as_u64() {
        return u16::try_from(number).ok();
    }
    let wanted = port.as_str()?;
    declared(pod).find(|port| port["name"] == wanted).and_then(number)
}

/// The numbers of the ports that a pod declares.
pub fn ports(pod: &Value) -> impl Iterator<Item = u16> {
    declared(pod).filter_map(number)
}

fn declared(pod: &Value) -> impl Iterator<Item = &Value> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    containers.flat_map(|container| container["ports"].as_array().into_iter().flatten())
}

fn number(port: &Value) -> Option<u16> {
    port["containerPort"].as_u64().and_then(|number| u16::try_from(number).ok())
}

/// The port of the pods behind a Service's port, which is given by its name or its number.
pub fn target_port<'a>(service: &'a Value, port: &Value) -> Option<&'a Value> {
    let ports = service["spec"]["ports"].as_array()?;
    let found = ports.iter().find(|one| one["name"] == *port || one["port"] == *port)?;
    Some(if found["targetPort"].is_null() { &found["port"] } else { &found["targetPort"] })
}

/// Whether a pod takes requests.
pub fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The one that was looked for among those that were read; a list that was not read says so.
pub fn chosen(all: &Read<Vec<Value>>, wanted: impl Fn(&Value) -> bool) -> Read<Value> {
    match all {
        Read::Seen(all) => all.iter().find(|one| wanted(one)).cloned().map_or(Read::Absent, Read::Seen),
        Read::Unread(unread) => Read::Unread(unread.clone()),
        Read::Absent => Read::Absent,
        Read::NotAsked => Read::NotAsked,
    }
}
