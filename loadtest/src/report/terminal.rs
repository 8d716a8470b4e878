//! The summary of a run, in a terminal.

use crate::output::Clean;
use crate::output::text::{bytes, clock, count, fit, plural, seconds, wrap};
use crate::report::addresses;
use crate::report::figures::{Quantiles, Report, Totals};
use crate::report::verdict::enough_answers;

/// The maximum number of lines.
const LINES: usize = 30;

/// The width of a figure's name.
const INDENT: usize = 11;

/// The summary of a run, in lines of at most this width.
pub fn summary(report: &Report, width: usize) -> Clean {
    let verdict = &report.verdict;
    let outcome = format!("{}  {}", verdict.outcome.label().to_uppercase(), verdict.sentence);
    let mut lines = wrap(&outcome, width, verdict.outcome.label().len() + 2);
    lines.push(String::new());
    let name = verdict.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for check in &verdict.checks {
        let (mark, _) = check.result();
        let expected = check.expected.as_ref().map(|expected| format!(" (expected {expected})")).unwrap_or_default();
        lines.push(format!("  {mark} {:name$}  {}{expected}", check.name, check.observed));
    }
    lines.push(String::new());
    let figures = [
        requests(report),
        report
            .clients()
            .map(|clients| format!("Clients    closed loop of {clients}; latency is the service time only")),
        report.latency.map(|latency| quantiles("Latency", &latency)),
        report.handshakes.map(|handshakes| quantiles("TLS", &handshakes)),
        report.lateness.map(|lateness| quantiles("Send delay", &lateness)),
        bytes_of(report),
        addresses::line(report),
        scaling(report),
        from_zero(report),
    ];
    lines.extend(figures.iter().flatten().flat_map(|figure| wrap(figure, width, INDENT)));
    let warnings = warnings(report, width, LINES.saturating_sub(lines.len()).max(6));
    let room = LINES.saturating_sub(lines.len() + warnings.len());
    lines.extend(lag(report, width, room));
    // Warnings matter more than figures: if there is no room for both, figures are left out.
    lines.truncate(LINES - warnings.len());
    lines.extend(warnings);
    let lines: String = lines.iter().map(|line| fit(line, width) + "\n").collect();
    Clean::of(&lines)
}

fn requests(report: &Report) -> Option<String> {
    let totals = &report.totals;
    (totals.due > 0).then(|| {
        let causes = totals.failures.iter().map(|(cause, number)| format!("{cause}: {}", count(*number)));
        let causes: Vec<String> = causes.collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
        let sent = count(totals.sent);
        let sent = match report.clients() {
            // Nothing else decides when a request is due.
            Some(_) => format!("{sent} sent"),
            None => format!("{} offered, {sent} sent", count(totals.due)),
        };
        format!(
            "Requests   {sent}, {} answered, {} succeeded, {} failed{causes}, {} dropped",
            count(totals.answered),
            count(totals.succeeded),
            count(totals.failed),
            count(totals.dropped)
        )
    })
}

fn bytes_of(report: &Report) -> Option<String> {
    let Totals { bytes_out, bytes_in, connections, .. } = &report.totals;
    (*bytes_out > 0).then(|| {
        let on = plural(*connections, "connection");
        format!("Bytes      {} sent, {} received, {on} opened", bytes(*bytes_out), bytes(*bytes_in))
    })
}

fn quantiles(name: &str, of: &Quantiles) -> String {
    let p999 = (of.count >= enough_answers(0.999)).then(|| format!("p99.9 {}, ", seconds(of.p999)));
    format!(
        "{name:<10} p50 {}, p90 {}, p99 {}, {}max {}",
        seconds(of.p50),
        seconds(of.p90),
        seconds(of.p99),
        p999.unwrap_or_default(),
        seconds(of.max)
    )
}

fn scaling(report: &Report) -> Option<String> {
    let replicas = report.replicas.as_ref()?;
    let climbed = replicas.reached.iter().filter(|reached| reached.replicas > replicas.initial);
    let climbed = climbed.map(|reached| {
        let at = |at: Option<f64>| at.map_or("never".to_owned(), clock);
        format!("{} desired {} ready {}", reached.replicas, at(reached.desired), at(reached.ready))
    });
    let mut parts: Vec<String> = std::iter::once(format!("{} initially", replicas.initial)).chain(climbed).collect();
    if let Some(scale_in) = replicas.scale_in {
        parts.push(format!("scale-in from {}", clock(scale_in.from)));
        parts.push(scale_in.until.map_or_else(
            || format!("never back to {}", replicas.min),
            |until| format!("back to {} at {}", replicas.min, clock(until)),
        ));
    }
    Some(format!("Replicas   {}", parts.join(", ")))
}

fn from_zero(report: &Report) -> Option<String> {
    let from_zero = report.from_zero?;
    let answered = from_zero.waited.map_or_else(
        || "no request succeeded".to_owned(),
        |waited| format!("the first success came {} after the first request", seconds(waited)),
    );
    Some(format!("From zero  {answered}; {} failed or dropped until then", plural(from_zero.lost, "request")))
}

/// The reaction time: a line for each link if there is room, else all in one.
fn lag(report: &Report, width: usize, room: usize) -> Vec<String> {
    let Some(lag) = &report.lag else {
        return Vec::new();
    };
    let links = || lag.links.iter().filter_map(|link| Some((link.name.label(), link.after?, link.took?)));
    let exceeded = match lag.replicas {
        0 => "the first request found no pod".to_owned(),
        replicas => format!("the load exceeded {}", plural(u64::from(replicas), "replica")),
    };
    let head = format!("Reaction   from {}, when {exceeded}", clock(lag.step));
    if room > links().count() {
        let rows = links()
            .map(|(name, after, took)| format!("{:INDENT$}{:>9}  +{:<9} {name}", "", seconds(after), seconds(took)));
        return std::iter::once(head).chain(rows).collect();
    }
    let links: Vec<String> = links().map(|(name, after, _)| format!("{} {name}", seconds(after))).collect();
    wrap(&format!("{head}: {}", links.join(", ")), width, INDENT)
}

/// An empty line, and as many warnings as fit into this many lines.
fn warnings(report: &Report, width: usize, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (index, warning) in report.warnings.iter().enumerate() {
        let text = wrap(&format!("! {}", warning.message), width, 2);
        // The last line is reserved for the number of the others.
        if lines.len() + text.len() >= room {
            let left = report.warnings.len() - index;
            lines.push(format!("! and {} more, in the report", plural(left as u64, "warning")));
            break;
        }
        lines.extend(text);
    }
    if report.warnings.is_empty() { Vec::new() } else { lines }
}
