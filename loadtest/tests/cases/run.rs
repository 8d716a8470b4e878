//! Applies a case, asks the doctor until the answer is right, fixes the case, and asks again.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use loadtest::doctor::diagnosis::{Diagnosis, Outcome};
use tokio::sync::Semaphore;

use crate::case::{Case, Fix};
use crate::cluster::kubectl::Kubectl;

/// The longest that a right answer may take: images are there, but pods start, and Prometheus, the adapter and the HPA
/// have their intervals.
const NAMED_WITHIN: Duration = Duration::from_mins(6);

/// A healthy workload is asked for this long, every [`HEALTHY_EVERY`], and is never called broken.
const HEALTHY_FOR: Duration = Duration::from_mins(6);

const HEALTHY_EVERY: Duration = Duration::from_secs(20);

const EVERY: Duration = Duration::from_secs(10);

/// The longest that one run of the doctor or one command may take.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Runner<'a> {
    pub case: &'a Case,
    pub kubectl: &'a Kubectl,
    pub image: &'a str,
    /// The program whose doctor is asked.
    pub loadtest: &'a Path,
    /// The pods that the cluster has room for.
    pub room: &'a Semaphore,
    pub turns: &'a Semaphore,
}

/// What came of a case.
pub struct Row {
    pub name: String,
    title: String,
    outcome: String,
    named_after: Option<f64>,
    fixed_after: Option<f64>,
    pub fault: Option<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |after: Option<f64>| after.map_or_else(|| "-".to_owned(), |after| format!("{after:.0} s"));
        let (named, fixed) = (seconds(self.named_after), seconds(self.fixed_after));
        let mark = if self.fault.is_some() { "wrong" } else { "right" };
        write!(f, "| {} | {} | {mark} | {} | {named} | {fixed} |", self.name, self.title, self.outcome)?;
        self.fault.as_ref().map_or(Ok(()), |fault| write!(f, " {fault}"))
    }
}

/// What one run of the doctor printed.
struct Answer {
    diagnosis: Option<Diagnosis>,
    text: String,
}

