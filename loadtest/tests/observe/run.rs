//! `loadtest run` under way, and a server for it to load.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loadtest::journal::Entry;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A server to load.
pub struct Target {
    pub url: String,
    pub child: Child,
    _stdin: ChildStdin,
}

impl Target {
    pub async fn start() -> Self {
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
pub struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    out: PathBuf,
}

impl Run {
    pub fn start(kubeconfig: &Path, url: &str, hpa: &str, out: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            // Its HPA scales nothing, as it is the watching that is tested.
            .args(["run", "--skip-doctor", "--url", url, "--hpa", hpa, "--stage", "20rps:10m", "--json"])
            .args(["--max-failed", "0", "--out"])
            .arg(out)
            .env("KUBECONFIG", kubeconfig)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines, out: out.to_owned() }
    }

    /// Reads on until an entry is like this.
    pub async fn until(&mut self, holds: impl Fn(&Value) -> bool) {
        self.until_all("what is waited for", &[&holds]).await;
    }

    /// Reads on until there was an entry like each of these, in whatever order.
    pub async fn until_all(&mut self, what: &str, holds: &[&dyn Fn(&Value) -> bool]) {
        let mut left = holds.to_vec();
        let found = async {
            while !left.is_empty() {
                let line = self.lines.next_line().await.expect("text").expect("it goes on");
                let entry = serde_json::from_str(&line).expect("each line is an entry");
                left.retain(|holds| !holds(&entry));
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        assert!(found.is_ok(), "{what}: {} of {} did not come", left.len(), holds.len());
    }

    /// Interrupts it, and gives its exit code and its journal.
    pub async fn end(mut self) -> (Option<i32>, Vec<Entry>) {
        let pid = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is ours");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it has a status");
        let journal =
            loadtest::journal::Reader::default().read(&self.out.join("journal.jsonl")).expect("the journal is whole");
        (ended.code(), journal)
    }
}
