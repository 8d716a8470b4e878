//! Parses `kept.txt`, and prunes objects to the fields it names.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use shopfront::redact::is_secret_name;

use super::{address, told};
use crate::kube::words::LEFT_OUT;

/// The table's text.
const WRITTEN: &str = include_str!("kept.txt");

/// What is kept of a value.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// A text or a number; of an object, its presence.
    itself: bool,
    /// Fields of any name.
    any: bool,
    /// What is kept of each item of a list.
    items: Option<Box<Kept>>,
    /// Fields by their names.
    fields: BTreeMap<String, Kept>,
    /// Whether other fields are named.
    others: bool,
}

static TABLE: LazyLock<BTreeMap<&'static str, Kept>> = LazyLock::new(|| read(WRITTEN));

/// What is kept of an object of this kind, which the table must define.
pub fn kept(kind: &str, object: &Value) -> Value {
    TABLE[kind].of("", object).unwrap_or_default()
}

/// Parses the table's kinds, and resolves the references between them.
fn read(written: &'static str) -> BTreeMap<&'static str, Kept> {
    let lines = written.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut sections: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut kind = "";
    for line in lines {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(section) => kind = section,
            None => {
                sections.entry(kind).or_default().push(line.split_once(": ").expect("a line is `path: fields`"));
            }
        }
    }
    sections.keys().map(|kind| (*kind, section(&sections, kind))).collect()
}

fn section(sections: &BTreeMap<&str, Vec<(&str, &str)>>, kind: &str) -> Kept {
    let mut whole = Kept::default();
    for (path, fields) in &sections[kind] {
        let place = path.split('.').filter(|part| !part.is_empty()).fold(&mut whole, Kept::at);
        for field in fields.split(' ') {
            let (name, inner) = field.split_once('{').map_or((field, None), |(name, kind)| (name, Some(kind)));
            if name == "..." {
                place.others = true;
            } else if let Some(name) = name.strip_suffix('*') {
                place.at(name).any = true;
            } else {
                let field = if name.is_empty() { &mut *place } else { place.at(name) };
                match inner.map(|kind| kind.trim_end_matches('}')) {
                    Some(kind) => field.join(section(sections, kind)),
                    None => field.itself = true,
                }
            }
        }
    }
    whole
}

impl Kept {
    /// The entry for a field, or with `[]` for the items of the list there.
    fn at(&mut self, part: &str) -> &mut Self {
        match part.strip_suffix("[]") {
            Some(list) => self.fields.entry(list.to_owned()).or_default().items.get_or_insert_default(),
            None => self.fields.entry(part.to_owned()).or_default(),
        }
    }

    fn join(&mut self, other: Self) {
        self.itself |= other.itself;
        self.any |= other.any;
        self.others |= other.others;
        if let Some(items) = other.items {
            self.items.get_or_insert_default().join(*items);
        }
        for (name, field) in other.fields {
            self.fields.entry(name).or_default().join(field);
        }
    }

    /// What is kept of a field's value, if anything is.
    fn of(&self, name: &str, value: &Value) -> Option<Value> {
        match value {
            Value::Object(fields) if self.any => Some(Value::Object(chosen_names(fields))),
            Value::Object(fields) if self.itself || self.others || !self.fields.is_empty() => {
                Some(Value::Object(self.fields_of(fields)))
            }
            Value::Array(items) => {
                let kept = self.items.as_deref()?;
                // Commands address items by index, so none is removed.
                Some(items.iter().map(|item| kept.of(name, item).unwrap_or_default()).collect())
            }
            Value::String(text) => self.itself.then(|| self::text(name, text).into()),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.itself.then(|| value.clone()),
            Value::Object(_) => None,
        }
    }

    fn fields_of(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let kept = fields.iter().filter_map(|(name, value)| match self.fields.get(name) {
            Some(field) => field.of(name, value).map(|value| (name.clone(), value)),
            None => self.others.then(|| (name.clone(), LEFT_OUT.into())),
        });
        let mut kept: Map<String, Value> = kept.collect();
        // Values in a selector's expression are redacted as those in `matchLabels` are.
        if kept.get("key").and_then(Value::as_str).is_some_and(is_secret_name)
            && let Some(Value::Array(values)) = kept.get_mut("values")
        {
            values.fill(LEFT_OUT.into());
        }
        kept
    }
}

/// A map whose keys people choose: the values of secrets' names are left out.
fn chosen_names(fields: &Map<String, Value>) -> Map<String, Value> {
    let of = |name: &str, value: &str| if is_secret_name(name) { LEFT_OUT.into() } else { text(name, value).into() };
    let texts = fields.iter().filter_map(|(name, value)| Some((told(name), of(name, value.as_str()?))));
    texts.collect()
}

fn text(name: &str, text: &str) -> String {
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
    match name {
        // A name that the API server accepts.
        "name" | "namespace" | "pod" | "__meta_kubernetes_pod_name" if text.len() <= 253 && is_name(text) => {
            text.to_owned()
        }
        "serverAddress" => address(text),
        "path" => told(text.split('?').next().unwrap_or_default()),
        _ => told(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fields_in_the_table_are_kept() {
        let pod = json!({
            "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "a"}, "annotations": {"b": "x"}, "uid": "x"},
            "spec": {
                "containers": [{"name": "a", "env": [{"name": "A", "value": "x"}], "args": ["x"],
                                "readinessProbe": {"httpGet": {"path": "/a?b=x", "httpHeaders": []}, "exec": {"command": ["x"]}}}],
                "volumes": [{"csi": {"volumeAttributes": {"key": "x"}}}],
            },
            "status": {"phase": "Running", "conditions": [], "message": "x"},
        });
        let expected = json!({
            "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "a"}, "annotations": {}},
            "spec": {"containers": [{"name": "a", "readinessProbe": {"httpGet": {"path": "/a"}}}]},
            "status": {"phase": "Running", "conditions": []},
        });
        assert_eq!(kept("Pod", &pod), expected);
    }

    #[test]
    fn the_names_of_other_fields_are_kept_where_the_table_says_so() {
        let trigger = json!({"type": "prometheus", "metadata": {"query": "a", "customHeaders": "x"}});
        let expected = json!({"type": "prometheus", "metadata": {"query": "a", "customHeaders": LEFT_OUT}});
        assert_eq!(kept("Trigger", &trigger), expected);
        let trigger = json!({"type": "new-relic", "metadata": {"queryKey": "x"}});
        assert_eq!(kept("OtherTrigger", &trigger), json!({"type": "new-relic", "metadata": LEFT_OUT}));
    }

    #[test]
    fn selectors_and_labels_are_redacted_alike() {
        let labels = json!({"matchLabels": {"api-key": "x", "app": "a"}, "matchExpressions": []});
        let expressions = json!({"matchExpressions": [{"key": "api-key", "operator": "In", "values": ["x"]}]});
        assert_eq!(kept("Selector", &labels)["matchLabels"], json!({"api-key": LEFT_OUT, "app": "a"}));
        assert_eq!(kept("Selector", &expressions)["matchExpressions"][0]["values"], json!([LEFT_OUT]));
    }
}
