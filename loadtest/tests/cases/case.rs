//! A case: a file of this folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loadtest::doctor::catalogue::Cause;
use serde::Deserialize;
use serde_json::{Value, json};

/// A file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What is special about it.
    pub title: String,
    /// What scales it: prometheus-adapter and metrics-server, or KEDA.
    #[serde(default)]
    pub scaler: CaseScaler,
    /// A file of `base/` that has most of its objects.
    #[serde(default)]
    base: Option<String>,
    /// Changes of those, as JSON merge patches (RFC 7386), by `Kind/name`. A null removes the object.
    #[serde(default)]
    change: BTreeMap<String, Value>,
    /// More objects.
    #[serde(default)]
    objects: Vec<Value>,
    /// The name to ask for; by default, that of the only HPA or `ScaledObject`.
    #[serde(default)]
    pub ask: Option<String>,
    /// The answer.
    pub answer: Expected,
    /// What fixes it.
    #[serde(default)]
    pub fix: Fix,
}

/// What a case needs, besides the cluster.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum CaseScaler {
    /// prometheus-adapter, which also serves pods' CPU and memory.
    #[default]
    Adapter,
    Keda,
}

/// The answer that must come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `broken` or `healthy`.
    pub outcome: String,
    /// The name of the cause: of the break, or of why a healthy HPA does not change the replicas.
    #[serde(default)]
    pub cause: Option<String>,
    /// Words that the evidence, the advice or the commands have.
    #[serde(default)]
    pub words: Vec<String>,
    /// Words that no answer has, from the first second on.
    #[serde(default)]
    pub never: Vec<String>,
}

impl Expected {
    /// The cause of that name.
    pub fn known_cause(&self) -> Option<Cause> {
        let name = self.cause.as_ref()?;
        Some(Cause::find(name).unwrap_or_else(|| panic!("{name} is the name of no cause")))
    }
}

/// What fixes a case.
#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Fix {
    /// Nothing is tried.
    #[default]
    None,
    /// The commands that the doctor prints.
    Printed,
    /// These commands, in the case's namespace.
    Commands(Vec<String>),
}

/// All cases, by name.
pub fn all() -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn read(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let case: Case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
    Case { name, ..case }
}

impl Case {
    /// The namespace of its objects.
    pub fn namespace(&self) -> String {
        format!("case-{}", self.name)
    }

    /// The HPA or `ScaledObject` to ask for.
    pub fn hpa(&self) -> String {
        self.ask.clone().unwrap_or_else(|| {
            let mut names = self.autoscalers();
            assert_eq!(names.len(), 1, "{}: `ask` does not name one of {names:?}", self.name);
            names.remove(0)
        })
    }

    /// The names of its HPAs and `ScaledObject`s.
    fn autoscalers(&self) -> Vec<String> {
        let objects = self.objects();
        let is_one = |object: &&Value| ["HorizontalPodAutoscaler", "ScaledObject"].contains(&kind(object));
        objects.iter().filter(is_one).map(|object| name(object).to_owned()).collect()
    }

    /// Its objects, without a namespace.
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = self.base.as_ref().map(|base| documents(base)).unwrap_or_default();
        for (key, change) in &self.change {
            let place = objects.iter().position(|object| format!("{}/{}", kind(object), name(object)) == *key);
            let place = place.unwrap_or_else(|| panic!("{}: {key} is not in its base", self.name));
            if change.is_null() {
                objects.remove(place);
            } else {
                merge(&mut objects[place], change);
            }
        }
        objects.extend(self.objects.iter().cloned());
        objects
    }

    /// The pods that it begins with.
    pub fn pods(&self) -> u32 {
        let count = |object: &Value| {
            let replicas = |field: &str| object["spec"][field].as_u64().unwrap_or(1);
            match kind(object) {
                "HorizontalPodAutoscaler" => replicas("minReplicas").saturating_sub(1),
                "Pod" => 1,
                _ if object["spec"]["template"].is_object() => replicas("replicas"),
                _ => 0,
            }
        };
        u32::try_from(self.objects().iter().map(count).sum::<u64>()).expect("a case has few pods")
    }

    /// Whether it must never be called broken.
    pub fn stays_healthy(&self) -> bool {
        self.answer.outcome == "healthy" && self.answer.cause.is_none()
    }

    /// All that is applied: the namespace, what lets Prometheus read it, and the objects with this image.
    pub fn manifest(&self, image: &str) -> String {
        let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace()}});
        // What admission reads is there before the pods are made.
        let (before, after): (Vec<Value>, Vec<Value>) =
            self.objects().into_iter().partition(|object| ["LimitRange", "ResourceQuota"].contains(&kind(object)));
        let objects = std::iter::once(own).chain(documents("prometheus")).chain(before).chain(after);
        let items: Vec<Value> = objects
            .map(|mut object| {
                if object["kind"] != "Namespace" && object["metadata"]["namespace"].is_null() {
                    object["metadata"]["namespace"] = self.namespace().into();
                }
                object
            })
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items})
            .to_string()
            .replace("$IMAGE", image)
            .replace("$NAMESPACE", &self.namespace())
    }
}

fn documents(base: &str) -> Vec<Value> {
    let file = folder().join("base").join(format!("{base}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Source: RFC 7386, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("it is an object").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
