//! What runs above the page's drawings, or through them: the profile's stages, and events.

use std::fmt::Write;

use crate::journal::Event;
use crate::output::events;
use crate::output::text::{clock, escape, fit, rate};
use crate::report::chart::Axis;
use crate::report::figures::Report;

/// Events closer than this part of the time axis share a mark.
const MARK: f64 = 0.024;

/// Events closer than this part of it share a line.
const LINE: f64 = 0.003;

/// The most events of a group that are told in words.
const WORDS: usize = 20;

/// As much of what an event says is on the page, in characters.
pub(crate) const TOLD: usize = 1_000;

/// An event in words.
pub(crate) fn told(event: &Event) -> String {
    fit(&events::text(event).sentence(), TOLD)
}

/// The stages of the profile, each with its rate.
pub(crate) fn stages(report: &Report, axis: &Axis) -> String {
    let mut marks = String::new();
    let mut begun = 0.0;
    let highest = report.start.iter().flat_map(|start| &start.profile).map(|stage| stage.from.max(stage.to));
    let highest = highest.fold(0.001, f64::max);
    for stage in report.start.iter().flat_map(|start| &start.profile) {
        let (from, until) = (begun, (begun + stage.seconds).min(axis.to));
        begun += stage.seconds;
        if from >= axis.to {
            break;
        }
        let part = (until - from) / (axis.to - axis.from);
        // The fuller the lane, the higher the rate: four shades can be told apart.
        let shade = (4.0 * stage.from.max(stage.to) / highest).ceil();
        let _ = write!(
            marks,
            "<rect class=\"stage shade{shade}\" x=\"{}\" width=\"{:.2}%\" y=\"2\" height=\"20\"/>",
            axis.percent(from),
            100.0 * part
        );
        let text = if (stage.from - stage.to).abs() < f64::EPSILON {
            format!("{}/s", rate(stage.from))
        } else {
            format!("{}→{}/s", rate(stage.from), rate(stage.to))
        };
        if part > 0.012 * text.chars().count() as f64 {
            let middle = axis.percent(f64::midpoint(from, until));
            let _ = write!(marks, "<text x=\"{middle}\" y=\"16\" text-anchor=\"middle\">{text}</text>");
        }
    }
    if marks.is_empty() {
        return String::new();
    }
    lane("Load asked for", &format!("<svg class=\"plot\" height=\"24\" aria-hidden=\"true\">{marks}</svg>"))
}

/// Groups of events that lie closer together than this part of the time axis.
fn groups<'a>(report: &'a Report, axis: &Axis, close: f64) -> impl Iterator<Item = &'a [Event]> {
    let close = close * (axis.to - axis.from);
    report.events.chunk_by(move |a, b| b.at - a.at < close)
}

/// A mark for each group of events, which can be pointed at and reached by keyboard.
pub(crate) fn event_lane(report: &Report, axis: &Axis) -> String {
    let mut marks = String::new();
    for group in groups(report, axis, MARK) {
        let words = group.iter().take(WORDS).map(|event| format!("{} {}", clock(event.at), told(event)));
        let more = group.len().saturating_sub(WORDS);
        let words: Vec<String> = words.chain((more > 0).then(|| format!("and {more} more"))).collect();
        let class = if group.iter().any(|event| event.what.is_warning()) { "mark bad" } else { "mark" };
        let (first, last) = (group[0].at, group[group.len() - 1].at);
        let x = axis.percent(f64::midpoint(first, last));
        let number = if group.len() > 1 {
            format!("<text x=\"{x}\" y=\"15\" text-anchor=\"middle\">{}</text>", group.len())
        } else {
            String::new()
        };
        let _ = write!(
            marks,
            "<g class=\"{class}\" data-from=\"{first}\" data-to=\"{last}\" tabindex=\"0\" role=\"img\" aria-label=\"{}\">\
             <circle cx=\"{x}\" cy=\"11\" r=\"{}\"/>{number}</g>",
            escape(&words.join("; ")),
            if group.len() > 1 { 8 } else { 5 }
        );
    }
    if marks.is_empty() {
        return lane("Events", "<p>none</p>");
    }
    lane(
        "Events",
        &format!("<svg class=\"plot events\" height=\"22\" role=\"group\" aria-label=\"Events\">{marks}</svg>"),
    )
}

/// The lines that events draw through each panel.
pub(crate) fn event_lines(report: &Report, axis: &Axis) -> String {
    groups(report, axis, LINE)
        .map(|group| {
            let class = if group.iter().any(|event| event.what.is_warning()) { "event bad" } else { "event" };
            let x = axis.percent(group[0].at);
            format!("<line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>")
        })
        .collect()
}

fn lane(name: &str, content: &str) -> String {
    format!("<div class=\"lane\"><h3>{name}</h3>{content}</div>\n")
}
