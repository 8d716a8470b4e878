//! The kubectl commands that several fixes share. Their words are constants; values of objects are arguments.

use serde_json::{Value, json};

use super::Command;
use crate::doctor::objects::{Monitor, name, namespace};
use crate::kube::words::LEFT_OUT;

/// A `kubectl patch` of an object with a JSON patch.
pub fn patch(object: &Value, operations: &Value) -> Command {
    patched(object, "--type json -p", operations, &operations.to_string())
}

/// A patch that replaces a value, and fails if the value is no longer the one that was read.
pub fn replace(object: &Value, path: &str, from: &Value, to: &Value) -> Command {
    patch(object, &replacement(path, from, to))
}

/// The same, with the patch in YAML: for long texts, whose lines can then be read.
pub fn replace_text(object: &Value, path: &str, from: &str, to: &str) -> Command {
    let operations = replacement(path, &json!(from), &json!(to));
    patched(object, "--type json -p", &operations, yaml(&operations).trim_end())
}

fn replacement(path: &str, from: &Value, to: &Value) -> Value {
    json!([{"op": "test", "path": path, "value": from}, {"op": "replace", "path": path, "value": to}])
}

/// A patch of an item of a list. Its path has the item's number, so it first tests that the item is still the same one.
pub fn patch_item(object: &Value, path: &str, item: &Value, operations: impl IntoIterator<Item = Value>) -> Command {
    patch(object, &unchanged(path, item).into_iter().chain(operations).collect())
}

/// The `test` of a patch that fails if another item is at this path by now. None if the evidence does not contain what
/// identifies the item.
fn unchanged(path: &str, item: &Value) -> Option<Value> {
    let is_known = |value: &Value| !value.is_null() && !value.to_string().contains(LEFT_OUT);
    let test = |path: String, value: &Value| Some(json!({"op": "test", "path": path, "value": value}));
    let mut keys = ["name", "port", "targetPort", "portNumber", "path"].into_iter();
    match keys.find(|key| is_known(&item[*key])) {
        Some(key) => test(format!("{path}/{key}"), &item[key]),
        None if is_known(item) => test(path.to_owned(), item),
        None if is_known(&item["type"]) => test(format!("{path}/type"), &item["type"]),
        None => None,
    }
}

/// One of a monitor's endpoints, by its number.
#[derive(Clone, Copy)]
pub struct Endpoint<'a> {
    /// The `ServiceMonitor` or `PodMonitor`.
    pub monitor: &'a Value,
    /// The endpoint's number.
    pub number: usize,
}

impl<'a> Endpoint<'a> {
    /// An endpoint by its monitor and number.
    pub const fn new((monitor, number): (&'a Value, usize)) -> Self {
        Self { monitor, number }
    }

    /// The endpoint itself.
    pub fn spec(self) -> &'a Value {
        &self.monitor["spec"][Monitor(self.monitor).field()][self.number]
    }

    /// The JSON path of one of its fields.
    pub fn path(self, field: &str) -> String {
        format!("/spec/{}/{}/{field}", Monitor(self.monitor).field(), self.number)
    }

    /// The command that changes the endpoint, if it is still the same one.
    pub fn patch(self, operations: impl IntoIterator<Item = Value>) -> Command {
        patch_item(self.monitor, self.path("").trim_end_matches('/'), self.spec(), operations)
    }

    /// The command that sets a field, and removes others.
    pub fn set(self, field: &str, value: &Value, instead_of: &[&str]) -> Command {
        let others = instead_of.iter().filter(|other| **other != field && !self.spec()[**other].is_null());
        let removed = others.map(|other| json!({"op": "remove", "path": self.path(other)}));
        // `add` replaces an existing value.
        self.patch(removed.chain([json!({"op": "add", "path": self.path(field), "value": value})]))
    }

