//! Helm, as a user runs it.

use std::ffi::OsString;
use std::time::Duration;

use crate::cluster::kubectl::Kubectl;
use crate::cluster::transcript::Transcript;

/// The longest that a command may take; `helm test` sends load for minutes.
const PATIENCE: Duration = Duration::from_mins(12);

pub struct Helm {
    kubectl: Kubectl,
    program: OsString,
    transcript: Transcript,
}

impl Helm {
    pub fn new(kubectl: Kubectl, transcript: Transcript) -> Self {
        let program = std::env::var_os("SHOPFRONT_TEST_HELM").unwrap_or_else(|| OsString::from("helm"));
        Self { kubectl, program, transcript }
    }

    /// What it prints, with its error behind; or that as an error.
    pub async fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.kubectl.program(&self.program);
        let running = command.args(arguments).output();
        let output =
            tokio::time::timeout(PATIENCE, running).await.map_err(|_| format!("not done after {PATIENCE:?}"))?;
        let output = output.unwrap_or_else(|error| {
            panic!(
                "{}: {error}; install Helm 3.18 or newer (https://helm.sh/docs/intro/install), or set \
                 SHOPFRONT_TEST_HELM=$(tests/helm)",
                self.program.display()
            )
        });
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(text.into_owned()) } else { Err(text.into_owned()) }
    }

    /// Runs a command that must succeed, and writes it to the transcript.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let output = self.attempt(arguments).await;
        let said = output.as_ref().map_or_else(String::as_str, String::as_str);
        self.transcript.command(&format!("helm {}", arguments.join(" ")), said);
        output.unwrap_or_else(|error| panic!("helm {}: {error}", arguments.join(" ")))
    }

    /// Renders manifests with the answers of the cluster, and without its warnings.
    pub async fn template(&self, arguments: &[&str]) -> String {
        let mut command = self.kubectl.program(&self.program);
        let output = command.arg("template").args(arguments).output().await.expect("Helm runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("Helm prints text")
    }
}
