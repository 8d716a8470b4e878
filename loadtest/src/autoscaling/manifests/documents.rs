//! The objects in files and folders of manifests, and errors that say where something is wrong.

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

/// The objects in a file, or in the files of a folder, in the order of their names; not those in the folders inside it.
pub(super) fn read(place: &Path) -> Result<Vec<Document>, Error> {
    let shown = place.display().to_string();
    let wrong = |error: std::io::Error| {
        Error::place(&shown, format!("{error}: --manifests takes files and folders of YAML or JSON"))
    };
    if !std::fs::metadata(place).map_err(wrong)?.is_dir() {
        return read_file(place);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| ["yml", "yaml", "json"].iter().any(|known| extension == *known)) {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(Error::place(&shown, format!("more than {FILES} files of YAML or JSON")));
        }
    }
    files.sort();
    let mut documents = Vec::new();
    for path in files {
        documents.extend(read_file(&path)?);
    }
    Ok(documents)
}

/// This program's own manifests, which are shopfront's.
pub(super) fn built_in() -> Result<Vec<Document>, Error> {
    let files = [
        ("shopfront.yml", include_str!("../../../../k8s/shopfront.yml")),
        ("custom-metrics-config.yaml", include_str!("../../../../k8s/custom-metrics-config.yaml")),
    ];
    let documents = files.map(|(name, text)| parse(&format!("{BUILT_IN}/{name}"), text, false));
    documents.into_iter().try_fold(Vec::new(), |all, one| Ok([all, one?].concat()))
}

fn read_file(path: &Path) -> Result<Vec<Document>, Error> {
    let file = path.display().to_string();
    let text = input::read(path, FILE).map_err(|error| Error::place(&file, error.to_string()))?;
    let text = String::from_utf8(text).map_err(|error| Error::place(&file, error.utf8_error().to_string()))?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    parse(&file, &text, is_json)
}

fn parse(file: &str, text: &str, is_json: bool) -> Result<Vec<Document>, Error> {
    // A file of JSON may hold several objects, too, one after another.
    let values: Vec<Value> = if is_json {
        let values = serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>();
        values.map_err(|error| Error::place(file, format!("not JSON that can be read: {error}")))?
    } else {
        serde_saphyr::from_multiple(text).map_err(|error| not_yaml(file, &error.to_string()))?
    };
    Ok(values.into_iter().flat_map(items).map(|value| Document { file: file.to_owned(), value }).collect())
}

/// The objects of a list, as `kubectl get -o yaml` prints one, or the object itself. A list of one kind does not repeat the
/// kind.
fn items(mut value: Value) -> Vec<Value> {
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    let (Some(kind), Some(Value::Array(items))) = (kind.strip_suffix("List"), value.get_mut("items").map(Value::take))
    else {
        return Vec::from_iter(Some(value).filter(Value::is_object));
    };
    let version = value["apiVersion"].take();
    let whole = |mut item: Value| {
        if let Some(object) = item.as_object_mut().filter(|_| !kind.is_empty()) {
            object.entry("kind").or_insert_with(|| kind.into());
            object.entry("apiVersion").or_insert_with(|| version.clone());
        }
        item
    };
    items.into_iter().map(whole).flat_map(self::items).collect()
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

    /// Whether two objects may belong together. Manifests that name no namespace are applied to any.
    pub fn shares_a_namespace(&self, other: &Self) -> bool {
        let [own, others] = [self, other].map(|object| object.text("metadata.namespace"));
        own.is_none() || others.is_none() || own == others
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

    /// Whether a monitor takes another object by its labels, which are at this path, and by its namespace. A monitor without
    /// a selector takes nothing.
    pub fn selects(&self, other: &Self, labels: &str) -> bool {
        let selector = self.get("spec.selector").filter(|selector| !selector.is_null());
        let labels = other.get(labels).unwrap_or(&Value::Null);
        self.reaches(other) && selector.is_some_and(|selector| selectors::selects(selector, labels))
    }

    fn reaches(&self, other: &Self) -> bool {
        let names = self.list("spec.namespaceSelector.matchNames");
        if self.get("spec.namespaceSelector.any") == Some(&Value::Bool(true)) {
            return true;
        }
        if names.is_empty() {
            return self.shares_a_namespace(other);
        }
        other.text("metadata.namespace").is_none_or(|namespace| names.iter().any(|name| name == namespace))
    }
}
