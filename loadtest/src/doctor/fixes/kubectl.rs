//! The commands that several links have in common. The words of each are constants; what an object says is an argument.

use serde_json::{Value, json};

use crate::doctor::fixes::command::{Command, Line};
use crate::doctor::objects::{name, namespace};
use crate::kube::words::LEFT_OUT;

/// A `kubectl patch` of an object with a JSON patch.
pub fn patch(object: &Value, operations: &Value) -> Command {
    patched(object, "--type json -p", operations)
}

/// The same, with the patch in YAML: for long texts, whose lines can then be read.
pub fn patch_as_yaml(object: &Value, operations: &Value) -> Command {
    about(object, "patch").words("--type json -p").document(operations, yaml(operations).trim_end()).end()
}

/// A patch of what is at a place that names an item of a list by its number: it fails where that is another one by now.
pub fn patch_item(object: &Value, path: &str, item: &Value, operations: impl IntoIterator<Item = Value>) -> Command {
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
pub fn merge(object: &Value, part: &Value) -> Command {
    patched(object, "--type merge -p", part)
}

fn patched(object: &Value, how: &'static str, what: &Value) -> Command {
    about(object, "patch").words(how).document(what, &what.to_string()).end()
}

/// A `kubectl delete` of an object.
pub fn delete(object: &Value) -> Command {
    about(object, "delete").end()
}

/// A `kubectl describe` of an object, which shows its events too.
pub fn describe(object: &Value) -> Command {
    about(object, "describe").end()
}

/// A `kubectl scale` of an object.
pub fn scale(object: &Value, of: &str, replicas: u64) -> Command {
    in_namespace(of).words("scale").object(object).plain("--replicas=", &replicas.to_string()).end()
}

/// A `kubectl apply` of an object. Not of a here-document, which fish has not.
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
    Line::new(r"printf '%s\n'").document(object, yaml.trim_end()).words("| kubectl apply -f -").end()
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// A command about an object in its namespace, up to the object.
pub fn about(object: &Value, verb: &'static str) -> Line {
    in_namespace(namespace(object)).words(verb).object(object)
}

/// `kubectl`, in a namespace where there is one.
pub fn in_namespace(namespace: &str) -> Line {
    Line::new("kubectl").namespace(namespace)
}

/// `kubectl rollout restart` of it.
pub fn restart(deployment: &Value) -> Command {
    in_namespace(namespace(deployment)).words("rollout restart deployment").name("", name(deployment)).end()
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
