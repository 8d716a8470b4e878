//! The verdict: a check for each expectation, and observations without one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lag;
use crate::journal::{Expectations, Start};
use crate::output::text::{count, plural, seconds};
use crate::report::figures::{Replicas, Report};
use crate::report::warnings::gaps;

/// The verdict on a run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The outcome of all checks.
    pub outcome: Outcome,
    /// The verdict in a sentence.
    pub sentence: String,
    /// The checks.
    pub checks: Vec<Check>,
}

/// The outcome of a run: passed is exit code 0, failed 1, undecided 3.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Every expectation was met.
    Passed,
    /// An expectation was not met.
    Failed,
    /// An expectation could not be decided, and none is known not to be met.
    #[default]
    Undecided,
}

/// One check.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// What was expected; null if nothing was, and this is only an observation.
    pub expected: Option<String>,
    /// What was observed.
    pub observed: String,
    /// Whether it is as expected; null if that cannot be decided, or nothing was expected.
    pub held: Option<bool>,
}

impl Outcome {
    /// The process' exit code; 2 is for bad usage.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Undecided => 3,
        }
    }

    /// The outcome in one word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Undecided => "Undecided",
        }
    }
}

impl Check {
    fn new(name: &str, expected: Option<String>, observed: String, held: Option<bool>) -> Self {
        let held = held.filter(|_| expected.is_some());
        Self { name: name.to_owned(), expected, observed, held }
    }

    /// Its outcome as a mark and as a word.
    pub const fn result(&self) -> (char, &'static str) {
        match (&self.expected, self.held) {
            (None, _) => ('·', "observed"),
            (_, Some(true)) => ('✓', "passed"),
            (_, Some(false)) => ('✗', "failed"),
            (_, None) => ('?', "undecided"),
        }
    }
}

/// Judges a report by its figures, and by its latency at any quantile.
pub(crate) fn judge(report: &Report, latency: impl Fn(f64) -> Option<f64>) -> Verdict {
    let mut checks = vec![answered(report)];
    let none = Expectations::default();
    let expectations = report.start.as_ref().map_or(&none, |start| &start.expectations);
    match (&report.replicas, &report.start) {
        (Some(replicas), Some(start)) => {
            checks.extend([
                reached(report, start, replicas),
                scaled_within(report, start, replicas),
                scaled_in(report, start, replicas),
                failed_in_scale_in(expectations, replicas),
            ]);
        }
        _ => checks.extend(unwatched(expectations)),
    }
    checks.extend(failed(report, expectations));
    checks.extend(latencies(latency, expectations));

    let mut judged = checks.iter().filter(|check| check.expected.is_some()).map(|check| check.held).peekable();
    let outcome = if judged.peek().is_none() {
        Outcome::Undecided
    } else {
        judged.fold(Outcome::Passed, |outcome, held| match (outcome, held) {
            (Outcome::Failed, _) | (_, Some(false)) => Outcome::Failed,
            (_, None) => Outcome::Undecided,
            (outcome, Some(true)) => outcome,
        })
    };
    Verdict { outcome, sentence: sentence(report, outcome, &checks), checks }
}

/// Whether the run reached its planned end and was watched all the time: only then is something that was not observed
/// known not to have happened.
fn complete(report: &Report) -> bool {
    report.end.as_ref().is_some_and(|end| !end.interrupted) && gaps(report).is_empty()
}

fn answered(report: &Report) -> Check {
    let totals = &report.totals;
    let good = totals.answered - totals.statuses.range(400..).map(|(_, count)| count).sum::<u64>();
    let observed = format!("{} of {} sent", count(good), count(totals.sent));
    Check::new("Requests succeeded", Some("at least one".to_owned()), observed, (totals.sent > 0).then_some(good > 0))
}

/// The replicas that are expected, or else those that the load requires.
fn required(start: &Start) -> Option<u32> {
    start.expectations.replicas.or_else(|| lag::demanded(start))
}

