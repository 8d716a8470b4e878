//! The target breaks during a rehearsal: what happens to the requests, and what is reported.

#[path = "../support/process.rs"]
mod process;
mod speeds;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use process::{Stopped, is_running, replicas, signal};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A rehearsal that runs until it is ended.
struct Rehearsal {
    tool: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: tempfile::TempDir,
    /// What it has printed so far.
    entries: Vec<Value>,
}

impl Rehearsal {
    /// Starts one of the repository's manifests, with this minimum of replicas.
    fn start(min: u32, options: &str) -> Self {
        Self::start_at(20, min, options)
    }

    /// The same at another speed.
    fn start_at(speed: u32, min: u32, options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s");
        for name in ["shopfront.yml", "custom-metrics-config.yaml"] {
            let text = std::fs::read_to_string(manifests.join(name)).expect("a manifest is text");
            let text = text.replace("minReplicas: 1", &format!("minReplicas: {min}"));
            std::fs::write(folder.path().join(name), text).expect("it can be written");
        }
        let mut tool = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["rehearse", "--speed", &speed.to_string(), "--json", "--manifests"])
            .arg(folder.path())
            .arg("--out")
            .arg(folder.path().join("report"))
            .args(options.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(tool.stdout.take().expect("stdout is piped")).lines();
        Self { tool, lines, folder, entries: Vec::new() }
    }

    fn pid(&self) -> u32 {
        self.tool.id().expect("it runs")
    }

    /// The next entry that is such.
    async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                let entry: Value = serde_json::from_str(&line).expect("each line is an entry");
                self.entries.push(entry.clone());
                if is_it(&entry) {
                    return Some(entry);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.ok().flatten().unwrap_or_else(|| panic!("{what} never came: {:#?}", self.entries))
    }

    /// The next event of this pod that has this reason.
    async fn event(&mut self, pod: &str, reason: &str) -> Value {
        let object = format!("Pod/{pod}");
        let what = format!("{object} {reason}");
        self.until(&what, |entry| entry["object"] == object.as_str() && entry["reason"] == reason).await
    }

    /// The next second that begins at this moment or later, in which a request was answered and none failed.
    async fn good_second(&mut self, from: f64) -> Value {
        let good = |entry: &Value| answers(entry) > 0 && failures(entry) == 0 && at(entry) >= from;
        self.until("a good second", good).await
    }

    /// Ends it as Ctrl-C does; sees that none of its processes is left. Returns its report and exit code.
    async fn end(mut self) -> (Value, Option<i32>) {
        let left = replicas(self.pid());
        signal(self.pid(), Signal::INT);
        let ended = async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                self.entries.push(serde_json::from_str(&line).expect("each line is an entry"));
            }
            let status = self.tool.wait().await.expect("it has a status");
            let mut turns = tokio::time::interval(Duration::from_millis(20));
            while left.iter().any(|replica| is_running(replica.pid)) {
                turns.tick().await;
            }
            status.code()
        };
        let code = tokio::time::timeout(PATIENCE, ended).await.expect("it ends, and its replicas with it");
        let text = std::fs::read_to_string(self.folder.path().join("report/report.json")).expect("there is a report");
        (serde_json::from_str(&text).expect("the report is JSON"), code)
    }
}

