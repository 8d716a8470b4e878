//! The real binary: what a newcomer types, what he mistypes, and what is left when it is cut short.

mod examples;
mod outputs;
#[path = "../support/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use process::{Stopped, is_running, replicas};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

fn loadtest(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments.split_whitespace()).stdin(Stdio::null()).kill_on_drop(true);
    // Whatever cluster the machine knows is none of this test's business.
    command.env_remove("KUBERNETES_SERVICE_HOST").env("KUBECONFIG", "/nonexistent/kubeconfig");
    command
}

async fn output(arguments: &str) -> Output {
    let running = loadtest(arguments).output();
    tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect("it runs")
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

fn report(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("report.json")).expect("there is a report");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// When the series `field` of the report's `scaling` first had this value.
fn first(series: &Value, field: &str, least: u64) -> f64 {
    let all = series.as_array().expect("a list");
    let found = all.iter().find(|one| one[field].as_u64().is_some_and(|value| value >= least));
    found.unwrap_or_else(|| panic!("{field} never reached {least}"))["at"].as_f64().expect("a time")
}

#[tokio::test]
async fn a_rehearsal_goes_from_one_replica_to_three_and_back_as_predicted() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("report");
    let ran = output(&format!(
        "rehearse --manifests {} --speed 20 --stage 10rps:3m --stage 0rps:8m --expect-replicas 3 --expect-scale-in \
         --max-failed 0 --scaled-within 90s --out {}",
        manifests().display(),
        out.display()
    ))
    .await;
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{printed}\n{}", String::from_utf8_lossy(&ran.stderr));
    let report = report(&out);
    // Even where they are far apart in the world, one look of the HPA (15 s) is the most that they may differ by.
    for replicas in [2, 3] {
        let (seen, predicted) =
            (first(&report["scaling"], "wanted", replicas), first(&report["prediction"], "wanted", replicas));
        println!("{replicas} replicas wanted after {seen:.1} s, predicted {predicted:.1} s");
        assert!((seen - predicted).abs() <= 15.0 + 1.0, "{replicas} replicas: seen {seen}, predicted {predicted}");
    }
    assert!(out.join("report.html").exists() && out.join("journal.jsonl").exists());
}

#[tokio::test]
async fn a_rehearsal_scales_to_the_target_in_its_manifests() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for entry in std::fs::read_dir(manifests()).expect("k8s is there") {
        let path = entry.expect("it can be read").path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).expect("a manifest is text");
            let text = text.replace("averageValue: \"2\"", "averageValue: \"20\"");
            std::fs::write(folder.path().join(path.file_name().expect("a name")), text).expect("it can be written");
        }
    }
    let out = folder.path().join("report");
    let ran = output(&format!(
        "rehearse --manifests {} --speed 10 --stage 10rps:3m --expect-replicas 2 --out {}",
        folder.path().display(),
        out.display()
    ))
    .await;
    // Such a load cannot show whether the autoscaler works: that is neither a success nor a failure.
    assert_eq!(ran.status.code(), Some(3), "{}", String::from_utf8_lossy(&ran.stdout));
    let most =
        report(&out)["scaling"].as_array().expect("a list").iter().filter_map(|one| one["wanted"].as_u64()).max();
    assert_eq!(most, Some(1), "a target of 20 is not reached by 10 requests a second");
}

