//! `loadtest doctor -A` and the kubectl plugin, the real binaries, on a fake API server with many HPAs.

#[path = "../support/fleet.rs"]
mod fleet;

use std::process::{Output, Stdio};
use std::time::Duration;

use fleet::{Fleet, Size};
use serde_json::Value;
use tokio::process::Command;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-hpa_doctor");

/// More than are checked closely; the first and the fifty-first have no value.
const SIZE: Size = Size { hpas: 60, pods_of_each: 3, monitors: 30 };

async fn run(fleet: Option<&Fleet>, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).env_remove("KUBERNETES_SERVICE_HOST");
    let kubeconfig = fleet.map_or_else(|| "/nonexistent/kubeconfig".into(), |fleet| fleet.kubeconfig.clone());
    command.env("KUBECONFIG", kubeconfig);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hpa_has_a_line_and_the_worst_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(folder.path(), SIZE).await;
    let output = run(Some(&fleet), env!("CARGO_BIN_EXE_loadtest"), &["doctor", "-A"]).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("OUTCOME"), "{text}");
    for (line, hpa) in [(lines[1], "team-0/app-0"), (lines[2], "team-5/app-50")] {
        assert!(line.starts_with('✗') && line.contains(hpa) && line.contains("cause"), "{line}");
    }
    assert!(lines[3..=SIZE.hpas].iter().all(|line| line.starts_with('✓') && line.contains("healthy")), "{text}");
    assert!(text.contains("60 HPAs: 2 broken, 0 undecided, 58 healthy."), "{text}");
    // A list of a kind and a metric of an HPA are asked for once; a close check takes less than a hundred requests.
    assert!(fleet.requests() <= 1_500, "{} requests", fleet.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_prints_the_same_for_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(folder.path(), SIZE).await;
    let output = run(Some(&fleet), PLUGIN, &["-A", "-o", "json"]).await;
    let all: Value = serde_json::from_str(&text(&output)).expect("it prints JSON");
    let diagnoses = all["diagnoses"].as_array().expect("a list");
    let schema = include_str!("../../doctor.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).expect("the schema is one");
    assert!(diagnoses.iter().all(|one| schema.is_valid(one)), "{all}");
    assert_eq!((diagnoses.len(), output.status.code()), (SIZE.hpas, Some(1)));

    let output = run(Some(&fleet), PLUGIN, &["-n", "team-0", "app-3", "-o", "yaml"]).await;
    assert!(text(&output).starts_with("hpa: team-0/app-3\n"), "{}", text(&output));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[tokio::test]
async fn bad_use_of_the_plugin_is_one_line_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(folder.path(), Size { hpas: 1, pods_of_each: 1, monitors: 1 }).await;
    for (arguments, told) in [
        (&["-n", "team-0", "team-0/app-0"][..], "leave one of them out"),
        (&["-n", "team-0", "app-9"][..], "there: app-0"),
        (&["--kubeconfig", "/nonexistent/other"][..], "/nonexistent/other"),
        (&["--context", "nowhere"][..], "kubectl config get-contexts"),
    ] {
        let output = run(Some(&fleet), PLUGIN, arguments).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("kubectl hpa-doctor: ") && error.contains(told), "{error}");
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    }
    let help = text(&run(None, PLUGIN, &["--help"]).await);
    assert!(help.contains("kubectl hpa-doctor [OPTIONS] -A") && !help.contains("loadtest"), "{help}");
}

/// As kubectl asks for them, of whom a shell asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_are_what_the_cluster_and_the_plugin_have() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(folder.path(), Size { hpas: 60, pods_of_each: 1, monitors: 1 }).await;
    for (words, first, directive) in [
        (&["-n", "team-0", ""][..], "app-0\t", ":4"),
        (&["-n", "team-0", "app-5"][..], "app-5", ":4"),
        (&["-n", "team-"][..], "team-0\t", ":4"),
        (&["--namespace=team-1"][..], "--namespace=team-1\t", ":4"),
        (&["-A", "-o", ""][..], "json\t", ":4"),
        (&["--outp"][..], "--output\tPrint the diagnosis for a program", ":4"),
        (&["--explain", "rule-a"][..], "rule-a", ":4"),
        (&["--kubeconfig", "/etc"][..], ":0", ":0"),
        (&["--context", "x"][..], ":4", ":4"),
        (&["-n", "team-0", "app-5", "a"][..], ":4", ":4"),
        (&["--no-such", "-n"][..], ":4", ":4"),
    ] {
        let words = [&["__complete"], words].concat();
        let output = run(Some(&fleet), PLUGIN, &words).await;
        let text = text(&output);
        assert!(text.starts_with(first) && text.ends_with(&format!("{directive}\n")), "{words:?}: {text}");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let without_cluster = run(None, PLUGIN, &["__complete", "-n", ""]).await;
    assert_eq!((text(&without_cluster).as_str(), without_cluster.stderr.as_slice()), (":4\n", &b""[..]));
}
