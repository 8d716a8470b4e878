//! Credential plugins of a kubeconfig (`users[].user.exec`), run as kubectl runs them. What a plugin is given and what it
//! writes are credentials: of a plugin that fails, its name and how it ended are told, and nothing else.

use std::io::{ErrorKind, IsTerminal, stdin};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use kube::config::{ExecConfig, ExecInteractiveMode};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::output::Stream;

/// How long a plugin may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes that are read of a plugin: a token or a certificate is shorter by far.
const MOST: u64 = 1 << 20;

/// A token is asked for anew so long before its end.
const BEFORE: f64 = 60.0;

/// Why there is no credential. A plugin is named by its file's name alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// kubectl knows it no longer.
    #[error("its auth-provider {0:?} was removed from kubectl in 1.26: use a credential plugin")]
    AuthProvider(String),
    /// It asks somebody at a terminal.
    #[error("the credential plugin {0} needs a terminal (interactiveMode: Always), and standard input is not one")]
    NoTerminal(String),
    /// The system does not start it.
    #[error("the credential plugin {0} cannot be started: {1}")]
    NotStarted(String, ErrorKind),
    /// It takes too long.
    #[error("the credential plugin {0} gave no answer within {secs} s", secs = .1.as_secs_f64())]
    Late(String, Duration),
    /// Its output cannot be read.
    #[error("the credential plugin {0}: {1}")]
    Unread(String, ErrorKind),
    /// It fails.
    #[error("the credential plugin {0} ended with {1}")]
    Failed(String, ExitStatus),
    /// It writes something else.
    #[error("the credential plugin {0} gave no credential")]
    NoCredential(String),
}

/// A plugin, and the token that it gave last.
pub struct Plugin {
    exec: ExecConfig,
    given: Mutex<Given>,
}

/// What a plugin gave.
#[derive(Default)]
pub struct Given {
    /// The header with the token; none where the credential is a certificate.
    authorization: Option<HeaderValue>,
    /// Unix time.
    expires: Option<f64>,
    /// Certificate and key, as PEM.
    pub certificate: Option<(String, String)>,
}

impl Plugin {
    /// Runs it once.
    pub async fn start(exec: ExecConfig, patience: Duration) -> Result<(Self, Option<(String, String)>), Error> {
        let given = run(&exec, patience).await?;
        let certificate = given.certificate.clone();
        Ok((Self { exec, given: Mutex::new(given) }, certificate))
    }

    /// The header of a request: the token that is there, or one anew where it is about to expire.
    pub async fn authorization(&self) -> Result<Option<HeaderValue>, std::io::Error> {
        let mut given = self.given.lock().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if given.authorization.is_some() && given.expires.is_some_and(|expires| now + BEFORE >= expires) {
            *given = run(&self.exec, PATIENCE).await.map_err(std::io::Error::other)?;
        }
        Ok(given.authorization.clone())
    }
}

#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs a plugin to its end, or ends it and its children when it takes too long.
async fn run(exec: &ExecConfig, patience: Duration) -> Result<Given, Error> {
    let command = exec.command.as_deref().unwrap_or_default();
    let name = || command.rsplit('/').next().unwrap_or_default().to_owned();
    let asks = exec.interactive_mode != Some(ExecInteractiveMode::Never) && stdin().is_terminal();
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) && !asks {
        return Err(Error::NoTerminal(name()));
    }
    let child = start(exec, command, asks).map_err(|error| Error::NotStarted(name(), error.kind()))?;
    let mut running = Running { child, has_group: !asks };
    let ended = timeout(patience, running.output()).await;
    let (output, status) =
        ended.map_err(|_| Error::Late(name(), patience))?.map_err(|error| Error::Unread(name(), error.kind()))?;
    if !status.success() {
        return Err(Error::Failed(name(), status));
    }
    let credential: Option<Credential> =
        serde_json::from_slice(&output).ok().or_else(|| serde_saphyr::from_slice(&output).ok());
    let status = credential.and_then(|credential| credential.status);
    given(status.unwrap_or_default()).ok_or_else(|| Error::NoCredential(name()))
}

