//! The end of a run, in a terminal.

use super::figures::{Quantiles, Report};
use super::text::{clock, count, fit, plural, seconds};

/// The most lines that it takes.
const LINES: usize = 30;

/// The most lines of doubts.
const WARNINGS: usize = 6;

/// What there is to say of a run, in lines that are no wider than this, each ended.
pub fn summary(report: &Report, width: usize) -> String {
    let verdict = &report.verdict;
    let mut lines = vec![format!("{}  {}", verdict.outcome.label().to_uppercase(), verdict.sentence), String::new()];
    let name = verdict.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for check in &verdict.checks {
        let mark = match (&check.expected, check.held) {
            (None, _) => '·',
            (_, Some(true)) => '✓',
            (_, Some(false)) => '✗',
            (_, None) => '?',
        };
        let expected = check.expected.as_ref().map(|expected| format!(" (expected {expected})")).unwrap_or_default();
        lines.push(format!("  {mark} {:name$}  {}{expected}", check.name, check.observed));
    }
    lines.push(String::new());
    lines.extend(requests(report));
    lines.extend(report.latency.map(|latency| quantiles("Latency", &latency)));
    lines.extend(report.lateness.map(|lateness| quantiles("Own delay", &lateness)));
    lines.extend(scaling(report));
    lines.extend(lag(report));
    // What is doubted counts for more than the last figures: it is the figures that give way.
    let doubts = warnings(report);
    lines.truncate(LINES - doubts.len());
    lines.extend(doubts);
    lines.iter().map(|line| fit(line, width) + "\n").collect()
}

fn requests(report: &Report) -> Option<String> {
    let totals = &report.totals;
    (totals.due > 0).then(|| {
        let causes = totals.failures.iter().map(|(cause, number)| format!("{cause}: {}", count(*number)));
        let causes: Vec<String> = causes.collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
        format!(
            "Requests   {} due, {} sent, {} answered, {} failed{causes}, {} dropped",
            count(totals.due),
            count(totals.sent),
            count(totals.answered),
            count(totals.failed),
            count(totals.dropped)
        )
    })
}

fn quantiles(name: &str, of: &Quantiles) -> String {
    format!(
        "{name:<10} p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
        seconds(of.p50),
        seconds(of.p90),
        seconds(of.p99),
        seconds(of.p999),
        seconds(of.max)
    )
}

fn scaling(report: &Report) -> Option<String> {
    let replicas = report.replicas.as_ref()?;
    let climbed = replicas.reached.iter().filter(|reached| reached.replicas > replicas.initial);
    let climbed = climbed.map(|reached| {
        let at = |at: Option<f64>| at.map_or("never".to_owned(), clock);
        format!("{} wanted {} ready {}", reached.replicas, at(reached.wanted), at(reached.ready))
    });
    let mut parts: Vec<String> = std::iter::once(format!("{} at first", replicas.initial)).chain(climbed).collect();
    if let Some(scale_in) = replicas.scale_in {
        parts.push(format!("down from {}", clock(scale_in.from)));
        parts.push(scale_in.until.map_or_else(
            || format!("never back to {}", replicas.least),
            |until| format!("back to {} at {}", replicas.least, clock(until)),
        ));
    }
    Some(format!("Replicas   {}", parts.join(", ")))
}

fn lag(report: &Report) -> Vec<String> {
    let Some(lag) = &report.lag else {
        return Vec::new();
    };
    let head = format!(
        "Lag        from {}, when the load asked for more than {}",
        clock(lag.step),
        plural(u64::from(lag.replicas), "replica")
    );
    let links = lag.links.iter().filter_map(|link| Some((link.name, link.after?, link.took?)));
    let links = links
        .map(|(name, after, took)| format!("           {:>9}  +{:<9} {}", seconds(after), seconds(took), name.label()));
    std::iter::once(head).chain(links).collect()
}

fn warnings(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> =
        report.warnings.iter().take(WARNINGS).map(|warning| format!("! {}", warning.message)).collect();
    let more = report.warnings.len() - lines.len();
    if more > 0 {
        lines.push(format!("! and {} more, in the report", plural(more as u64, "doubt")));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}
