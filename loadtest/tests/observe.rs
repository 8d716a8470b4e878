//! A real cluster is watched, while it can be and while it cannot.
//!
//! Switched on by `SHOPFRONT_TEST_KUBECONFIG`. Works in a namespace of its own, and takes it away again.

#[path = "observe/line.rs"]
mod line;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use line::Line;
use loadtest::report::warnings::About;
use loadtest::session::judged;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An HPA whose pods never start: what is watched, not what is loaded.
const OBJECTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: idle}}
  template:
    metadata: {labels: {app: idle}}
    spec:
      nodeSelector: {no-node: has-this}
      containers: [{name: idle, image: "idle:1"}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: idle, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: idle}
  maxReplicas: 2
  metrics:
    - type: Pods
      pods: {metric: {name: nobodys}, target: {type: AverageValue, averageValue: "2"}}
"#;

#[tokio::test]
async fn an_api_server_that_goes_and_comes_back_is_told() {
    let Some(kubeconfig) = std::env::var_os("SHOPFRONT_TEST_KUBECONFIG").map(PathBuf::from) else {
        println!("not run: it needs a cluster, whose kubeconfig SHOPFRONT_TEST_KUBECONFIG names");
        return;
    };
    let namespace = Namespace::create(&kubeconfig).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let line = Line::to_the_server_of(&kubeconfig, folder.path()).await;
    let mut target = Target::start().await;
    let out = folder.path().join("report");
    let mut run = Run::start(&line.kubeconfig, &target.url, &namespace.0, &out);

    run.until(|entry| entry["entry"] == "scaling").await;
    line.cut();
    run.until(|entry| entry["reason"] == "Interrupted").await;
    line.mend().await;
    run.until(|entry| entry["reason"] == "Resumed").await;
    run.until(|entry| entry["entry"] == "scaling").await;
    // What it loads goes as well.
    target.child.kill().await.expect("it is ours");
    run.until(|entry| entry["failures"].as_object().is_some_and(|causes| !causes.is_empty())).await;
    run.interrupt();
    let ended = tokio::time::timeout(PATIENCE, run.child.wait()).await.expect("it ends").expect("it has a status");
    assert_eq!(ended.code(), Some(1), "requests failed, and none was allowed to");

    let report = judged(&loadtest::recorder::read(&out.join("journal.jsonl")).expect("the journal is whole"));
    let doubts: Vec<_> = report.warnings.iter().map(|warning| warning.about).collect();
    println!("{doubts:?}");
    assert!(doubts.contains(&About::Watch), "{doubts:?}");
    assert!(out.join("report.html").exists());
    namespace.delete().await;
}

struct Namespace(String, PathBuf);

impl Namespace {
    async fn create(kubeconfig: &Path) -> Self {
        let namespace = format!("loadtest-observe-{:08x}", fastrand::u32(..));
        let mut kubectl = kubectl(kubeconfig, &["apply", "-f", "-"]).stdin(Stdio::piped()).spawn().expect("kubectl");
        let objects = OBJECTS.replace("NAMESPACE", &namespace);
        kubectl.stdin.take().expect("a pipe").write_all(objects.as_bytes()).await.expect("kubectl reads");
        assert!(kubectl.wait().await.expect("kubectl ends").success());
        Self(namespace, kubeconfig.to_owned())
    }

    async fn delete(self) {
        let status = kubectl(&self.1, &["delete", "namespace", &self.0, "--timeout=1m"]).status().await;
        assert!(status.expect("kubectl runs").success());
    }
}

impl Drop for Namespace {
    /// Also after a failure; then nobody waits for it.
    fn drop(&mut self) {
        let _ = std::process::Command::new("kubectl")
            .args(["delete", "namespace", &self.0, "--ignore-not-found", "--wait=false"])
            .env("KUBECONFIG", &self.1)
            .stdout(Stdio::null())
            .status();
    }
}

fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(arguments).env("KUBECONFIG", kubeconfig).stdout(Stdio::null()).kill_on_drop(true);
    command
}

/// A server to load.
struct Target {
    url: String,
    child: Child,
    _stdin: ChildStdin,
}

impl Target {
    async fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["replica", "--address", "127.0.0.1:0", "--log-format", "json"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let stdin = child.stdin.take().expect("a pipe");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = log.next_line().await.expect("text").expect("it says where it listens");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let url = format!("http://{}/", line["address"].as_str().expect("an address"));
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { url, child, _stdin: stdin }
    }
}

/// `loadtest run` under way.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(kubeconfig: &Path, url: &str, namespace: &str, out: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["run", "--url", url, "--hpa", &format!("{namespace}/idle"), "--stage", "20rps:10m", "--json"])
            // Its HPA scales nothing, as it is the watching that is tested.
            .arg("--skip-doctor")
            .args(["--max-failed", "0", "--out"])
            .arg(out)
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// Reads on until an entry is like this.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) {
        let found = async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                if holds(&serde_json::from_str(&line).expect("each line is an entry")) {
                    return;
                }
            }
            panic!("it ended before that");
        };
        tokio::time::timeout(PATIENCE, found).await.expect("in time");
    }

    fn interrupt(&self) {
        let pid = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is ours");
    }
}
