//! The verdict: a check for each expectation, and observations without one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{lag, thresholds};
use crate::journal::{Expectations, MaxFailed, ObservedEvent, Second, Start};
use crate::output::text::{clock, count, plural, seconds};
use crate::report::figures::{Replicas, Report};
use crate::report::warnings::gaps;
use crate::stats::Total;

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

/// The outcome of a run: passed and not judged are exit code 0, failed 1, undecided 3.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Every expectation was met.
    Passed,
    /// An expectation was not met.
    Failed,
    /// Nothing was expected.
    NotJudged,
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
            Self::Passed | Self::NotJudged => 0,
            Self::Failed => 1,
            Self::Undecided => 3,
        }
    }

    /// The outcome in one word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::NotJudged => "Not judged",
            Self::Undecided => "Undecided",
        }
    }
}

impl Check {
    pub(crate) fn new(name: &str, expected: Option<String>, observed: String, held: Option<bool>) -> Self {
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

/// The part of the offered requests that must be sent, or else the load was not the one that is judged.
const SENT: f64 = 0.99;

/// How many answers must lie beyond a percentile for it to be more than the slowest answer.
pub(crate) const BEYOND: f64 = 5.0;

/// Judges a report by its figures, by all that was measured, and by each second of that.
pub(crate) fn judge(report: &Report, total: &Total, measured: &[Second]) -> Verdict {
    let none = Expectations::default();
    let expectations = report.start.as_ref().map_or(&none, |start| &start.expectations);
    let mut checks = vec![sent(report, expectations), succeeded(report)];
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
    checks.extend(latencies(report, |quantile| total.latency.seconds(quantile), expectations));
    checks.extend(thresholds::checks(report, total, measured, cut_short(report).is_some()));

    let cut_short = cut_short(report);
    let mut judged = checks.iter().filter(|check| check.expected.is_some()).map(|check| check.held).peekable();
    let outcome = if report.start.is_some() && judged.peek().is_none() {
        Outcome::NotJudged
    } else {
        let best = if cut_short.is_some() { Outcome::Undecided } else { Outcome::Passed };
        judged.fold(best, |outcome, held| match (outcome, held) {
            (Outcome::Failed, _) | (_, Some(false)) => Outcome::Failed,
            (_, None) => Outcome::Undecided,
            (outcome, Some(true)) => outcome,
        })
    };
    Verdict { outcome, sentence: sentence(report, outcome, &checks, cut_short), checks }
}

/// Why the run did not reach its planned end, if it did not: what holds until then might not hold at the end.
fn cut_short(report: &Report) -> Option<String> {
    let Some(start) = &report.start else {
        return Some("the journal has no start entry, so there is nothing to judge".to_owned());
    };
    let ended = report.events.iter().find_map(|event| match &event.what {
        ObservedEvent::LoadFailed { why } | ObservedEvent::RehearsalFailed { why } => Some(why),
        _ => None,
    });
    if let Some(why) = ended {
        return Some(format!("the load ended early: {why}"));
    }
    let planned: f64 = start.profile.iter().map(|stage| stage.seconds).sum();
    match &report.end {
        Some(end) if end.interrupted => {
            Some(format!("the run was interrupted at {} of {}", clock(end.at), clock(planned)))
        }
        Some(_) => None,
        None => {
            let last = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
            Some(format!("the journal stops at {} of {}, so the tool was killed", clock(last), clock(planned)))
        }
    }
}

/// Whether the run reached its planned end and was watched all the time: only then is something that was not observed
/// known not to have happened.
fn complete(report: &Report) -> bool {
    cut_short(report).is_none() && gaps(report).is_empty()
}

fn sent(report: &Report, expectations: &Expectations) -> Check {
    let totals = &report.totals;
    // A closed loop offers what it sends.
    let is_judged = expectations.defaults && report.clients().is_none();
    let expected = is_judged.then(|| format!("at least {:.0} % of those offered", 100.0 * SENT));
    let observed = match report.clients() {
        Some(clients) => format!("{} by {clients}", count(totals.sent)),
        None => format!("{} of {} offered, {} dropped", count(totals.sent), count(totals.due), count(totals.dropped)),
    };
    let enough = totals.due > 0 && totals.dropped as f64 <= (1.0 - SENT) * totals.due as f64;
    // A load that could not be offered says nothing of the service.
    Check::new("Requests sent", expected, observed, enough.then_some(true))
}

fn succeeded(report: &Report) -> Check {
    let totals = &report.totals;
    Check::new("Requests succeeded", None, format!("{} of {} sent", count(totals.succeeded), count(totals.sent)), None)
}

/// The replicas that are expected, or else those that the load requires.
fn required(start: &Start) -> Option<u32> {
    start.expectations.replicas.or_else(|| lag::demanded(start))
}

fn reached(report: &Report, start: &Start, replicas: &Replicas) -> Check {
    let expected = start.expectations.replicas;
    let when = replicas.reached.iter().find(|reached| reached.replicas == replicas.ready).and_then(|at| at.ready);
    let when = when.zip(report.lag.as_ref()).filter(|_| replicas.ready > replicas.initial);
    let when = when.map(|(at, lag)| format!(", {} after the load step", seconds((at - lag.step).max(0.0))));
    let when = when.unwrap_or_default();
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
        (None, _) if start.clients.is_some() => "not known: a closed loop has no load step".to_owned(),
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
        (Some(until), _) => format!("{min} at {}", clock(until)),
        (None, _) => {
            let left = report.scaling.last().map_or(0, |seen| seen.ready);
            format!("{} ready at the end", plural(u64::from(left), "replica"))
        }
    };
    let held = if !climbed || (until.is_none() && !complete(report)) { None } else { Some(until.is_some()) };
    Check::new("Scaled in", expected.then(|| format!("to {min}")), observed, held)
}

/// Reported for every scale-in; checked against the failures that are allowed in the whole run, if any limit is set.
fn failed_in_scale_in(expectations: &Expectations, replicas: &Replicas) -> Check {
    let name = "Failed during scale-in";
    let Some(scale_in) = replicas.scale_in else {
        return Check::new(name, None, "no scale-in was observed".to_owned(), None);
    };
    if scale_in.sent == 0 {
        return Check::new(name, None, "not tried: no request was sent then".to_owned(), None);
    }
    let observed = format!("{} of {}", count(scale_in.failed), plural(scale_in.sent, "request"));
    let limit = limit(expectations);
    let held = limit.map(|limit| scale_in.failed as f64 <= limit.of(scale_in.sent));
    Check::new(name, limit.map(at_most), observed, held)
}

/// How many requests may fail, if that is judged.
fn limit(expectations: &Expectations) -> Option<MaxFailed> {
    expectations.max_failed.or(expectations.defaults.then_some(MaxFailed::Count(0)))
}

/// The expectations of an autoscaler that was not watched.
fn unwatched(expectations: &Expectations) -> Vec<Check> {
    let replicas = expectations.replicas.map(|replicas| ("Replicas reached", format!("at least {replicas} ready")));
    let within = expectations.scaled_within.map(|bound| ("Scaled out", format!("within {}", seconds(bound))));
    let back = expectations.scale_in.then(|| ("Scaled in", "to the minimum".to_owned()));
    let expected = [replicas, within, back].into_iter().flatten();
    expected.map(|(name, text)| Check::new(name, Some(text), "no autoscaler was watched".to_owned(), None)).collect()
}

fn at_most(limit: MaxFailed) -> String {
    match limit {
        MaxFailed::Count(0) => "none".to_owned(),
        MaxFailed::Count(allowed) => format!("at most {}", count(allowed)),
        MaxFailed::Share { percent } => format!("at most {percent} %"),
    }
}

fn failed(report: &Report, expectations: &Expectations) -> Option<Check> {
    let limit = limit(expectations)?;
    let totals = &report.totals;
    let share = 100.0 * totals.failed as f64 / totals.sent.max(1) as f64;
    let observed = match totals.failed {
        0 => format!("0 of {} sent", count(totals.sent)),
        failed => format!("{} of {} sent ({share:.2} %)", count(failed), count(totals.sent)),
    };
    let held = if totals.failed as f64 > limit.of(totals.sent) {
        // More than a number stay more, however a run ends; a share may still fall.
        (matches!(limit, MaxFailed::Count(_)) || cut_short(report).is_none()).then_some(false)
    } else {
        (totals.sent > 0).then_some(true)
    };
    Some(Check::new("Requests failed", Some(at_most(limit)), observed, held))
}

fn latencies(
    report: &Report,
    latency: impl Fn(f64) -> Option<f64>,
    expectations: &Expectations,
) -> impl Iterator<Item = Check> {
    let answers = report.latency.map_or(0, |latency| latency.count);
    let is_whole = cut_short(report).is_none();
    expectations.latency.iter().map(move |(percentile, bound)| {
        let quantile = percentile / 100.0;
        let needed = enough_answers(quantile);
        let (observed, held) = match (latency(quantile), latency(0.5)) {
            (Some(found), _) if answers >= needed => (seconds(found), Some(found <= *bound)),
            (Some(found), Some(median)) => {
                // Too few answers for this percentile are enough for half of them.
                let is_beyond = answers >= enough_answers(0.5) && median > *bound;
                let observed = format!("{} of {}, which are too few", seconds(found), plural(answers, "answer"));
                (format!("{observed}: it takes {}", count(needed)), is_beyond.then_some(false))
            }
            _ => ("no answers".to_owned(), None),
        };
        // The answers that are missing could have moved it either way.
        let held = held.filter(|_| is_whole);
        Check::new(&format!("Latency p{percentile}"), Some(format!("at most {}", seconds(*bound))), observed, held)
    })
}

/// How many answers a quantile takes.
pub(crate) fn enough_answers(quantile: f64) -> u64 {
    (BEYOND / (1.0 - quantile)).round() as u64
}

fn sentence(report: &Report, outcome: Outcome, checks: &[Check], cut_short: Option<String>) -> String {
    let open = |check: &&Check| check.expected.is_some() && check.held.is_none();
    let reasons: Vec<String> = match outcome {
        Outcome::Passed => return format!("{}.", story(report)),
        Outcome::NotJudged => return format!("Nothing was expected. {}.", story(report)),
        Outcome::Failed => checks.iter().filter(|check| check.held == Some(false)).map(explained).collect(),
        Outcome::Undecided => {
            cut_short.map_or_else(|| checks.iter().filter(open).map(explained).collect(), |why| vec![why])
        }
    };
    let more = reasons.len().saturating_sub(2);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let sentence = format!("{}{more}", reasons[..reasons.len().min(2)].join("; "));
    let dropped = report.totals.dropped;
    let dropped = if dropped == 0 || sentence.contains("dropped") {
        String::new()
    } else {
        format!("; {} dropped", plural(dropped, "request"))
    };
    format!("{}{dropped}.", capital(&sentence))
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
    if totals.dropped > 0 {
        parts.push(format!("{} dropped", count(totals.dropped)));
    }
    capital(&parts.join(", "))
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + rest.as_str())
}
