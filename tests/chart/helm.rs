//! Helm, as the tests run it: without a cluster.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::objects::NAMESPACE;

/// The values with which the chart stands for `k8s/`.
pub const LIKE_K8S: &[&str] = &["--values", "tests/chart/k8s-values.yaml"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    root().join("charts/shopfront")
}

/// The Helm that a variable names, or else that of the PATH.
pub fn program() -> PathBuf {
    std::env::var_os("SHOPFRONT_TEST_HELM").map_or_else(|| PathBuf::from("helm"), PathBuf::from)
}

/// Runs Helm in the root of the repository.
pub fn helm(arguments: &[&str]) -> Output {
    let program = program();
    Command::new(&program).args(arguments).current_dir(root()).output().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; install Helm 3.18 or newer (https://helm.sh/docs/intro/install), or let tests/helm get one: \
             SHOPFRONT_TEST_HELM=$(tests/helm) cargo test --test chart",
            program.display()
        )
    })
}

/// `helm template` of this chart as this release, in the namespace of `k8s/`.
fn template(chart: &Path, release: &str, arguments: &[&str]) -> Output {
    let chart = chart.to_str().expect("the path is text");
    let mut all = vec!["template", release, chart, "--namespace", NAMESPACE];
    if !arguments.contains(&"--kube-version") {
        // Helm built from its module alone takes the cluster for an old one.
        all.extend(["--kube-version", "1.34"]);
    }
    all.extend(arguments);
    helm(&all)
}

/// The objects of a release, with these values.
pub fn release(name: &str, arguments: &[&str]) -> Vec<Value> {
    release_of(&chart(), name, arguments)
}

/// The objects of a release of this chart.
pub fn release_of(chart: &Path, name: &str, arguments: &[&str]) -> Vec<Value> {
    let output = template(chart, name, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("Helm prints text");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The objects of release `shopfront`, with these values.
pub fn render(arguments: &[&str]) -> Vec<Value> {
    release("shopfront", arguments)
}

/// What Helm says when it refuses these values.
pub fn refusal(arguments: &[&str]) -> String {
    let output = template(&chart(), "shopfront", arguments);
    assert!(!output.status.success(), "{arguments:?} is accepted");
    String::from_utf8(output.stderr).expect("Helm prints text")
}

/// The one object of this kind and name.
pub fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let object = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "two {kind} {name}");
    object
}

pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}
