//! Every example of README.md, docs/LOADTEST.md and `--help` runs as it is printed: those that need no cluster to their end,
//! and the others up to the kubeconfig.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::{PATIENCE, loadtest, output};

/// What stands for the tool in the documents.
const CARGO: &str = "cargo run --release --package loadtest -- ";

/// Where a service of a person's own listens.
const SERVICE: &str = "http://localhost:9898";

/// The arguments of each example in a document: lines of code, which are indented.
fn examples(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with("  ")).map(str::trim);
    let arguments = lines.filter_map(|line| {
        line.strip_prefix("$ ").unwrap_or(line).strip_prefix(CARGO).or_else(|| line.strip_prefix("loadtest "))
    });
    // What follows two spaces or a sharp is an explanation.
    let cut = |line: &str| line.split("  ").next().and_then(|line| line.split(" #").next()).map(str::to_owned);
    arguments.filter_map(cut).filter(|line| !line.contains(['[', '<'])).collect()
}

/// The package has a second program, the kubectl plugin.
#[test]
fn cargo_runs_the_load_tool() {
    let mut metadata = std::process::Command::new(env!("CARGO"));
    metadata
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: Value =
        serde_json::from_slice(&metadata.output().expect("cargo runs").stdout).expect("it prints JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages.iter().find(|package| package["name"] == "loadtest").expect("the package is there");
    assert_eq!(package["default_run"], "loadtest");
}

fn needs_cluster(example: &str) -> bool {
    match example.split_whitespace().next() {
        Some("run") => !example.contains("--url") || example.contains("--hpa"),
        Some("doctor") => !example.contains("--from") && !example.contains("--explain"),
        _ => false,
    }
}

/// The service, on a free port.
async fn service() -> (Child, String) {
    let mut command = loadtest("replica --address 127.0.0.1:0 --log-format json");
    // It ends when this pipe does.
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    let address = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            let line: Value = serde_json::from_str(&line).expect("each line is JSON");
            if line["message"] == "serving" {
                return line["address"].as_str().expect("a text").to_owned();
            }
        }
        panic!("it ended without listening")
    };
    let address = tokio::time::timeout(PATIENCE, address).await.expect("it listens");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, format!("http://{address}"))
}

/// Runs an example in a folder of its own, which has what it names.
async fn run(example: &str, service: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().expect("a folder can be made");
    // The others are to write them.
    let is_json = |word: &str| Path::new(word).extension().is_some_and(|extension| extension == "json");
    let read = |word: &&str| is_json(word) && !needs_cluster(example);
    for name in example.split_whitespace().filter(read) {
        let place = folder.path().join(name);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder can be made");
        std::fs::copy(root.join("docs/sample-bundle.json"), place).expect("the sample can be copied");
    }
    // What the reader gets from his cluster, and the folder of a clone.
    for (name, from) in [
        ("all.yaml", "k8s/shopfront.yml"),
        ("rules.yaml", "k8s/custom-metrics-config.yaml"),
        ("k8s/shopfront.yml", "k8s/shopfront.yml"),
        ("k8s/custom-metrics-config.yaml", "k8s/custom-metrics-config.yaml"),
        ("k8s/keda/scaledobject.yaml", "k8s/keda/scaledobject.yaml"),
    ] {
        if example.contains("--manifests") {
            let place = folder.path().join(name);
            std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder can be made");
            std::fs::copy(root.join(from), place).expect("the manifest can be copied");
        }
    }
    let journals = example.split_whitespace().skip(1).take_while(|word| !word.starts_with("--"));
    for path in journals.filter(|_| example.starts_with("compare") || example.starts_with("merge")) {
        let report = path.split('/').next().expect("a folder");
        let part = report
            .strip_prefix("part-")
            .map(|index| format!("--generators 2 --generator {index} "))
            .unwrap_or_default();
        let made = format!("run --url {service} --stage 5rps:1s {part}--out {}", folder.path().join(report).display());
        output(&made).await;
        if example.starts_with("merge") && part.is_empty() {
            // The tool was killed before it wrote them.
            for name in ["report.json", "report.html"] {
                std::fs::remove_file(folder.path().join(report).join(name)).expect("it was written");
            }
        }
    }
    let mut command = loadtest(&example.replace(SERVICE, service));
    let running = command.current_dir(folder.path()).output();
    let ran = tokio::time::timeout(2 * PATIENCE, running).await.expect("it ends").expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if needs_cluster(example) {
        assert!(ran.status.code() == Some(2) && said.contains("kubeconfig"), "{example}: {said}");
    } else if example.starts_with("compare") || example.starts_with("predict") || example.contains("--explain") {
        assert_eq!(ran.status.code(), Some(0), "{example}: {said}");
    } else {
        // On a busy machine, a request may be slow or fail: that is a result as well.
        assert!(matches!(ran.status.code(), Some(0 | 1 | 3)) && !ran.stdout.is_empty(), "{example}: {said}");
    }
}

#[tokio::test]
async fn each_example_runs_as_it_is_printed() {
    let mut all = BTreeSet::new();
    for arguments in ["--help", "doctor --help", "run --help", "rehearse --help"] {
        all.extend(examples(&String::from_utf8(output(arguments).await.stdout).expect("text")));
    }
    all.extend(examples(include_str!("../../../README.md")));
    all.extend(examples(include_str!("../../../docs/LOADTEST.md")));
    for known in ["rehearse", "run", "doctor", "predict --stage 10rps:3m", "compare report report-2"] {
        assert!(all.contains(known), "no example {known} in {all:?}");
    }
    // Load that nobody watches in a test need not last.
    let (_service, url) = service().await;
    join_all(all.iter().map(|example| run(example, &url))).await;
}
