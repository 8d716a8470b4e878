//! The objects in a folder of manifests, and errors that say where something is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bounds::DAY;
use crate::input;

/// The most files of a folder.
const FILES: usize = 1_000;

/// The longest file, in bytes: the API server takes no object of more than 1.5 MiB.
const FILE: u64 = 4 << 20;

/// The longest value that an error repeats, in characters.
pub(super) const SHOWN: usize = 100;

/// One object of one file.
pub(super) struct Document {
    file: String,
    value: Value,
}

/// What stands in this folder itself, not in those inside it, in the order of the files' names.
pub(super) fn read(folder: &Path) -> Result<Vec<Document>, String> {
    let wrong =
        |error: std::io::Error| format!("{}: {error}: --manifests takes a folder of YAML files", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(format!("{}: more than {FILES} YAML files", folder.display()));
        }
    }
    files.sort();
    let mut documents = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let text = input::read(&path, FILE).map_err(|error| format!("{file}: {error}"))?;
        let text = String::from_utf8(text).map_err(|error| format!("{file}: {}", error.utf8_error()))?;
        let values: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|error| not_yaml(&file, &error.to_string()))?;
        documents
            .extend(values.into_iter().filter(Value::is_object).map(|value| Document { file: file.clone(), value }));
    }
    Ok(documents)
}

fn not_yaml(file: &str, error: &str) -> String {
    // The parser goes on to show the lines around; the first says what it is.
    let error = error.lines().next().unwrap_or_default();
    format!("{file}: not YAML that can be read: {error}")
}

impl Document {
    pub fn kind(&self) -> &str {
        self.text("kind").unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.text("metadata.name").unwrap_or_default()
    }

    pub fn namespace(&self) -> &str {
        self.text("metadata.namespace").unwrap_or("default")
    }

    /// A field by its path, such as `spec.metrics[0].type`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let pointer = path.replace('[', ".").replace(']', "");
        self.value.pointer(&format!("/{}", pointer.replace('.', "/")))
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    pub fn list(&self, path: &str) -> &[Value] {
        self.get(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// An error on a field: what it is, and what is to be done.
    pub fn wrong(&self, path: &str, what: &str) -> String {
        format!("{}: {} {}: {path} {what}", self.file, self.kind(), self.name())
    }

    /// An error on a field that has no usable value.
    pub fn change(&self, path: &str, to: &str) -> String {
        match self.get(path) {
            None | Some(Value::Null) => self.wrong(path, &format!("is missing: make it {to}")),
            Some(value) => {
                let shown: String = value.to_string().chars().take(SHOWN).collect();
                self.wrong(path, &format!("is {shown}: make it {to}"))
            }
        }
    }

    /// A whole number, or its default where the field is not there.
    pub fn number(&self, path: &str, default: Option<u32>) -> Result<u32, String> {
        let number = match self.get(path) {
            None | Some(Value::Null) => default,
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        number.ok_or_else(|| self.change(path, "a whole number"))
    }

    /// A whole number of seconds, or of tries of a second or more each, up to a day; its default where the field is not
    /// there.
    pub fn seconds(&self, path: &str, default: u32) -> Result<u32, String> {
        let seconds = self.number(path, Some(default))?;
        if f64::from(seconds) <= DAY { Ok(seconds) } else { Err(self.change(path, "86400, a day, or less")) }
    }

    /// A part that has a type in Kubernetes' API.
    pub fn typed<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, String> {
        let Some(value) = self.get(path) else { return Ok(None) };
        T::deserialize(value).map(Some).map_err(|error| self.wrong(path, &format!("cannot be read: {error}")))
    }

    /// The texts in a `ConfigMap`'s data, by the path of each.
    pub fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let data = self.get("data").and_then(Value::as_object).into_iter().flatten();
        data.filter_map(|(key, text)| Some((format!("data[{key:?}]"), text.as_str()?)))
    }

    /// The labels at a path; none where there are none.
    pub fn labels(&self, path: &str) -> BTreeMap<String, String> {
        self.get(path).and_then(|labels| BTreeMap::deserialize(labels).ok()).unwrap_or_default()
    }

    /// Whether the selector at a path takes these labels; where there is none, it takes nothing.
    pub fn selects(&self, path: &str, labels: &BTreeMap<String, String>) -> bool {
        let selector = self.get(path).and_then(|selector| LabelSelector::deserialize(selector).ok());
        selector.and_then(|selector| Selector::try_from(selector).ok()).is_some_and(|selector| selector.matches(labels))
    }

    /// The same for a Service's selector, which is a map.
    pub fn leads_to(&self, labels: &BTreeMap<String, String>) -> bool {
        let selector =
            self.get("spec.selector").and_then(|labels| BTreeMap::<String, String>::deserialize(labels).ok());
        selector.is_some_and(|selector| selector.into_iter().collect::<Selector>().matches(labels))
    }
}