impl Runner<'_> {
    pub async fn run(&self) -> Row {
        let mut row = Row {
            name: self.case.name.clone(),
            title: self.case.title.clone(),
            outcome: String::new(),
            named_after: None,
            fixed_after: None,
            fault: None,
        };
        let _room = self.room.acquire_many(self.case.pods()).await.expect("nobody closes it");
        let tried = self.tried(&mut row).await;
        // Its pods make room for those of another case.
        let delete = format!("delete namespace {} --timeout 3m", self.case.namespace());
        row.fault = tried.and(self.kubectl.attempt(&delete, "").await.map(drop)).err();
        row
    }

    async fn tried(&self, row: &mut Row) -> Result<(), String> {
        {
            let _turn = self.turns.acquire().await.expect("nobody closes it");
            self.kubectl.attempt("apply -f -", &self.case.manifest(self.image)).await?;
        }
        let begun = Instant::now();
        if self.case.stays_healthy() {
            "healthy".clone_into(&mut row.outcome);
            return self.stays_healthy(begun).await;
        }
        let answer = self.named(begun).await?;
        row.named_after = Some(begun.elapsed().as_secs_f64());
        row.outcome = self.case.answer.cause.clone().unwrap_or_default();
        let printed = answer.diagnosis.and_then(|diagnosis| diagnosis.broken.or(diagnosis.explains));
        let commands = match (&self.case.fix, printed) {
            (Fix::None, _) => return Ok(()),
            (Fix::Commands(commands), _) => commands.clone(),
            (Fix::Printed, Some(finding)) => finding.fix.commands,
            (Fix::Printed, None) => Vec::new(),
        };
        if commands.is_empty() {
            return Err(format!("no command was printed: {}", answer.text));
        }
        self.bash(&commands.join("\n")).await?;
        let begun = Instant::now();
        self.is_fixed(begun).await?;
        row.fixed_after = Some(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Asks until the answer is the expected one.
    async fn named(&self, begun: Instant) -> Result<Answer, String> {
        let expected = self.case.answer.known_cause();
        let mut turns = tokio::time::interval(EVERY);
        loop {
            turns.tick().await;
            let answer = self.ask().await?;
            let finding = answer.diagnosis.as_ref().and_then(|diagnosis| match self.case.answer.outcome.as_str() {
                "broken" => diagnosis.broken.as_ref(),
                _ => diagnosis.explains.as_ref(),
            });
            if finding.is_some_and(|finding| Some(finding.cause) == expected) {
                let missing: Vec<_> =
                    self.case.answer.words.iter().filter(|word| !answer.text.contains(word.as_str())).collect();
                return if missing.is_empty() {
                    Ok(answer)
                } else {
                    Err(format!("without {missing:?}: {}", answer.text))
                };
            }
            if begun.elapsed() > NAMED_WITHIN {
                return Err(format!("after {NAMED_WITHIN:?} still {}", answer.text));
            }
        }
    }

    /// Asks for some minutes, from the first second on.
    async fn stays_healthy(&self, begun: Instant) -> Result<(), String> {
        let mut turns = tokio::time::interval(HEALTHY_EVERY);
        loop {
            turns.tick().await;
            let answer = self.ask().await?;
            let outcome = answer.diagnosis.as_ref().map(|diagnosis| diagnosis.outcome);
            if outcome == Some(Outcome::Broken) {
                return Err(format!("after {:.0} s: {}", begun.elapsed().as_secs_f64(), answer.text));
            }
            if begun.elapsed() > HEALTHY_FOR {
                let missing: Vec<_> =
                    self.case.answer.words.iter().filter(|word| !answer.text.contains(word.as_str())).collect();
                let right = outcome == Some(Outcome::Healthy) && missing.is_empty();
                return if right { Ok(()) } else { Err(format!("without {missing:?}: {}", answer.text)) };
            }
        }
    }

    /// Asks until the chain is not broken, and what explained it is gone.
    async fn is_fixed(&self, begun: Instant) -> Result<(), String> {
        let expected = self.case.answer.known_cause();
        let mut turns = tokio::time::interval(EVERY);
        loop {
            turns.tick().await;
            let answer = self.ask().await?;
            let fixed = answer.diagnosis.as_ref().is_some_and(|diagnosis| {
                let explains = diagnosis.explains.as_ref().map(|finding| finding.cause);
                diagnosis.outcome == Outcome::Healthy && (explains.is_none() || explains != expected)
            });
            if fixed {
                return Ok(());
            }
            if begun.elapsed() > NAMED_WITHIN {
                return Err(format!("not fixed after {NAMED_WITHIN:?}: {}", answer.text));
            }
        }
    }

    /// One run of the doctor. An answer that has a word that must not be there is an error.
    async fn ask(&self) -> Result<Answer, String> {
        let _turn = self.turns.acquire().await.expect("nobody closes it");
        let mut command = self.kubectl.program(self.loadtest);
        let hpa = format!("{}/{}", self.case.namespace(), self.case.hpa());
        command.args(["doctor", &hpa, "--json"]).stdin(Stdio::null());
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.map_err(|_| format!("no answer in {PATIENCE:?}"))?.expect("the doctor can be run");
        let diagnosis: Option<Diagnosis> = serde_json::from_slice(&output.stdout).ok();
        let finding =
            diagnosis.as_ref().and_then(|diagnosis| diagnosis.broken.as_ref().or(diagnosis.explains.as_ref()));
        let links = || String::from_utf8_lossy(&output.stdout).into_owned();
        let text = match finding {
            Some(finding) => serde_json::to_string(finding).expect("a finding has a form in JSON") + &links(),
            None if diagnosis.is_some() => links(),
            None => String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        match self.case.answer.never.iter().find(|word| text.contains(word.as_str())) {
            Some(word) => Err(format!("has {word:?}: {text}")),
            None => Ok(Answer { diagnosis, text }),
        }
    }

    async fn bash(&self, script: &str) -> Result<(), String> {
        let mut command = self.kubectl.program("bash");
        let namespace = self.case.namespace();
        command.args(["-euo", "pipefail", "-c", script]).env("NAMESPACE", namespace).stdin(Stdio::null());
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.map_err(|_| format!("not done in {PATIENCE:?}: {script}"))?.expect("bash can be run");
        let error = || format!("{script}: {}", String::from_utf8_lossy(&output.stderr).trim());
        output.status.success().then_some(()).ok_or_else(error)
    }
}