#[tokio::test]
async fn a_prediction_is_a_table_or_lines_of_json() {
    let ran = output(&format!("predict --manifests {} --stage 10rps:3m --stage 0rps:8m", manifests().display())).await;
    let table = String::from_utf8(ran.stdout).expect("text");
    assert_eq!(ran.status.code(), Some(0));
    assert!(table.lines().count() > 5, "{table}");
    let ran = output(&format!("predict --json --manifests {} --stage 10rps:3m", manifests().display())).await;
    let lines: Vec<Value> = String::from_utf8(ran.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(lines.iter().any(|line| line["wanted"] == 3), "{lines:?}");
}

/// Bad usage gets exit code 2 and one line, which has this part.
async fn is_refused(arguments: &str, part: &str) {
    let ran = output(arguments).await;
    let complaint = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{arguments}: {complaint}");
    assert!(complaint.contains(part) && !complaint.contains("hush"), "{arguments}: {complaint}");
    let lines = complaint.lines().take_while(|line| !line.starts_with("Usage:"));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    assert_eq!(lines.count(), 1, "{arguments}: {complaint}");
}

#[tokio::test]
async fn bad_usage_of_a_closed_loop_gets_one_line_that_says_what_to_do() {
    let url = "--url http://127.0.0.1:1 --hpa none";
    for (arguments, part) in [
        (format!("run {url} --clients 4"), "--clients needs --duration, such as --clients 16 --duration 30s"),
        (format!("run {url} --clients 4 --stage 5rps:1m"), "replace --stage or --profile with --duration"),
        (format!("run {url} --clients 4 --profile hpa --duration 1s"), "replace --stage or --profile with --duration"),
        (format!("run {url} --clients 4 --duration 1s --spacing poisson"), "--spacing"),
        (format!("run {url} --clients 4 --duration 1s --max-in-flight 9"), "--max-in-flight"),
        (format!("run {url} --clients 4 --duration 1s --generators 2"), "--generators"),
        (format!("run {url} --clients 0 --duration 1s"), "1..=50000"),
        (format!("run {url} --clients 4 --duration 25h"), "a day at most"),
        (
            "run --clients 4 --duration 1m --expect-replicas 2 --scaled-within 9s".to_owned(),
            "--scaled-within needs --stage",
        ),
        (format!("run {url} --stage 5rps:1m --duration 1m"), "--duration needs --clients"),
        (format!("run {url} --stage 5rps:1m --think-time 1s"), "--think-time needs --clients"),
        (format!("run {url} --stage 5rps:1m --requests-per-connection none"), "1 or more, or all"),
    ] {
        is_refused(&arguments, part).await;
    }
}

#[tokio::test]
async fn bad_usage_gets_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let there = folder.path().join("there");
    std::fs::create_dir(&there).expect("a folder can be made");
    std::fs::write(there.join("journal.jsonl"), "").expect("a file can be written");
    let url = "--url http://127.0.0.1:1 --hpa none";
    let [cut, prose, other, load, empty, whole, paths] =
        ["cut", "prose", "other", "load", "empty", "whole", "paths"].map(|name| there.join(name));
    std::fs::write(&empty, "# none\n").expect("a file can be written");
    std::fs::write(&whole, "1 GET http://127.0.0.1:1/\n").expect("a file can be written");
    std::fs::write(&paths, "1 GET /a\n1 GET http://127.0.0.1:1/\n").expect("a file can be written");
    std::fs::write(&load, r#"{"verdict": {}, "totals": {}}"#).expect("a file can be written");
    std::fs::write(&cut, "{\"version\": \"0.1.0\", \"na").expect("a file can be written");
    std::fs::write(&prose, "no such thing").expect("a file can be written");
    std::fs::write(&other, "{}").expect("a file can be written");
    for (arguments, part) in [
        (format!("run {url}"), "--stage"),
        (format!("run {url} --stage 15rps"), "a stage is RATE:DURATION"),
        (format!("run {url} --stage fast:1m"), "not a rate"),
        (format!("run {url} --stage -5rps:1m"), "stage"),
        (format!("run {url} --stage 0rps:1m"), "rate"),
        (format!("run {url} --stage 5rps:1y"), "a day"),
        (format!("run {url} --stage 5rps:1m --requests-per-connection 0"), "requests-per-connection"),
        (format!("run {url} --stage 5rps:1m --generators 2 --generator 2"), "2"),
        (format!("run {url} --stage 5rps:1m --out {}", prose.display()), "is not a folder"),
        (format!("run {url} --stage 5rps:1m --max-failed -1"), "expected a number of requests"),
        (format!("run {url} --stage 5rps:1m --max-failed 101%"), "expected a number of requests"),
        (format!("run {url} --stage 5rps:1m --expect-scale-in"), "needs an HPA"),
        ("run --url http://127.0.0.1:1 --stage 5rps:1m --expect-replicas 3".to_owned(), "needs an HPA"),
        (format!("merge {} --out /nonexistent/too", prose.display()), "begins with a start entry"),
        ("run --hpa none --stage 5rps:1m".to_owned(), "--url"),
        ("run --stage 5rps:1m".to_owned(), "kubeconfig"),
        (
            format!("run --stage 5rps:1m --targets {}", paths.display()),
            "the paths in --targets need a target: give --url URL, or give each line of --targets a whole URL",
        ),
        (format!("run --hpa none --stage 5rps:1m --targets {}", paths.display()), "each line of --targets a whole URL"),
        ("run --url ftp://127.0.0.1:1 --hpa none --stage 5rps:1m".to_owned(), "http"),
        ("run --url http://user:se/cret@127.0.0.1:1 --stage 5rps:1m".to_owned(), "http://127.0.0.1:1"),
        (format!("run {url} --stage 5rps:1m --header Authorization"), "this one has no colon"),
        (format!("run {url} --stage 5rps:1m --header Content-Length:5"), "set by loadtest itself"),
        (format!("run {url} --stage 5rps:1m --header @/nonexistent"), "--header /nonexistent: No such file"),
        (format!("run {url} --stage 5rps:1m --header @{}", prose.display()), "prose, line 1: a header has the form"),
        (format!("run {url} --stage 5rps:1m --method get"), "give GET"),
        (format!("run {url} --stage 5rps:1m --body @/nonexistent"), "--body /nonexistent: No such file"),
        (format!("run {url} --stage 5rps:1m --cacert {}", prose.display()), "no certificate in PEM form"),
        (format!("run {url} --stage 5rps:1m --targets {}", prose.display()), "prose, line 1: \"no\" is not a weight"),
        (format!("run {url} --stage 5rps:1m --targets {} --body x", prose.display()), "--body"),
        (format!("run {url} --stage 5rps:1m --expect-status 2xy"), "is not a status"),
        (format!("run {url} --stage 5rps:1m --expect-body ["), "is not a regular expression: unclosed"),
        (format!("run {url} --stage 5rps:1m --connect-to shop"), "give HOST:PORT"),
        (format!("run {url} --stage 5rps:1m --pod-header a:b"), "name of a header"),
        (format!("run {url} --stage 5rps:1m --threshold p99<1s"), "is not measured: give p(N)"),
        (format!("run {url} --stage 5rps:1m --threshold p(99){{stage:2}}<1s"), "the load has 1 stage"),
        (format!("run {url} --stage 5rps:1m --summary-export /nonexistent/x"), "--summary-export /nonexistent/x"),
        (format!("run {url} --stage 5rps:1m --junit {}", there.display()), "give the name of a file"),
        (
            format!("run {url} --stage 5rps:1m --junit {0}/x --summary-export {0}/./x", there.display()),
            "name the same file",
        ),
        (format!("run {url} --stage 5rps:1m --connect-to user:hush@host:443x"), "give HOST:PORT"),
        ("run https://user:hush@host/".to_owned(), "https://host/"),
        (format!("run {url} --stage 5rps:1m --header @{}", empty.display()), "it has no header"),
        (format!("run {url} --stage 5rps:1m --header Host:a --header Host:b"), "one header Host"),
        (format!("run {url} --stage 5rps:1m --targets {}", whole.display()), "--url is not used"),
        (format!("run {url} --stage 5rps:1m --expect-body {}", "x".repeat(1_025)), "target.expectBody has 1025 bytes"),
        (format!("run --url https://bad_na!me/ --stage 5rps:1m --out {}/unmade", there.display()), "bad_na!me"),
        ("rehearse --manifests /nonexistent".to_owned(), "/nonexistent"),
        ("rehearse --speed 0".to_owned(), "factor"),
        ("merge /nonexistent --out /nonexistent/too".to_owned(), "/nonexistent"),
        ("doctor".to_owned(), "kubeconfig"),
        ("doctor --from /nonexistent".to_owned(), "/nonexistent"),
        (format!("doctor --from {}/journal.jsonl", there.display()), "is no bundle (it is empty)"),
        (format!("doctor --from {}", cut.display()), "it is cut short"),
        (format!("doctor --from {}", prose.display()), "it is not JSON"),
        (format!("doctor --from {}", other.display()), "is something else's"),
        (format!("doctor --from {}", load.display()), "it is the report of a load test"),
        (format!("doctor shop/hpa --from {}", other.display()), "--from <FILE>"),
        ("doctor shop/hpa/x".to_owned(), "expected NAMESPACE/NAME"),
        ("doctor /hpa".to_owned(), "expected NAMESPACE/NAME"),
        (format!("doctor --bundle {}/none/x", there.display()), "there is no folder"),
        (format!("doctor --bundle {}/journal.jsonl", there.display()), "choose another file"),
    ] {
        is_refused(&arguments, part).await;
    }
    assert!(!there.join("unmade").exists(), "a load that cannot start leaves no folder");
}

#[tokio::test]
async fn exports_can_be_in_the_folder_of_the_report() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("new");
    let ran = output(&format!(
        "run --url http://127.0.0.1:1 --stage 5rps:1s --body -x --out {0} --junit {0}/junit.xml --summary-export {0}/s.json",
        out.display()
    ))
    .await;
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(out.join("junit.xml").exists() && out.join("s.json").exists() && out.join("report.json").exists());
}

