//! Nothing that the tool prints can move a cursor or hide a letter, whoever chose the text: each command is run with
//! hostile texts in its arguments, its files, and all that a cluster answers.

mod arguments;
mod cluster;
mod files;
#[path = "../support/healthy/mod.rs"]
mod healthy;
#[allow(dead_code, reason = "the report's own tests use the rest of it")]
#[path = "../support/journals.rs"]
mod journals;
#[path = "../support/server.rs"]
mod server;
mod source;
#[path = "../support/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use loadtest::output::is_hidden;
use serde_json::Value;
use tokio::process::Command;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A window's title, a bell, a clear screen, a backspace, a carriage return, C1, DEL, bidirectional controls, what has no
/// width, and a line of its own.
const HOSTILE: &str = "x\u{1b}]0;P\u{7}\u{1b}[2J\u{8}\r\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200f}\u{61c}\u{200b}\u{feff}\u{e0041}\nFORGED line";

/// Runs the tool without any cluster that the machine knows.
async fn run(arguments: &[&str], kubeconfig: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).env_remove("KUBERNETES_SERVICE_HOST");
    command.env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/nonexistent/kubeconfig")));
    let ran = tokio::time::timeout(PATIENCE, command.output()).await;
    ran.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("it runs")
}

/// Nothing of it is hidden, and no line is another's.
fn is_clean(bytes: &[u8], of: &str) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{of}: {error}"));
    for line in text.lines() {
        let hidden: Vec<char> = line.chars().filter(|one| is_hidden(*one)).collect();
        assert!(hidden.is_empty(), "{of}: {hidden:?} in {line:?}");
        assert!(!line.starts_with("FORGED"), "{of}: {text}");
    }
}

/// Both outputs are clean, and so is the text that they show.
async fn prints_clean(arguments: &[&str], kubeconfig: Option<&Path>) -> Output {
    let ran = run(arguments, kubeconfig).await;
    is_clean(&ran.stdout, &format!("stdout of {arguments:?}"));
    is_clean(&ran.stderr, &format!("stderr of {arguments:?}"));
    assert!(ran.status.code().is_some_and(|code| code <= 3), "{arguments:?}: {}", ran.status);
    ran
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

/// Has every text of a document end in something hostile, but those that `keeps` keeps as they are.
fn poison(value: &mut Value, keeps: &impl Fn(&str, &str) -> bool) {
    fn within(value: &mut Value, name: &str, keeps: &impl Fn(&str, &str) -> bool) {
        match value {
            Value::String(text) if !keeps(name, text) => text.push_str(HOSTILE),
            Value::Array(items) => items.iter_mut().for_each(|item| within(item, name, keeps)),
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| within(value, name, keeps)),
            _ => {}
        }
    }
    within(value, "", keeps);
}

/// Every text of a document, with the way to it.
fn texts(value: &Value) -> Vec<String> {
    fn within(value: &Value, pointer: &str, all: &mut Vec<String>) {
        let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
        match value {
            Value::String(_) => all.push(pointer.to_owned()),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| within(item, &format!("{pointer}/{at}"), all));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, item)| within(item, &format!("{pointer}/{}", escaped(name)), all));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    within(value, "", &mut all);
    all
}
