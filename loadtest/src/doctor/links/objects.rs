//! What the API's objects say, and commands that name them.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::doctor::redact::LEFT_OUT;

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

/// A kind and a name, such as `Deployment shop/web`.
pub fn titled(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object");
    match namespace(object) {
        "" => format!("{kind} {}", name(object)),
        namespace => format!("{kind} {namespace}/{}", name(object)),
    }
}

/// An object as kubectl takes it, such as `deployment.apps/web`.
pub fn argument(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let dot = if group.is_empty() { "" } else { "." };
    word(&format!("{kind}{dot}{group}/{}", name(object)))
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

/// A `kubectl patch` of an object with a JSON patch.
pub fn patch(object: &Value, operations: &Value) -> String {
    patched(object, "json", operations)
}

/// A patch of what is at a place that names an item of a list by its number: it fails where that is another one by now.
pub fn patch_item(object: &Value, path: &str, item: &Value, operations: impl IntoIterator<Item = Value>) -> String {
    patch(object, &unchanged(path, item).into_iter().chain(operations).collect())
}

/// The operation that has a patch fail where something else stands at this place by now. None where what would tell it was left out of the evidence.
fn unchanged(path: &str, item: &Value) -> Option<Value> {
    let told = |value: &Value| !value.is_null() && !value.to_string().contains(LEFT_OUT);
    let telling = ["name", "port", "targetPort", "portNumber", "path"].into_iter().find(|key| told(&item[*key]));
    match telling {
        Some(key) => Some(json!({"op": "test", "path": format!("{path}/{key}"), "value": item[key]})),
        None if told(item) => Some(json!({"op": "test", "path": path, "value": item})),
        None => {
            told(&item["type"]).then(|| json!({"op": "test", "path": format!("{path}/type"), "value": item["type"]}))
        }
    }
}

/// A `kubectl patch` of an object with a part of it.
pub fn merge(object: &Value, part: &Value) -> String {
    patched(object, "merge", part)
}

fn patched(object: &Value, how: &str, what: &Value) -> String {
    let (argument, what) = (argument(object), quoted(&what.to_string()));
    format!("kubectl {}patch {argument} --type {how} -p {what}", in_namespace(namespace(object)))
}

/// `-n NAMESPACE ` where there is one.
pub fn in_namespace(namespace: &str) -> String {
    if namespace.is_empty() { String::new() } else { format!("-n {} ", word(namespace)) }
}

/// A `kubectl delete` of an object.
pub fn delete(object: &Value) -> String {
    format!("kubectl {}delete {}", in_namespace(namespace(object)), argument(object))
}

/// A `kubectl describe` of an object, which shows its events too.
pub fn describe(object: &Value) -> String {
    format!("kubectl {}describe {}", in_namespace(namespace(object)), argument(object))
}

/// A `kubectl apply` of an object.
pub fn apply(object: &Value) -> String {
    let yaml = serde_saphyr::to_string(object).unwrap_or_else(|_| object.to_string());
    format!("kubectl apply -f - <<'EOF'\n{}\nEOF", yaml.trim_end())
}

/// A name as a shell takes it: as it is, where it is one that objects may have.
pub fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { quoted(name) }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The labels that a selector's `matchLabels` and `matchExpressions` are held against: whether they satisfy it. An
/// empty selector takes everything.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels[key].as_str();
    let equal = |(key, value): (&String, &Value)| label(key) == value.as_str();
    let holds = |expression: &Value| {
        let found = expression["key"].as_str().and_then(label);
        let listed = || expression["values"].as_array().into_iter().flatten().any(|value| value.as_str() == found);
        match expression["operator"].as_str().unwrap_or_default() {
            "In" => found.is_some() && listed(),
            "NotIn" => found.is_none() || !listed(),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    };
    let wanted = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    wanted.into_iter().flatten().all(equal) && expressions.into_iter().flatten().all(holds)
}

/// Whether a Service sends to pods with these labels; one without a selector has its addresses from elsewhere.
pub fn leads_to(service: &Value, labels: &Value) -> bool {
    let wanted = service["spec"]["selector"].as_object().filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
}

/// Whether a monitor looks in a namespace: in all, in those that it names, or in its own where it names none.
pub fn looks_in(monitor: &Value, of: &str) -> bool {
    let within = &monitor["spec"]["namespaceSelector"];
    let mut names = within["matchNames"].as_array().into_iter().flatten().peekable();
    let own = names.peek().is_none() && namespace(monitor) == of;
    within["any"] == true || own || names.any(|name| name == of)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_monitor_that_names_no_namespace_looks_in_its_own() {
        let looks_in = |selector: Value, of: &str| {
            looks_in(&json!({"metadata": {"namespace": "watch"}, "spec": {"namespaceSelector": selector}}), of)
        };
        // Clients in Go write an empty object where nothing was said.
        for nothing in [Value::Null, json!({}), json!({"any": false, "matchNames": []})] {
            assert!(looks_in(nothing.clone(), "watch") && !looks_in(nothing, "shop"));
        }
        let named = json!({"matchNames": ["shop"]});
        assert!(looks_in(named.clone(), "shop") && !looks_in(named, "watch"));
        assert!(looks_in(json!({"any": true}), "shop"));
    }

    #[test]
    fn a_command_can_be_copied() {
        let object =
            json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "a"}});
        let command = merge(&object, &json!({"spec": {"note": "it's"}}));
        assert_eq!(command, r#"kubectl -n a patch deployment.apps/web --type merge -p '{"spec":{"note":"it'\''s"}}'"#);
    }

    #[test]
    fn no_name_is_a_command_of_its_own() {
        let object = json!({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "a;rm -rf b", "namespace": "$(c)"}});
        let command = merge(&object, &json!({}));
        assert_eq!(command, "kubectl -n '$(c)' patch 'resourcequota/a;rm -rf b' --type merge -p '{}'");
    }
}