#[tokio::test]
async fn an_unknown_context_is_bad_usage_and_an_absent_cluster_is_undecided() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let kubeconfig = folder.path().join("kubeconfig");
    let nobody = "{apiVersion: v1, kind: Config, clusters: [{name: gone, cluster: {server: \"http://127.0.0.1:1\"}}], \
                  contexts: [{name: here, context: {cluster: gone, user: none}}], users: [{name: none}]}";
    std::fs::write(&kubeconfig, nobody).expect("a file can be written");
    for (context, code, part) in [("there", 2, "has no context there"), ("here", 3, "does not answer")] {
        let running = loadtest(&format!("doctor --context {context}")).env("KUBECONFIG", &kubeconfig).output();
        let ran = tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect("it runs");
        let complaint = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(part) && complaint.lines().count() == 1, "{complaint}");
    }
}

#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let arguments = "run --url http://127.0.0.1:1 --hpa none --stage 5rps:1s --generators 2 --json";
    for (index, first) in [("", 0), ("1", 1)] {
        let running = loadtest(arguments).env("JOB_COMPLETION_INDEX", index).output();
        let ran = tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect("it runs");
        let printed = String::from_utf8(ran.stdout).expect("text");
        let start: Value = serde_json::from_str(printed.lines().next().expect("a line")).expect("JSON");
        assert_eq!((&start["generator"], &start["generators"]), (&first.into(), &2.into()), "{index:?}: {start}");
    }
}