fn at(entry: &Value) -> f64 {
    entry["at"].as_f64().expect("a time")
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

fn answers(second: &Value) -> u64 {
    sum(&second["statuses"])
}

fn failures(second: &Value) -> u64 {
    sum(&second["failures"])
}

#[tokio::test]
async fn a_killed_replica_is_restarted_and_its_failures_are_reported() {
    let mut rehearsal = Rehearsal::start(1, "--stage 1rps:30m --max-failed 0");
    let before = at(&rehearsal.good_second(3.0).await);
    let [killed] = replicas(rehearsal.pid()).try_into().expect("one replica");
    signal(killed.pid, Signal::KILL);

    let ended = rehearsal.event(&killed.pod, "ContainerEnded").await;
    assert_eq!(ended["warning"], true);
    let message = ended["message"].as_str().expect("text");
    assert!(message.contains("SIGKILL") && message.contains("1 restarts"), "{message}");
    rehearsal.until("no replica is ready", |entry| entry["ready"] == 0).await;
    // As a kubelet does: the container is new, and the pod is not.
    let ready = at(&rehearsal.event(&killed.pod, "Ready").await);
    let [restarted] = replicas(rehearsal.pid()).try_into().expect("one replica");
    assert_eq!(restarted.pod, killed.pod);
    assert_ne!(restarted.pid, killed.pid);
    let started = |entry: &&Value| entry["reason"] == "Started" && at(entry) >= at(&ended);
    assert_eq!(rehearsal.entries.iter().filter(|entry| entry["entry"] == "event").filter(started).count(), 1);
    rehearsal.good_second(ready + 25.0).await;

    let (report, code) = rehearsal.end().await;
    let failed = report["totals"]["failed"].as_u64().expect("a count");
    assert!(failed > 0, "nobody answered from {} to {ready}", at(&ended));
    for second in report["seconds"].as_array().expect("a list") {
        // A second of the rehearsal is 50 ms: what was under way when it came back may take some.
        let broken = (before..=ready + 20.0).contains(&at(second));
        assert!(broken || second["failed"] == 0, "from {before} until soon after {ready} alone: {second}");
    }
    let sentence = report["verdict"]["sentence"].as_str().expect("text");
    assert!(sentence.contains(&format!("Requests failed: {failed} of ")), "{sentence}");
    assert_eq!((report["verdict"]["outcome"].as_str(), code), (Some("failed"), Some(1)));
    let pods: Vec<_> = report["pods"].as_array().expect("a list").iter().map(|pod| &pod["name"]).collect();
    assert_eq!(pods, [killed.pod.as_str()]);
    assert!(report["scaling"].as_array().expect("a list").iter().all(|seen| seen["wanted"] == 1));
}

#[tokio::test]
async fn a_hanging_replica_gets_no_requests_until_its_probe_succeeds() {
    let mut rehearsal = Rehearsal::start(2, "--stage 3rps:30m --max-failed 0 --timeout 2m");
    rehearsal.until("two replicas are ready", |entry| entry["ready"] == 2).await;
    let before = at(&rehearsal.good_second(3.0).await);
    let [hangs, other] = replicas(rehearsal.pid()).try_into().expect("two replicas");
    let stopped = Stopped::new(hangs.pid);

    let unhealthy = rehearsal.event(&hangs.pod, "Unhealthy").await;
    assert_eq!(unhealthy["warning"], true);
    let message = unhealthy["message"].as_str().expect("text");
    assert!(message.starts_with("Readiness probe failed") && message.contains("no answer within"), "{message}");
    let unready = at(&rehearsal.until("one replica is unready", |entry| entry["ready"] == 1).await);
    let failed = |entry: &&Value| entry["reason"] == "Unhealthy" && entry["object"] == unhealthy["object"];
    let probes = rehearsal.entries.iter().filter(failed).filter(|entry| at(entry) >= before).count();
    assert!(probes >= 3, "one failed probe is no reason: {probes}");
    // The whole load goes to the other one, and is answered.
    for _ in 0..3 {
        let second = rehearsal.good_second(unready + 1.0).await;
        let pods: Vec<_> = second["pods"].as_object().into_iter().flatten().map(|(pod, _)| pod).collect();
        assert_eq!(pods, [&other.pod], "{second}");
    }

    drop(stopped);
    let ready = at(&rehearsal.event(&hangs.pod, "Ready").await);
    rehearsal.until("two replicas are ready", |entry| entry["ready"] == 2).await;
    rehearsal
        .until("it answers again", |entry| {
            let pods = &entry["pods"];
            entry["entry"] == "second" && at(entry) > ready + 1.0 && pods[&hangs.pod].as_u64() > Some(0)
        })
        .await;

    let (report, _) = rehearsal.end().await;
    // What it was given before it was found out waited for it, and was answered in the end.
    assert_eq!(report["totals"]["failed"], 0, "{}", report["totals"]);
    assert!(report["latency"]["max"].as_f64() > Some(0.2), "{}", report["latency"]);
    let restarts =
        report["events"].as_array().expect("a list").iter().filter(|event| event["reason"] == "ContainerEnded");
    assert_eq!(restarts.count(), 0, "it is the same container");
    // Whether a pod is ready plays no part for a metric other than CPU.
    assert!(report["scaling"].as_array().expect("a list").iter().all(|seen| seen["wanted"] == 2));
}

#[tokio::test]
async fn a_hanging_replica_ends_with_its_tool() {
    let mut rehearsal = Rehearsal::start(1, "--stage 2rps:30m --timeout 1s");
    rehearsal.good_second(3.0).await;
    let [hangs] = replicas(rehearsal.pid()).try_into().expect("one replica");
    let _stopped = Stopped::new(hangs.pid);
    let (report, _) = rehearsal.end().await;
    assert_eq!(report["end"]["interrupted"], true, "{}", report["end"]);
    assert!(!is_running(hangs.pid));
}