    /// The command that removes an item of one of its lists, such as a relabeling, and the item's path.
    pub fn without(self, field: &str, number: usize) -> (String, Command) {
        let path = self.path(&format!("{field}/{number}"));
        let removed = json!({"op": "remove", "path": path});
        let command = patch_item(self.monitor, &path, &self.spec()[field][number], [removed]);
        (path, command)
    }
}

/// A `kubectl patch` of an object with a part of it.
pub fn merge(object: &Value, part: &Value) -> Command {
    patched(object, "--type merge -p", part, &part.to_string())
}

/// The same, where lists are merged by the names of their items: for the kinds of Kubernetes itself.
pub fn strategic(object: &Value, part: &Value) -> Command {
    patched(object, "--type strategic -p", part, &part.to_string())
}

fn patched(object: &Value, how: &'static str, contents: &Value, text: &str) -> Command {
    about(object, "patch").words(how).document(contents, text)
}

/// A `kubectl scale` of an object.
pub fn scale(object: &Value, replicas: u64) -> Command {
    about(object, "scale").plain("--replicas=", &replicas.to_string())
}

/// A `kubectl apply` of an object. The manifest comes through a pipe, since fish has no here-documents.
pub fn apply(object: &Value) -> Command {
    applied(object, &yaml(object))
}

/// The same, with a comment above the line that sets this field.
pub fn apply_with_comment(object: &Value, field: &str, comment: &'static str) -> Command {
    let line = |line: &str| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let above = line.trim_start().starts_with(field).then(|| format!("{indent}# {comment}\n"));
        above.unwrap_or_default() + line + "\n"
    };
    applied(object, &yaml(object).lines().map(line).collect::<String>())
}

fn applied(object: &Value, yaml: &str) -> Command {
    Command::new(r"printf '%s\n'").document(object, yaml.trim_end()).words("| kubectl apply -f -")
}

/// The commands that create a role with these rules, and bind it to a service account: in this namespace, or in the whole
/// cluster if there is none.
pub fn grant(role: &str, namespace: Option<&str>, rules: &Value, [account, of]: [&str; 2]) -> [Command; 2] {
    let (cluster, group) = (if namespace.is_some() { "" } else { "Cluster" }, "rbac.authorization.k8s.io");
    let mut metadata = json!({"name": role});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    let kind = format!("{cluster}Role");
    [
        json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": of}],
        }),
    ]
    .map(|object| apply(&object))
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// A command about an object in its namespace, up to the object.
pub fn about(object: &Value, verb: &'static str) -> Command {
    in_namespace(namespace(object)).words(verb).object(object)
}

/// `kubectl`, in a namespace where there is one.
pub fn in_namespace(namespace: &str) -> Command {
    Command::new("kubectl").namespace(namespace)
}

/// `kubectl rollout restart` of a Deployment.
pub fn restart(deployment: &Value) -> Command {
    in_namespace(namespace(deployment)).words("rollout restart deployment").name("", name(deployment))
}

/// The end of a pod's log.
pub fn log(pod: &Value) -> Command {
    about(pod, "logs").words("--all-containers --tail=50")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_copied() {
        let object =
            json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "a"}});
        let command = merge(&object, &json!({"spec": {"note": "it's"}}));
        let expected = r#"kubectl -n a patch deployment.apps/web --type merge -p '{"spec":{"note":"it'\''s"}}'"#;
        assert_eq!(command.text(), Some(expected));
        let applied = apply(&object);
        let yaml = applied.text().unwrap();
        assert!(yaml.starts_with("printf '%s\\n' '") && yaml.ends_with("' | kubectl apply -f -"), "{yaml}");
    }

    #[test]
    fn no_name_is_a_command_of_its_own() {
        for (namespace, name) in [("$(c)", "web"), ("a", "a;rm -rf b"), ("a", "-h"), ("a", "b\nc")] {
            let object = json!({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}});
            assert_eq!(merge(&object, &json!({})), Command::refused(), "{namespace}/{name}");
        }
    }
}
