//! The lab's results, a row for each case.

use loadtest::doctor::catalogue::{CATALOGUE, Cause};

use crate::asking::title;
use crate::cluster::transcript::Transcript;

/// The result of a case, or of a pair.
pub struct Row {
    pub causes: Vec<Cause>,
    pub what: String,
    /// Seconds until the doctor named it, or what happened instead.
    pub named: Result<f64, String>,
    /// How it was fixed.
    pub fix: String,
    /// Seconds until the chain was healthy again, or what happened instead.
    pub healthy: Result<f64, String>,
}

/// Answers about a healthy chain.
pub struct Phase {
    pub what: &'static str,
    pub answers: usize,
    /// The answers that called it broken.
    pub wrong: Vec<String>,
}

#[derive(Default)]
pub struct Table {
    pub rows: Vec<Row>,
    pub phases: Vec<Phase>,
}

impl Table {
    pub fn print(&self, transcript: &Transcript) {
        transcript.step("the table");
        transcript.say("named and healthy: seconds after the last command that broke or fixed the chain");
        transcript.say("\n| cause | made by | named | fix | healthy |\n|---|---|---|---|---|");
        for Row { causes, what, named, fix, healthy } in &self.rows {
            let causes = causes.iter().map(|cause| title(*cause)).collect::<Vec<_>>().join(", before ");
            let (named, healthy) = (cell(named), cell(healthy));
            transcript.say(format_args!("| {causes} | {what} | {named} | {fix} | {healthy} |"));
        }
        transcript.say("\n| a healthy chain | answers | called broken |\n|---|---|---|");
        for Phase { what, answers, wrong } in &self.phases {
            transcript.say(format_args!("| {what} | {answers} | {} |", wrong.len()));
        }
        let missing = |cause: Cause| !self.rows.iter().any(|row| row.causes.contains(&cause));
        let missing: Vec<_> = CATALOGUE.iter().map(|entry| entry.cause).filter(|cause| missing(*cause)).collect();
        let missing = missing.into_iter().map(title).collect::<Vec<_>>().join(", ");
        transcript.say(format_args!(
            "\nnot made in this run, and judged from built evidence in loadtest/tests/judges: {missing}"
        ));
    }

    /// Everything that went wrong.
    pub fn faults(&self) -> Vec<String> {
        let of_rows = self.rows.iter().flat_map(|Row { causes, what, named, healthy, .. }| {
            let causes = causes.iter().map(|cause| title(*cause)).collect::<Vec<_>>().join(", ");
            let faults = [named, healthy].into_iter().filter_map(|outcome| outcome.as_ref().err());
            faults.map(move |fault| format!("{causes}, {what}: {fault}")).collect::<Vec<_>>()
        });
        let of_phases = self.phases.iter().flat_map(|Phase { what, wrong, .. }| {
            wrong.iter().map(move |answer| format!("{what}: {answer}")).collect::<Vec<_>>()
        });
        of_rows.chain(of_phases).collect()
    }
}

fn cell(outcome: &Result<f64, String>) -> String {
    match outcome {
        Ok(seconds) => format!("{seconds:.1} s"),
        Err(fault) => format!("**no**: {}", fault.replace('\n', " ")),
    }
}