#[tokio::test]
async fn help_and_completions_are_printed() {
    for arguments in ["--help", "run --help", "rehearse --help", "doctor --help", "completions bash"] {
        let ran = output(arguments).await;
        assert_eq!(ran.status.code(), Some(0), "{arguments}");
        assert!(ran.stdout.len() > 500, "{arguments}");
    }
    let narrow = loadtest("doctor --help").env("COLUMNS", "80").output();
    let ran = tokio::time::timeout(PATIENCE, narrow).await.expect("it ends").expect("it runs");
    let help = String::from_utf8(ran.stdout).expect("text");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    // An example that is wrapped is no line to copy, and the marks are explained nowhere else.
    for text in
        ["\n  loadtest doctor --from shop.json              the same from that file\n", "✓", "✗", "?", "·", "- not"]
    {
        assert!(help.contains(text), "{text}: {help}");
    }
}

#[tokio::test]
async fn explain_prints_a_cause_and_refuses_another_in_one_line() {
    for asked in ["11", "rule-absent"] {
        let ran = output(&format!("doctor --explain {asked}")).await;
        let text = String::from_utf8(ran.stdout).expect("text");
        assert_eq!(ran.status.code(), Some(0), "{text}");
        for part in
            ["11. There is no rule", "rule-absent", "Symptom ", "Check ", "Fix ", "/issues/678", "#11-there-is-no"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    for (asked, hint) in [
        ("rule-absnt", "did you mean rule-absent (11)"),
        ("99", "give a number from 1 to 55"),
        ("\u{1b}[2J", "give a number from 1 to 55"),
    ] {
        let ran = output(&format!("doctor --explain {asked}")).await;
        let text = String::from_utf8(ran.stderr).expect("text");
        assert_eq!((ran.status.code(), text.lines().count(), ran.stdout.len()), (Some(2), 1, 0), "{text}");
        assert!(text.contains(hint) && !text.contains('\u{1b}'), "{text}");
    }
}

/// A rehearsal that has sent something.
async fn under_way(out: &Path) -> Child {
    let mut child = loadtest(&format!(
        "rehearse --manifests {} --speed 10 --stage 10rps:30m --json --out {}",
        manifests().display(),
        out.display()
    ))
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let answered = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            let entry: Value = serde_json::from_str(&line).expect("each line is an entry");
            if entry["statuses"]["200"].as_u64().is_some_and(|count| count > 0) {
                return;
            }
        }
        panic!("it ended without an answer");
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("answers come");
    // The rest has to be read, or the pipe fills.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

fn signal(child: &Child, signal: Signal) {
    process::signal(child.id().expect("it runs"), signal);
}

#[tokio::test]
async fn ctrl_c_ends_the_load_and_writes_the_report() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("report");
    let mut child = under_way(&out).await;
    signal(&child, Signal::INT);
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it has a status");
    assert!(ended.code().is_some(), "it ends by itself: {ended}");
    let report = report(&out);
    assert!(report.to_string().contains("interrupted"), "{report}");
}

#[tokio::test]
async fn kill_9_loses_nothing_and_leaves_no_process() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("report");
    let mut child = under_way(&out).await;
    let replicas = replicas(child.id().expect("it runs"));
    let stands_still = replicas.first().expect("it has replicas");
    let _stopped = Stopped::new(stands_still.pid);
    child.kill().await.expect("it is ours");
    let gone = async {
        let mut turns = tokio::time::interval(Duration::from_millis(50));
        while replicas.iter().any(|replica| is_running(replica.pid)) {
            turns.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("its replicas end with it");

    let merged = folder.path().join("merged");
    let ran = output(&format!("merge {} --out {}", out.join("journal.jsonl").display(), merged.display())).await;
    assert!(ran.status.code().is_some_and(|code| code != 2), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(merged.join("report.html").exists());
}