fn reached(report: &Report, start: &Start, replicas: &Replicas) -> Check {
    let expected = start.expectations.replicas;
    let when = replicas.reached.iter().find(|reached| reached.replicas == replicas.ready).and_then(|at| at.ready);
    let when = when.filter(|at| *at > 0.0 && replicas.ready > replicas.initial);
    let when = when.map(|at| format!(", {} after the load’s start", seconds(at))).unwrap_or_default();
    let mut observed = format!("{}{when}", plural(u64::from(replicas.ready), "ready replica"));
    let enough = expected.is_some_and(|expected| replicas.ready >= expected);
    let asked = expected.zip(lag::demanded(start)).is_none_or(|(expected, demanded)| demanded >= expected);
    if !enough && expected.is_some() && !asked {
        observed += "; the load does not require more";
    }
    let held = if enough { Some(true) } else { (complete(report) && asked).then_some(false) };
    let expected = expected.map(|expected| format!("at least {}", plural(u64::from(expected), "ready replica")));
    Check::new("Replicas reached", expected, observed, held)
}

fn scaled_within(report: &Report, start: &Start, replicas: &Replicas) -> Check {
    let bound = start.expectations.scaled_within;
    let goal = required(start);
    let took = report.lag.as_ref().zip(goal).and_then(|(lag, goal)| {
        let reached = replicas.reached.iter().find(|reached| reached.replicas == goal)?;
        reached.ready.map(|at| (at - lag.step).max(0.0))
    });
    let goal = goal.map_or_else(|| "the replicas".to_owned(), |goal| plural(u64::from(goal), "replica"));
    let observed = match (&report.lag, took) {
        (None, _) => "the load did not require more replicas".to_owned(),
        (_, Some(took)) => format!("{goal} ready after {}", seconds(took)),
        (_, None) => format!("{goal} were never ready"),
    };
    let held = match took.zip(bound) {
        Some((took, bound)) => Some(took <= bound),
        // Exceeded time is a failure, even in a run that was cut short.
        None => report.lag.as_ref().zip(bound).and_then(|(lag, bound)| {
            let seen = report.scaling.last().map_or(0.0, |last| last.at);
            (complete(report) || seen > lag.step + bound).then_some(false)
        }),
    };
    Check::new("Scaled out", bound.map(|bound| format!("within {}", seconds(bound))), observed, held)
}

fn scaled_in(report: &Report, start: &Start, replicas: &Replicas) -> Check {
    let expected = start.expectations.scale_in;
    let climbed = replicas.desired.max(replicas.ready) > replicas.min;
    let min = plural(u64::from(replicas.min), "replica");
    let until = replicas.scale_in.and_then(|scale_in| scale_in.until);
    let observed = match (until, replicas.relieved) {
        _ if !climbed => format!("never above {min}"),
        (Some(until), Some(relieved)) if until > relieved => {
            format!("{min} {} after the load fell", seconds(until - relieved))
        }
        (Some(until), _) => format!("{min} {} after the load’s start", seconds(until)),
        (None, _) => {
            let left = report.scaling.last().map_or(0, |seen| seen.ready);
            format!("{} ready at the end", plural(u64::from(left), "replica"))
        }
    };
    let held = if !climbed || (until.is_none() && !complete(report)) { None } else { Some(until.is_some()) };
    Check::new("Scaled in", expected.then(|| format!("to {min}")), observed, held)
}

/// Reported for every scale-in; checked against the failures that the user allows for the whole run, if any.
fn failed_in_scale_in(expectations: &Expectations, replicas: &Replicas) -> Check {
    let name = "Failed during scale-in";
    let Some(scale_in) = replicas.scale_in else {
        return Check::new(name, None, "no scale-in was observed".to_owned(), None);
    };
    let observed = format!("{} of {}", count(scale_in.failed), plural(scale_in.sent, "request"));
    // Without a request in that time there is nothing to judge: a profile may end in silence.
    let allowed = expectations.max_failed.filter(|_| scale_in.sent > 0);
    Check::new(name, allowed.map(at_most), observed, allowed.map(|allowed| scale_in.failed <= allowed))
}

