//! `report.html`: one file that shows a run, and asks for nothing from elsewhere.

use super::tables;
use crate::journal::Kind;
use crate::output::json;
use crate::output::text::{clock, count, date, escape, plural, rate, seconds};
use crate::report::figures::Report;
use crate::report::panels::Panels;
use crate::report::verdict::Outcome;

/// The page, with `{{…}}` where the run's own goes; none inside its style or script, whose hashes its policy names.
const TEMPLATE: &str = include_str!("page.html");

/// The page of this report. What a journal holds is text there, never markup, script or placeholder.
pub fn render(report: &Report) -> String {
    let panels = Panels::new(report);
    let mut pieces = TEMPLATE.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, text) = piece.split_once("}}").expect("a placeholder ends");
        page.push_str(&match name {
            "title" => escape(&title(report)),
            "about" => about(report),
            "state" => state(report.verdict.outcome).to_owned(),
            "outcome" => outcome(report.verdict.outcome),
            "sentence" => unbroken(&escape(&report.verdict.sentence)),
            "tiles" => tiles(report),
            "warnings" => warnings(report),
            "panels" => panels.render(),
            "lag" => tables::lag(report),
            "checks" => tables::checks(report),
            "pods" => tables::pods(report),
            "failures" => tables::failures(report),
            "events" => tables::event_table(report),
            "settings" => tables::settings(report),
            // Only `<` can end the element that it stands in, or begin a comment there.
            "data" => json(&panels.data()).replace('<', "\\u003c"),
            other => unreachable!("placeholder {other}"),
        });
        page.push_str(text);
    }
    page
}

fn title(report: &Report) -> String {
    let of = report.start.as_ref().and_then(|start| start.autoscaler.as_ref().map(|autoscaler| &autoscaler.scaled));
    let of = of.or(report.start.as_ref().map(|start| &start.target.url)).map_or("a journal", |name| name.as_str());
    format!("{}: load test of {of}", report.verdict.outcome.label())
}

fn about(report: &Report) -> String {
    let Some(start) = &report.start else {
        return "loadtest".to_owned();
    };
    let kind = match start.kind {
        Kind::Run => "Load test of",
        Kind::Rehearsal => "Rehearsal of",
    };
    let of = start.autoscaler.as_ref().map_or(&start.target.url, |autoscaler| &autoscaler.scaled);
    format!("{kind} <b>{}</b> · {}", escape(of), date(start.started))
}

const fn state(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Undecided => "undecided",
    }
}

fn outcome(outcome: Outcome) -> String {
    let mark = match outcome {
        Outcome::Passed => "✓",
        Outcome::Failed => "✗",
        Outcome::Undecided => "?",
    };
    format!("<span aria-hidden=\"true\">{mark}</span> {}", outcome.label())
}

/// A sentence whose times stay on one line.
fn unbroken(sentence: &str) -> String {
    let units = [" min ", " s,", " s.", " ms", " µs"];
    units.iter().fold(sentence.to_owned(), |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")))
}

fn tile(figure: &str, name: &str, more: &str, class: &str) -> String {
    format!("<li class=\"{class}\"><b>{figure}</b><span>{name}</span><small>{more}</small></li>\n")
}

fn tiles(report: &Report) -> String {
    let totals = &report.totals;
    let mut tiles = vec![tile(&count(totals.answered), "answers", &format!("of {} due", count(totals.due)), "")];
    let bad = totals.failed + totals.dropped;
    let share = 100.0 * bad as f64 / totals.due.max(1) as f64;
    let more = if bad == 0 {
        "and none dropped".to_owned()
    } else {
        format!("{share:.2} %, {} dropped", count(totals.dropped))
    };
    tiles.push(tile(&count(bad), "failed or dropped", &more, if bad > 0 { "bad" } else { "" }));
    if let Some(latency) = &report.latency {
        let more = format!("half within {}", seconds(latency.p50));
        tiles.push(tile(&seconds(latency.p99), "p99 latency", &more, ""));
    }
    if let Some(replicas) = &report.replicas {
        let figure = format!("{} → {}", replicas.initial, replicas.ready);
        let peak = replicas.reached.iter().find(|reached| reached.replicas == replicas.ready);
        let more = match (peak.and_then(|peak| peak.ready), &report.lag) {
            (Some(ready), Some(lag)) if replicas.ready > replicas.initial => {
                format!("{} after the load’s step", seconds(ready - lag.step))
            }
            _ => "no more were ready".to_owned(),
        };
        tiles.push(tile(&figure, "ready replicas", &more, ""));
        if let Some(scale_in) = &replicas.scale_in {
            let (figure, more) = match (scale_in.until, replicas.relieved) {
                (Some(until), Some(relieved)) => {
                    (seconds(until - relieved), format!("after the load fell; {} failed", count(scale_in.failed)))
                }
                (Some(until), None) => (clock(until), format!("{} failed meanwhile", count(scale_in.failed))),
                (None, _) => ("never".to_owned(), format!("down from {} on", clock(scale_in.from))),
            };
            tiles.push(tile(&figure, &format!("back to {}", replicas.least), &more, ""));
        }
    }
    if let Some(lateness) = &report.lateness {
        let more = "the generator’s own delay";
        tiles.push(tile(&seconds(lateness.p99), "p99 lateness", more, if lateness.p99 > 0.01 { "bad" } else { "" }));
    }
    let lasted = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
    if lasted > 0.0 && report.replicas.is_none() {
        let mean = totals.answered as f64 / lasted;
        tiles.push(tile(&rate(mean), "answers per second", &format!("over {}", seconds(lasted)), ""));
    }
    tiles.concat()
}

fn warnings(report: &Report) -> String {
    if report.warnings.is_empty() {
        return String::new();
    }
    let items: String =
        report.warnings.iter().map(|warning| format!("<li>{}</li>", escape(&warning.message))).collect();
    let title = match report.warnings.len() {
        1 => "One doubt about this result".to_owned(),
        many => format!("{} about this result", plural(many as u64, "doubt")),
    };
    format!(
        "<section class=\"warnings\" aria-labelledby=\"warnings-title\"><h2 id=\"warnings-title\">{title}</h2><ul>{items}</ul></section>"
    )
}
