//! The objects in `k8s/`, as the tests of both packages read them.

use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub const NAMESPACE: &str = "miztiik-automation-ns";

/// `k8s/`, from either package's folder.
pub fn folder() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package.ancestors().map(|folder| folder.join("k8s"));
    folders.find(|folder| folder.is_dir()).expect("the repository has the manifests")
}

/// A file of `k8s/`.
pub fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("k8s/{file}: {error}"))
}

/// The objects in a file.
pub fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(file)).unwrap_or_else(|error| panic!("k8s/{file}: {error}"))
}

/// The one object of this kind in a file.
pub fn object<T: DeserializeOwned>(file: &str, kind: &str) -> T {
    let mut found: Vec<_> = documents(file).into_iter().filter(|document| document["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind} in k8s/{file}");
    serde_json::from_value(found.remove(0)).unwrap_or_else(|error| panic!("{kind} in k8s/{file}: {error}"))
}

/// The pod that the Deployment runs.
pub fn pod() -> PodSpec {
    object::<Deployment>("shopfront.yml", "Deployment").spec.unwrap().template.spec.unwrap()
}

/// Its container.
pub fn container() -> Container {
    pod().containers.remove(0)
}