/// The expectations of an autoscaler that was not watched.
fn unwatched(expectations: &Expectations) -> Vec<Check> {
    let replicas = expectations.replicas.map(|replicas| ("Replicas reached", format!("at least {replicas} ready")));
    let within = expectations.scaled_within.map(|bound| ("Scaled out", format!("within {}", seconds(bound))));
    let back = expectations.scale_in.then(|| ("Scaled in", "to the minimum".to_owned()));
    let expected = [replicas, within, back].into_iter().flatten();
    expected.map(|(name, text)| Check::new(name, Some(text), "no autoscaler was watched".to_owned(), None)).collect()
}

fn at_most(allowed: u64) -> String {
    if allowed == 0 { "none".to_owned() } else { format!("at most {}", count(allowed)) }
}

fn failed(report: &Report, expectations: &Expectations) -> Option<Check> {
    let allowed = expectations.max_failed?;
    let totals = &report.totals;
    let observed = format!("{} failed, {} dropped", count(totals.failed), count(totals.dropped));
    let bad = totals.failed + totals.dropped;
    // Too many failures stay too many, however the run ends.
    let held = if bad > allowed { Some(false) } else { (totals.sent > 0).then_some(true) };
    Some(Check::new("Failed or dropped", Some(at_most(allowed)), observed, held))
}

fn latencies(latency: impl Fn(f64) -> Option<f64>, expectations: &Expectations) -> Vec<Check> {
    let bounds = expectations.latency.iter();
    bounds
        .map(|(percentile, bound)| {
            let found = latency(percentile / 100.0);
            let observed = found.map_or_else(|| "no answers".to_owned(), seconds);
            let held = found.map(|found| found <= *bound);
            let expected = Some(format!("at most {}", seconds(*bound)));
            Check::new(&format!("Latency p{percentile}"), expected, observed, held)
        })
        .collect()
}

fn sentence(report: &Report, outcome: Outcome, checks: &[Check]) -> String {
    if report.totals.sent == 0 && outcome == Outcome::Undecided {
        return "No request was sent, so there is nothing to judge.".to_owned();
    }
    let open = |check: &&Check| check.expected.is_some() && check.held.is_none();
    let reasons: Vec<String> = match outcome {
        Outcome::Passed => return format!("{}.", story(report)),
        Outcome::Failed => checks.iter().filter(|check| check.held == Some(false)).map(explained).collect(),
        Outcome::Undecided => checks.iter().filter(open).map(explained).collect(),
    };
    let more = reasons.len().saturating_sub(2);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}.", reasons[..reasons.len().min(2)].join("; "))
}

fn explained(check: &Check) -> String {
    let expected = check.expected.as_deref().unwrap_or_default();
    format!("{}: {}, expected {expected}", check.name, check.observed)
}

/// What happened in a run that passed.
fn story(report: &Report) -> String {
    let totals = &report.totals;
    let mut parts = Vec::new();
    if let Some(replicas) = report.replicas.as_ref().filter(|replicas| replicas.ready > replicas.initial) {
        let ready = replicas.reached.iter().find(|reached| reached.replicas == replicas.ready).and_then(|at| at.ready);
        let took = ready.zip(report.lag.as_ref()).map(|(ready, lag)| format!(" in {}", seconds(ready - lag.step)));
        parts.push(format!("{} → {} replicas{}", replicas.initial, replicas.ready, took.unwrap_or_default()));
        if let Some(until) = replicas.scale_in.and_then(|scale_in| scale_in.until) {
            let took = replicas.relieved.filter(|relieved| until > *relieved).map(|relieved| until - relieved);
            let took = took.map(|took| format!(" in {}", seconds(took))).unwrap_or_default();
            parts.push(format!("back to {}{took}", replicas.min));
        }
    }
    let failed = match totals.failed {
        0 => format!("none of {} failed", plural(totals.sent, "request")),
        failed => format!("{} of {} failed", count(failed), plural(totals.sent, "request")),
    };
    parts.push(failed);
    let story = parts.join(", ");
    let mut rest = story.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + rest.as_str())
}
