//! Runs `loadtest doctor --json` as a user does.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Finding, Outcome, State};

use crate::cluster::kubectl::Kubectl;

/// The longest that the doctor may take: two readings of the pods' pages, and timeouts of what is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// The doctor's answer.
pub struct Answer {
    /// When the doctor ended.
    pub at: Instant,
    /// What the doctor printed, or its error.
    pub diagnosis: Result<Diagnosis, String>,
}

/// Runs the doctor for an HPA, and keeps its evidence in a bundle.
pub async fn ask(kubectl: &Kubectl, hpa: &str, bundle: Option<&Path>) -> Answer {
    let mut command = kubectl.program(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["doctor", hpa, "--json"]);
    if let Some(bundle) = bundle {
        // The doctor does not overwrite a file.
        let _ = std::fs::remove_file(bundle);
        command.arg("--bundle").arg(bundle);
    }
    let diagnosis = match tokio::time::timeout(PATIENCE, command.stdin(Stdio::null()).output()).await {
        Err(_) => Err(format!("no answer in {PATIENCE:?}")),
        Ok(output) => {
            let output = output.expect("the doctor can be run");
            read(&output.stdout).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned()).inspect(
                |diagnosis| {
                    let code = Some(diagnosis.outcome.exit_code().into());
                    assert_eq!(output.status.code(), code, "the exit code of {:?}", diagnosis.outcome);
                },
            )
        }
    };
    Answer { at: Instant::now(), diagnosis }
}

fn read(printed: &[u8]) -> Option<Diagnosis> {
    serde_json::from_slice(printed).ok()
}

impl Answer {
    /// The finding of the broken link, or with `explains`, of why nothing scales.
    pub fn finding(&self, explains: bool) -> Option<&Finding> {
        let diagnosis = self.diagnosis.as_ref().ok()?;
        // A broken link comes first, even if none is expected.
        diagnosis.broken.as_ref().or_else(|| diagnosis.explains.as_ref().filter(|_| explains))
    }

    /// Whether a link is broken.
    pub fn is_broken(&self) -> bool {
        self.diagnosis.as_ref().is_ok_and(|diagnosis| diagnosis.broken.is_some())
    }

    /// Whether the outcome is healthy. Some links may still be pending.
    pub fn is_healthy(&self) -> bool {
        self.diagnosis.as_ref().is_ok_and(|diagnosis| diagnosis.outcome == Outcome::Healthy)
    }

    /// Whether each link is ok or not applicable, and this cause does not explain why nothing scales.
    pub fn is_all_ok(&self, but: Option<Cause>) -> bool {
        self.diagnosis.as_ref().is_ok_and(|diagnosis| {
            let explains = diagnosis.explains.as_ref().map(|finding| finding.cause);
            let holds = diagnosis.links.iter().all(|result| matches!(result.state, State::Ok | State::NotApplicable));
            diagnosis.outcome == Outcome::Healthy && holds && (explains.is_none() || explains != but)
        })
    }

    /// The answer in one line.
    pub fn line(&self) -> String {
        let diagnosis = match &self.diagnosis {
            Ok(diagnosis) => diagnosis,
            Err(error) => return format!("no diagnosis: {error}"),
        };
        let named = |finding: &Finding| format!("{}: {}", title(finding.cause), finding.evidence);
        match (&diagnosis.broken, &diagnosis.explains, diagnosis.outcome) {
            (Some(finding), ..) => format!("broken, {}", named(finding)),
            (None, Some(finding), _) => format!("healthy, explained by {}", named(finding)),
            (None, None, Outcome::Healthy) => "healthy".to_owned(),
            (None, None, _) => {
                let open = diagnosis.links.iter().filter(|result| !result.state.is_settled());
                let open =
                    open.map(|result| format!("{}: {}", result.link.label(), result.evidence)).collect::<Vec<_>>();
                format!("not all links were checked; {}", open.join("; "))
            }
        }
    }
}

/// The number and the name of a cause.
pub fn title(cause: Cause) -> String {
    format!("{} {}", cause.number(), cause.entry().name)
}
