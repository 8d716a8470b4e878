//! Runs kubectl as a user does, and its proxies to the API server and to pods.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::transcript::Transcript;

/// The longest that a command may take. Commands that wait in the cluster have shorter limits of their own.
const PATIENCE: Duration = Duration::from_mins(4);

#[derive(Clone)]
pub struct Kubectl {
    kubeconfig: PathBuf,
    /// The folder with `k8s/`, which has the image's name.
    folder: PathBuf,
    transcript: Transcript,
}

impl Kubectl {
    pub fn new(kubeconfig: &Path, folder: &Path, transcript: Transcript) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), folder: folder.to_owned(), transcript }
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.program("kubectl");
        command.args(arguments.split_whitespace());
        command
    }

    /// A program with the cluster's kubeconfig, in the folder of the manifests. It is killed when dropped.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        command.env("KUBECONFIG", &self.kubeconfig).current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs kubectl with this input. Returns its output, or its error.
    pub async fn attempt(&self, arguments: &str, input: &str) -> Result<String, String> {
        let mut child = self.command(arguments).spawn().expect("kubectl is in the PATH");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let run = async {
            // A kubectl that reads no input closes the pipe.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
            child.wait_with_output().await.expect("kubectl's output can be read")
        };
        let Ok(output) = tokio::time::timeout(PATIENCE, run).await else {
            return Err(format!("kubectl {arguments}: not done after {PATIENCE:?}"));
        };
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("kubectl {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
        }
    }

    /// Runs a command that must succeed, without the transcript.
    pub async fn quietly(&self, arguments: &str) -> String {
        self.attempt(arguments, "").await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a command that must succeed, and writes it to the transcript.
    pub async fn run(&self, arguments: &str) -> String {
        let output = self.quietly(arguments).await;
        self.transcript.command(&format!("kubectl {arguments}"), &output);
        output
    }

    /// Runs a command with this input, which must succeed, and writes it to the transcript as a pipe from `source`.
    pub async fn run_with(&self, source: &str, arguments: &str, input: &str) {
        let output = self.attempt(arguments, input).await.unwrap_or_else(|error| panic!("{error}"));
        self.transcript.command(&format!("{source} | kubectl {arguments}"), &output);
    }

    /// Repeats a command until it succeeds and is done, and writes it to the transcript.
    pub async fn eventually(&self, bound: Duration, arguments: &str, done: impl Fn(&str) -> bool) -> String {
        let asked = Instant::now();
        let mut turns = tokio::time::interval(Duration::from_secs(1));
        loop {
            turns.tick().await;
            let answer = self.attempt(arguments, "").await;
            match answer {
                Ok(output) if done(&output) => {
                    self.transcript.command(&format!("kubectl {arguments}"), &output);
                    return output;
                }
                other => assert!(asked.elapsed() < bound, "kubectl {arguments}: still {other:?} after {bound:?}"),
            }
        }
    }

    /// Starts a command that runs until it is dropped, and returns its lines.
    pub fn follow(&self, arguments: &str) -> Following {
        let mut command = self.command(arguments);
        // Nobody reads its errors, and a full pipe would block it.
        let mut child = command.stderr(Stdio::null()).spawn().expect("kubectl is in the PATH");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Following { lines, _child: child }
    }

    /// The API server, for frequent requests.
    pub async fn api(&self) -> Api {
        self.open("proxy --port=0").await
    }

    /// A port of a pod, or of a pod behind a Service.
    pub async fn forward(&self, namespace: &str, target: &str, port: u16) -> Api {
        self.open(&format!("-n {namespace} port-forward {target} :{port} --address 127.0.0.1")).await
    }

    async fn open(&self, arguments: &str) -> Api {
        let mut kubectl = self.follow(arguments);
        let line = kubectl.next().await.unwrap_or_else(|| panic!("kubectl {arguments} ended"));
        let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:"));
        let address = address.unwrap_or_else(|| panic!("kubectl {arguments} does not say where it listens: {line}"));
        Api { base: format!("http://{address}"), client: reqwest::Client::new(), _kubectl: kubectl.into() }
    }
}

/// A running kubectl.
pub struct Following {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Following {
    pub async fn next(&mut self) -> Option<String> {
        self.lines.next_line().await.expect("kubectl prints text")
    }
}

/// Plain HTTP through a kubectl that runs until this is dropped.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    client: reqwest::Client,
    _kubectl: std::sync::Arc<Following>,
}

impl Api {
    pub async fn text(&self, path: &str) -> Option<String> {
        let request = self.client.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(10));
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }

    /// The JSON document at this path. None if the request fails.
    pub async fn json(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.text(path).await?).ok()
    }
}
