//! `loadtest doctor --json`, run as a user runs it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Finding, Outcome, State};

use crate::cluster::kubectl::Kubectl;

/// No answer takes longer: two looks at the pods' pages, and what is slow because it is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// What it said.
pub struct Answer {
    /// When it had been said.
    pub at: Instant,
    /// What it printed; what it complained about, where that is no diagnosis.
    pub diagnosis: Result<Diagnosis, String>,
}

/// Asks about an HPA. Where a bundle is named, what was read is kept in it.
pub async fn ask(kubectl: &Kubectl, hpa: &str, bundle: Option<&Path>) -> Answer {
    let mut command = kubectl.program(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["doctor", hpa, "--json"]);
    if let Some(bundle) = bundle {
        // It writes over nothing.
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
    /// The finding that names a cause: of a broken link, or of why nothing changes.
    pub fn finding(&self, explains: bool) -> Option<&Finding> {
        let diagnosis = self.diagnosis.as_ref().ok()?;
        // A broken link goes first, also where none is expected.
        diagnosis.broken.as_ref().or_else(|| diagnosis.explains.as_ref().filter(|_| explains))
    }

    /// Whether the chain is called healthy. Where something is under way, not all links are judged.
    pub fn is_healthy(&self) -> bool {
        self.diagnosis.as_ref().is_ok_and(|diagnosis| diagnosis.outcome == Outcome::Healthy)
    }

    /// Whether each link is seen to hold, and this cause is not why nothing changes.
    pub fn is_whole(&self, but: Option<Cause>) -> bool {
        self.diagnosis.as_ref().is_ok_and(|diagnosis| {
            let explains = diagnosis.explains.as_ref().map(|finding| finding.cause);
            let holds = diagnosis.links.iter().all(|result| matches!(result.state, State::Ok | State::NotApplicable));
            diagnosis.outcome == Outcome::Healthy && holds && (explains.is_none() || explains != but)
        })
    }

    /// One line of it.
    pub fn line(&self) -> String {
        let diagnosis = match &self.diagnosis {
            Ok(diagnosis) => diagnosis,
            Err(complaint) => return format!("no diagnosis: {complaint}"),
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
                format!("could not look; {}", open.join("; "))
            }
        }
    }
}

/// A cause's number and name.
pub fn title(cause: Cause) -> String {
    format!("{} {}", cause.number(), cause.entry().name)
}
