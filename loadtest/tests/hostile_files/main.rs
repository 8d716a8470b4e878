//! Journals and manifests that no run wrote: refused in one line that says where and why, and soon.

mod folders;
#[allow(dead_code, reason = "the report's own tests use the rest of it")]
#[path = "../support/journals.rs"]
mod journals;
mod manifests;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use loadtest::journal::{Entry, Reader};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

async fn loadtest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).env_remove("KUBERNETES_SERVICE_HOST");
    command.env("KUBECONFIG", "/nonexistent/kubeconfig");
    let ran = tokio::time::timeout(PATIENCE, command.output()).await;
    ran.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("it runs")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

/// Refused as bad use, in one line that holds all of these.
async fn refused(arguments: &[&str], expected: &[&str]) {
    let ran = loadtest(arguments).await;
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.lines().count() == 1 && said.len() < 10_000, "{arguments:?}: {said}");
    for text in expected {
        assert!(said.contains(text), "{arguments:?}: no {text:?} in {said}");
    }
}

/// What a reader says of a journal with this text.
fn read(text: &[u8]) -> Result<Vec<Entry>, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("it can be written");
    Reader::default().read(file.path()).map_err(|fault| fault.to_string())
}

/// The lines of a good journal: its start, a second, a sync, an event and its end.
fn lines() -> [Value; 5] {
    let entries = journals::good();
    let of = |kind: &str| {
        let lines = entries.iter().map(|entry| serde_json::to_value(entry).expect("an entry is JSON"));
        lines
            .filter(|line| line["entry"] == kind)
            .nth(usize::from(kind != "start" && kind != "end"))
            .expect("there is one")
    };
    ["start", "second", "scaling", "event", "end"].map(of)
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

/// A field of a line, a value that no run writes there, and the name in the error.
fn out_of_bounds() -> Vec<(usize, &'static str, Value, &'static str)> {
    let huge = "x".repeat(20_000);
    let names: Value =
        (0..10_001).map(|number| (format!("pod-{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let stages: Value = vec![json!({"from": 1.0, "to": 1.0, "seconds": 1.0}); 501].into();
    let weeks: Value = vec![json!({"from": 1.0, "to": 1.0, "seconds": 86_400.0}); 8].into();
    let stage = |from: f64, to: f64, seconds: f64| json!([{"from": from, "to": to, "seconds": seconds}]);
    let rules = json!({"stabilizationSeconds": 1e300, "tolerance": 0.1, "select": "max", "policies": []});
    let policy = json!([{"unit": "pods", "value": 0, "periodSeconds": 15}]);
    vec![
        (0, "/format", json!(1), "format 1"),
        (0, "/format", json!(3), "format 3"),
        (0, "/started", json!(253_402_300_800_u64), "started"),
        (0, "/started", json!(-1.0), "started"),
        (0, "/speed", json!(0.0), "speed"),
        (0, "/speed", json!(1e9), "speed"),
        (0, "/version", json!(huge), "version"),
        (0, "/target/url", json!(huge), "target.url"),
        (0, "/target/requestsPerConnection", json!(0), "target.requestsPerConnection"),
        (0, "/target/maxInFlight", json!(u64::MAX), "target.maxInFlight"),
        (0, "/generators", json!(0), "generators"),
        (0, "/generators", json!(u32::MAX), "generators"),
        (0, "/generator", json!(7), "generator"),
        (0, "/profile", stages, "stages"),
        (0, "/profile", weeks, "length of all stages"),
        (0, "/profile", stage(1.0, 1.0, -5.0), "seconds"),
        (0, "/profile", stage(1.0, 1.0, 0.0), "seconds"),
        (0, "/profile", stage(1.0, 1.0, 1e9), "seconds"),
        (0, "/profile", stage(1.0, 1.0, 1e15), "seconds"),
        (0, "/profile", stage(-1.0, 1.0, 1.0), "from"),
        (0, "/profile", stage(1.0, 1e7, 1.0), "to"),
        (0, "/autoscaler/name", json!(huge), "autoscaler.name"),
        (0, "/autoscaler/target", json!(0.0), "autoscaler.target"),
        (0, "/autoscaler/target", json!(1e300), "autoscaler.target"),
        (0, "/autoscaler/max", json!(200_000_000), "autoscaler.max"),
        (0, "/autoscaler/max", json!(0), "autoscaler.max"),
        (0, "/autoscaler/min", json!(9), "autoscaler.min"),
        (0, "/autoscaler/pipeline/sync", json!(0.0), "autoscaler.pipeline.sync"),
        (0, "/autoscaler/pipeline/scrape", json!(-1.0), "autoscaler.pipeline.scrape"),
        (0, "/autoscaler/pipeline/scrape", json!(1e-9), "autoscaler.pipeline.scrape"),
        (0, "/autoscaler/pipeline/window", json!(1e15), "autoscaler.pipeline.window"),
        (0, "/autoscaler/pipeline/startup", json!(-1.0), "autoscaler.pipeline.startup"),
        (0, "/autoscaler/pipeline/relist", json!(1e300), "autoscaler.pipeline.relist"),
        (0, "/autoscaler/behavior/up", rules, "autoscaler.behavior.up.stabilizationSeconds"),
        (0, "/autoscaler/behavior/down/tolerance", json!(-1.0), "autoscaler.behavior.down.tolerance"),
        (0, "/autoscaler/behavior/down/policies", policy, "policies.value"),
        (0, "/expectations/replicas", json!(u32::MAX), "expectations.replicas"),
        (0, "/expectations/scaledWithin", json!(-1.0), "expectations.scaledWithin"),
        (0, "/expectations/latency", json!([[1000.0, 1.0]]), "percentile"),
        (0, "/expectations/latency", json!([[99.0, 1e300]]), "bound"),
        (1, "/at", json!(1e18), "at"),
        (1, "/at", json!(1e12), "at"),
        (1, "/at", json!(-1e9), "at"),
        (1, "/due", json!(u64::MAX), "due"),
        (1, "/inFlight", json!(u64::MAX), "inFlight"),
        (1, "/statuses", json!({"65535": 1}), "status"),
        (1, "/statuses", json!({"200": u64::MAX}), "statuses"),
        (1, "/failures", json!({huge.clone(): 1}), "failures"),
        (1, "/pods", names, "pods"),
        (1, "/latency", json!([[1, u64::MAX]]), "latency"),
        (1, "/lateness", json!(vec![[1, 1]; 30_001]), "lateness"),
        (2, "/at", json!(1e300), "at"),
        (2, "/wanted", json!(200_000_000), "wanted"),
        (2, "/ready", json!(u32::MAX), "ready"),
        (2, "/ready", json!(50_000_000), "ready"),
        (2, "/pods", json!(10_001), "pods"),
        (2, "/value", json!(1e300), "value"),
        (2, "/says", json!(vec!["x"; 101]), "says"),
        (2, "/says", json!([huge]), "says"),
        (3, "/at", json!(-1e300), "at"),
        (3, "/object", json!(huge), "object"),
        (3, "/message", json!(huge), "message"),
        (4, "/at", json!(1e300), "at"),
    ]
}

#[test]
fn an_out_of_bounds_field_is_refused_with_its_line() {
    assert_eq!(read(text(&lines()).as_bytes()).map(|entries| entries.len()), Ok(5), "the journal is good before");
    for (line, field, value, name) in out_of_bounds() {
        let mut all = lines();
        let place = all[line].pointer_mut(field).unwrap_or_else(|| panic!("there is no {field}"));
        *place = value;
        let error = read(text(&all).as_bytes()).err().unwrap_or_else(|| panic!("line {line}: {field} is taken"));
        assert!(error.contains(&format!("line {}: ", line + 1)), "{field}: {error}");
        assert!(error.contains(name) && error.len() < 500, "{field}: {error}");
    }
}

/// Events that the good journal does not have, with a field that no run writes, and the name that the error gives.
fn odd_events() -> Vec<(Value, &'static str)> {
    let (huge, long) = ("x".repeat(20_000), "x".repeat(2_000));
    vec![
        (json!({"event": "watchInterrupted", "feed": "pods", "why": huge}), "why"),
        (json!({"event": "watchInterrupted", "feed": "moon", "why": "gone"}), "moon"),
        (json!({"event": "unread", "feed": "prometheus", "why": huge}), "why"),
        (json!({"event": "assumed", "assumption": huge}), "assumption"),
        (json!({"event": "truncated", "recorded": u64::MAX}), "recorded"),
        (json!({"event": "hostUnresolved", "host": long, "why": "gone", "keepsAddresses": true}), "host"),
        (json!({"event": "hostUnresolved", "host": "shop", "why": huge, "keepsAddresses": true}), "why"),
        (json!({"event": "hostResolved", "host": long}), "host"),
        (json!({"event": "loadFailed", "why": huge}), "why"),
        (json!({"event": "rehearsalFailed", "why": huge}), "why"),
        (json!({"event": "startedLate", "generator": 1_000, "seconds": 1.0}), "generator"),
        (json!({"event": "startedLate", "generator": 0, "seconds": 1e9}), "seconds"),
        (json!({"event": "startedLate", "generator": 0, "seconds": -1.0}), "seconds"),
        (json!({"event": "exploded"}), "exploded"),
        // As format 1 had it.
        (json!({"object": "load", "reason": "Failed", "message": "gone", "warning": true}), "event"),
    ]
}

#[test]
fn each_kind_of_event_has_bounds() {
    for (mut event, name) in odd_events() {
        (event["entry"], event["at"]) = (json!("event"), json!(1.0));
        let mut all = lines();
        all[3] = event;
        let error = read(text(&all).as_bytes()).expect_err(name);
        assert!(error.contains("line 4: ") && error.contains(name) && error.len() < 500, "{name}: {error}");
    }
}

#[test]
fn journal_of_an_earlier_format_names_the_version_to_use() {
    let mut all = lines();
    let start = all[0].as_object_mut().expect("an object");
    start.remove("format");
    start.insert("version".to_owned(), json!("0.0.9"));
    let error = read(text(&all).as_bytes()).expect_err("it is of format 1");
    assert!(error.contains("line 1: loadtest 0.0.9 wrote this journal in format 1"), "{error}");
}

#[tokio::test]
async fn a_bad_number_in_a_journal_gets_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, out) = (folder.path().join("journal"), folder.path().join("out"));
    for (line, field, value) in [
        (0, "/started", json!(253_402_300_800_u64)),
        (0, "/autoscaler/pipeline/sync", json!(0)),
        (1, "/at", json!(1e18)),
        (2, "/ready", json!(u32::MAX)),
        (4, "/at", json!(1e300)),
    ] {
        let mut all = lines();
        *all[line].pointer_mut(field).expect("it is there") = value;
        std::fs::write(&journal, text(&all)).expect("it can be written");
        let number = format!("line {}: ", line + 1);
        refused(&["merge", path(&journal), "--out", path(&out)], &[path(&journal), &number]).await;
        assert!(!out.exists(), "nothing is left behind");
    }
    // A type that is another one, a number that JSON has and a float has not, and what is nested too deeply.
    for wrong in ["{\"entry\":\"end\",\"at\":\"1\"}", "{\"entry\":\"end\",\"at\":1e400,\"interrupted\":false}"] {
        std::fs::write(&journal, format!("{}\n{wrong}\n", lines()[0])).expect("it can be written");
        refused(&["merge", path(&journal), "--out", path(&out)], &["line 2: "]).await;
    }
    std::fs::write(&journal, format!("{{\"entry\":{}\n", "[".repeat(100_000))).expect("it can be written");
    refused(&["merge", path(&journal), "--out", path(&out)], &["line 1: "]).await;
    std::fs::write(&journal, format!("{{\"entry\":\"{}\"}}\n", "x".repeat(3 << 20))).expect("it can be written");
    refused(&["merge", path(&journal), "--out", path(&out)], &["line 1: ", "longer than"]).await;
}

#[test]
fn journals_together_have_a_bounded_number_of_names() {
    let [start, second, ..] = lines();
    let many = |from: usize| {
        let names = (from..from + 8_000).map(|number| (format!("pod-{number}"), json!(1)));
        let mut second = second.clone();
        second["pods"] = names.collect::<serde_json::Map<_, _>>().into();
        text(&[start.clone(), second])
    };
    let mut reader = Reader::default();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut read = |from: usize| {
        std::fs::write(file.path(), many(from)).expect("it can be written");
        reader.read(file.path()).map(|entries| entries.len()).map_err(|fault| fault.to_string())
    };
    assert_eq!((read(0), read(0), read(8_000)), (Ok(2), Ok(2), Ok(2)));
    assert!(read(16_000).is_err_and(|error| error.contains("line 2: more than 20000 different names in pods")));
}

#[test]
fn generators_that_started_years_apart_are_refused() {
    let part = |generator: u32, started: f64| {
        let mut entries = journals::good();
        let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
        (start.generator, start.generators, start.started) = (generator, 2, started);
        entries
    };
    let apart = loadtest::merge::joined(vec![part(0, 0.0), part(1, 253_402_300_799.0)]);
    assert!(apart.is_err_and(|fault| fault.to_string().contains("generator 1 started")));
}

#[test]
fn the_longest_accepted_journal_makes_a_small_page() {
    let [start, mut second, mut scaling, mut event, _] = lines();
    let mut all = vec![start];
    for number in 0..2_000 {
        second["at"] = json!(number);
        second["failures"] = json!({format!("{}{number}", "x".repeat(900)): 1});
        second["pods"] = json!({format!("{}{number}", "p".repeat(900)): 1});
        scaling["at"] = json!(number);
        scaling["wanted"] = json!(number % 7);
        event["at"] = json!(f64::from(number) / 1e4);
        event["message"] = json!("m".repeat(16_000));
        all.extend([second.clone(), scaling.clone(), event.clone()]);
    }
    let entries = read(text(&all).as_bytes()).expect("it is within its bounds");
    let report = loadtest::session::report(&entries);
    let page = loadtest::report::html::render(&report);
    assert!(page.len() < 8 << 20, "{} MiB", page.len() >> 20);
    assert!(page.contains("And 1,501 more, in report.json.") || page.contains("And 1,500 more, in report.json."));
    let summary = loadtest::report::terminal::summary(&report, 120);
    assert!(summary.len() < 20_000, "{} bytes", summary.len());
}

/// A pipe in a folder that nobody writes to.
fn pipe(folder: &TempDir, name: &str) -> std::path::PathBuf {
    let pipe = folder.path().join(name);
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    pipe
}

#[tokio::test]
async fn a_journal_must_be_a_regular_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let pipe = pipe(&folder, "pipe");
    for journal in [path(&pipe), "/dev/zero", "/dev/tty"] {
        refused(&["merge", journal, "--out", path(&out)], &[journal, "it is "]).await;
    }
    // A folder stands for the journal of the report in it.
    refused(&["merge", path(folder.path()), "--out", path(&out)], &["journal.jsonl", "No such file"]).await;
}
