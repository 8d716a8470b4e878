//! Two reports side by side: what was different, and what came of it.

use crate::journal::Kind;
use crate::output::text::{clock, count, fit, seconds};
use crate::output::{Clean, visible};
use crate::report::figures::{Quantiles, Report};
use crate::report::settings;

/// A row: its name, and the figure of each report.
type Row = (String, [String; 2]);

/// The widest cell, in characters; a profile may be long.
const CELL: usize = 60;

/// Both reports as a table: verdict and figures, the reaction time, and the settings that differ.
pub fn render(reports: [&Report; 2], names: [&str; 2]) -> Clean {
    let settings: Vec<Row> = settings(reports).into_iter().filter(|(_, [one, other])| one != other).collect();
    let groups = [("", figures(reports)), ("Seconds since the load step", reaction(reports)), ("Settings", settings)];
    let mut lines = vec![(String::new(), names.map(|name| visible(name).into_owned()))];
    for (title, rows) in groups {
        if !rows.is_empty() && !title.is_empty() {
            lines.extend([(String::new(), Default::default()), (title.to_owned(), Default::default())]);
        }
        lines.extend(rows);
    }
    let lines = lines.into_iter().map(|(name, cells)| (name, cells.map(|cell| fit(&cell, CELL))));
    let lines: Vec<Row> = lines.collect();
    let width = |cell: fn(&Row) -> &str| lines.iter().map(|row| cell(row).chars().count()).max().unwrap_or_default();
    let (name, one) = (width(|row| &row.0), width(|row| &row.1[0]));
    let rows = lines.iter().map(|(title, [first, second])| format!("{title:name$}  {first:one$}  {second}"));
    let text: String = rows.map(|row| row.trim_end().to_owned() + "\n").collect();
    Clean::of(&text)
}

/// A row of this figure of both.
fn row(name: &str, reports: [&Report; 2], figure: impl Fn(&Report) -> Option<String>) -> Row {
    (name.to_owned(), reports.map(|report| figure(report).unwrap_or_else(|| "–".to_owned())))
}

fn figures(reports: [&Report; 2]) -> Vec<Row> {
    let latency = |quantile: fn(&Quantiles) -> f64| {
        move |report: &Report| report.latency.as_ref().map(|latency| seconds(quantile(latency)))
    };
    let mut rows = vec![
        row("Verdict", reports, |report| Some(report.verdict.outcome.label().to_owned())),
        row("Requests offered", reports, |report| Some(count(report.totals.due))),
        row("  sent", reports, |report| Some(count(report.totals.sent))),
        row("  answered", reports, |report| Some(count(report.totals.answered))),
        row("  succeeded", reports, |report| Some(count(report.totals.succeeded))),
        row("  failed", reports, |report| Some(count(report.totals.failed))),
        row("  dropped", reports, |report| Some(count(report.totals.dropped))),
        row("Latency from", reports, |report| {
            let is_closed = report.start.as_ref().is_some_and(|start| start.clients.is_some());
            Some(if is_closed { "sent (closed loop)" } else { "due" }.to_owned())
        }),
        row("  p50", reports, latency(|latency| latency.p50)),
        row("  p90", reports, latency(|latency| latency.p90)),
        row("  p99", reports, latency(|latency| latency.p99)),
        row("  max", reports, latency(|latency| latency.max)),
        row("Replicas", reports, |report| {
            report.replicas.as_ref().map(|replicas| format!("{} → {}", replicas.initial, replicas.ready))
        }),
    ];
    let most = reports.iter().filter_map(|report| report.replicas.as_ref()).map(|replicas| replicas.ready).max();
    for replicas in 2..=most.unwrap_or_default().min(20) {
        rows.push(row(&format!("  {replicas} ready at"), reports, |report| {
            let reached = report.replicas.as_ref()?.reached.iter().find(|reached| reached.replicas == replicas)?;
            reached.ready.map(clock)
        }));
    }
    rows.push(row("  back to the minimum at", reports, |report| report.replicas.as_ref()?.scale_in?.until.map(clock)));
    rows
}

fn reaction(reports: [&Report; 2]) -> Vec<Row> {
    let Some(lag) = reports.iter().find_map(|report| report.lag.as_ref()) else { return Vec::new() };
    let links = lag.links.iter().map(|link| {
        row(link.name.label(), reports, |report| {
            let links = &report.lag.as_ref()?.links;
            links.iter().find(|other| other.name == link.name)?.after.map(seconds)
        })
    });
    links.collect()
}

fn settings(reports: [&Report; 2]) -> Vec<Row> {
    let all = reports.map(|report| report.start.as_ref().map(settings::all).unwrap_or_default());
    let is_rehearsal = |report: &Report| report.start.as_ref().is_some_and(|start| start.kind == Kind::Rehearsal);
    let are_rehearsals = reports.into_iter().all(is_rehearsal);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in all.iter().flatten() {
        // A rehearsal's port is any free one.
        let is_incidental = *name == "Started" || *name == "Target" && are_rehearsals;
        if !is_incidental && !names.contains(name) {
            names.push(name);
        }
    }
    let cell = |rows: &[settings::Row], name: &str| {
        rows.iter().find(|(other, _)| *other == name).map_or_else(|| "–".to_owned(), |(_, text)| text.clone())
    };
    let [one, other] = &all;
    names.into_iter().map(|name| (name.to_owned(), [cell(one, name), cell(other, name)])).collect()
}