fn start(exec: &ExecConfig, command: &str, asks: bool) -> std::io::Result<Child> {
    let cluster = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info);
    let mut spec = json!({"interactive": asks});
    if let Some(cluster) = cluster {
        spec["cluster"] = json!(cluster);
    }
    let info = json!({"kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec});
    let pairs = exec.env.iter().flatten().filter_map(|pair| pair.get("name").zip(pair.get("value")));
    let mut plugin = Command::new(command);
    plugin
        .args(exec.args.iter().flatten())
        .envs(pairs)
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if asks { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        // What it says to somebody who sits there, as where to log in, is for them alone.
        .stderr(if asks && Stream::Err.is_terminal() { Stdio::inherit() } else { Stdio::null() })
        .kill_on_drop(true);
    if !asks {
        // Its children are ended with it. Who asks at the terminal has to be in the group that the terminal is for.
        plugin.process_group(0);
    }
    plugin.spawn()
}

/// A plugin under way, which does not outlive this.
struct Running {
    child: Child,
    has_group: bool,
}

impl Running {
    /// All that it writes, and how it ended.
    async fn output(&mut self) -> std::io::Result<(Vec<u8>, ExitStatus)> {
        let mut output = Vec::new();
        if let Some(stdout) = self.child.stdout.take() {
            stdout.take(MOST).read_to_end(&mut output).await?;
        }
        let status = self.child.wait().await?;
        Ok((output, status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // None where it has ended by itself; its children may go on then, as with kubectl.
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let kill = if self.has_group { kill_process_group } else { kill_process };
            // It may have ended just now.
            let _ = kill(pid, Signal::KILL);
        }
    }
}

fn given(status: Status) -> Option<Given> {
    let token = status.token.filter(|token| !token.is_empty());
    let authorization = match token {
        Some(token) => {
            let mut header = HeaderValue::try_from(format!("Bearer {}", token.trim())).ok()?;
            header.set_sensitive(true);
            Some(header)
        }
        None => None,
    };
    let certificate = status.client_certificate_data.zip(status.client_key_data);
    let expires = status.expiration_timestamp.map(|time| humantime::parse_rfc3339_weak(&time).ok());
    let expires =
        expires.flatten().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|time| time.as_secs_f64());
    (authorization.is_some() || certificate.is_some()).then_some(Given { authorization, expires, certificate })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(3);
    const LONG: Duration = Duration::from_mins(1);

    fn plugin(script: &str) -> ExecConfig {
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "interactiveMode": "Never",
                          "args": ["-c", script, "hidden-argument"], "env": [{"name": "TOLD", "value": "hidden-value"}]});
        serde_json::from_value(exec).unwrap()
    }

    async fn failure(script: &str, patience: Duration) -> String {
        run(&plugin(script), patience).await.err().expect("it fails").to_string()
    }

    #[tokio::test]
    async fn of_a_plugin_that_fails_its_name_and_its_end_are_told() {
        let told = failure("echo '{\"status\": {\"token\": \"half-a-tok'; echo $TOLD >&2; exit 7", LONG).await;
        assert_eq!(told, "the credential plugin sh ended with exit status: 7");
        let told = failure("kill -9 $$", LONG).await;
        assert_eq!(told, "the credential plugin sh ended with signal: 9 (SIGKILL)");
        let told = failure("echo '{\"status\": {\"token\": \"half-a-tok'", LONG).await;
        assert_eq!(told, "the credential plugin sh gave no credential");
        let none = ExecConfig { command: Some("/nowhere/at-all".to_owned()), ..plugin("") };
        let told = run(&none, LONG).await.err().unwrap().to_string();
        assert_eq!(told, "the credential plugin at-all cannot be started: entity not found");
    }

    #[tokio::test]
    async fn a_plugin_that_hangs_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        // The child holds the pipe as well, and outlives whoever started it unless it is ended too.
        let script = format!("sleep 600 & echo $! > {}; wait", pids.display());
        assert_eq!(failure(&script, SHORT).await, "the credential plugin sh gave no answer within 3 s");
        let child: i32 = std::fs::read_to_string(&pids).unwrap().trim().parse().unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let gone = |state: &str| state.is_empty() || state.contains(") Z ");
        let deadline = std::time::Instant::now() + LONG;
        while !gone(&state()) {
            assert!(std::time::Instant::now() < deadline, "it still runs: {}", state());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_plugin_without_end_is_read_no_further_than_it_may_be_long() {
        let told = failure("yes hidden-word", LONG).await;
        assert!(told.starts_with("the credential plugin sh ended with ") && !told.contains("hidden"), "{told}");
    }

    #[tokio::test]
    async fn a_token_or_a_certificate_is_taken() {
        let token = "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"'$TOLD'\"}}'";
        let given = run(&plugin(token), LONG).await.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(given.authorization.unwrap(), "Bearer hidden-value");
        // A plugin may write YAML.
        let certificate = "printf 'status:\\n  clientCertificateData: c\\n  clientKeyData: k\\n'";
        let given = run(&plugin(certificate), LONG).await.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(given.certificate, Some(("c".to_owned(), "k".to_owned())));
    }

    #[tokio::test]
    async fn a_token_that_expires_is_asked_for_anew() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!(
            "echo >> {0}; echo '{{\"status\": {{\"token\": \"'$(wc -l < {0})'\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\"}}}}'",
            count.display()
        );
        let (plugin, _) = Plugin::start(plugin(&script), LONG).await.unwrap();
        assert_eq!(plugin.authorization().await.unwrap().unwrap(), "Bearer 2");
    }
}
