//! The objects in a folder of manifests, and errors that say where something is wrong.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use crate::autoscaling::selectors;
use crate::bounds::DAY;
use crate::input;

/// The most files of a folder.
const FILES: usize = 1_000;

/// The longest file, in bytes: the API server takes no object of more than 1.5 MiB.
const FILE: u64 = 4 << 20;

/// What errors call the folder of [`built_in()`].
pub(super) const BUILT_IN: &str = "k8s (of this program)";

/// The longest value that an error repeats, in characters.
pub(super) const SHOWN: usize = 100;

/// One object of one file.
#[derive(Clone)]
pub(super) struct Document {
    file: String,
    value: Value,
}

/// What stands in this folder itself, not in those inside it, in the order of the files' names.
pub(super) fn read(folder: &Path) -> Result<Vec<Document>, Error> {
    let shown = folder.display().to_string();
    let wrong =
        |error: std::io::Error| Error::place(&shown, format!("{error}: --manifests takes a folder of YAML files"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(Error::place(&shown, format!("more than {FILES} YAML files")));
        }
    }
    files.sort();
    let mut documents = Vec::new();
    for path in files {
        let file = path.display().to_string();
        let text = input::read(&path, FILE).map_err(|error| Error::place(&file, error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| Error::place(&file, error.utf8_error().to_string()))?;
        documents.extend(parse(&file, &text)?);
    }
    Ok(documents)
}

/// This program's own manifests, which are shopfront's.
pub(super) fn built_in() -> Result<Vec<Document>, Error> {
    let files = [
        ("shopfront.yml", include_str!("../../../../k8s/shopfront.yml")),
        ("custom-metrics-config.yaml", include_str!("../../../../k8s/custom-metrics-config.yaml")),
    ];
    let documents = files.map(|(name, text)| parse(&format!("{BUILT_IN}/{name}"), text));
    documents.into_iter().try_fold(Vec::new(), |all, one| Ok([all, one?].concat()))
}

fn parse(file: &str, text: &str) -> Result<Vec<Document>, Error> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| not_yaml(file, &error.to_string()))?;
    let objects = values.into_iter().filter(Value::is_object);
    Ok(objects.map(|value| Document { file: file.to_owned(), value }).collect())
}

fn not_yaml(file: &str, error: &str) -> Error {
    // The parser goes on to show the lines around; the first says what it is.
    let error = error.lines().next().unwrap_or_default();
    Error::place(file, format!("not YAML that can be read: {error}"))
}

impl Document {
    pub fn value(&self) -> &Value {
        &self.value
    }

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
    pub fn wrong(&self, path: &str, what: &str) -> Error {
        let [file, kind, name, path, what] = [&self.file, self.kind(), self.name(), path, what].map(str::to_owned);
        Error::Field { file, kind, name, path, what }
    }

    /// An error on a field that has no usable value.
    pub fn change(&self, path: &str, to: &str) -> Error {
        match self.get(path) {
            None | Some(Value::Null) => self.wrong(path, &format!("is missing: make it {to}")),
            Some(value) => {
                let shown: String = value.to_string().chars().take(SHOWN).collect();
                self.wrong(path, &format!("is {shown}: make it {to}"))
            }
        }
    }

    /// A whole number, or its default where the field is not there.
    pub fn number(&self, path: &str, default: Option<u32>) -> Result<u32, Error> {
        let number = match self.get(path) {
            None | Some(Value::Null) => default,
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        number.ok_or_else(|| self.change(path, "a whole number"))
    }

    /// A whole number of seconds, or of tries of a second or more each, up to a day; its default where the field is not
    /// there.
    pub fn seconds(&self, path: &str, default: u32) -> Result<u32, Error> {
        let seconds = self.number(path, Some(default))?;
        if f64::from(seconds) <= DAY { Ok(seconds) } else { Err(self.change(path, "86400, a day, or less")) }
    }

    /// A part that has a type in Kubernetes' API.
    pub fn typed<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.get(path) else { return Ok(None) };
        T::deserialize(value).map(Some).map_err(|error| self.wrong(path, &format!("cannot be read: {error}")))
    }

    /// The texts in a `ConfigMap`'s data, by the path of each.
    pub fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let data = self.get("data").and_then(Value::as_object).into_iter().flatten();
        data.filter_map(|(key, text)| Some((format!("data[{key:?}]"), text.as_str()?)))
    }

    /// Whether the selector of a monitor takes another object by its labels. One without a selector takes nothing.
    pub fn selects(&self, other: &Self) -> bool {
        let selector = self.get("spec.selector").filter(|selector| !selector.is_null());
        selector.is_some_and(|selector| selectors::selects(selector, &other.value["metadata"]["labels"]))
    }
}
