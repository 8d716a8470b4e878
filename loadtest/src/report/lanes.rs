//! The lanes above the page's drawings: the profile's stages, and events, whose lines also cross the drawings.

use maud::{Markup, html};

use crate::output::text::{clock, rate};
use crate::profile::Stage;
use crate::report::chart::Axis;
use crate::report::figures::Report;
use crate::report::repeats::{Repeated, folded};

/// Events closer than this part of the time axis share a mark.
const MARK: f64 = 0.024;

/// Events closer than this part of it share a line.
const LINE: f64 = 0.003;

/// The maximum number of events of a group that are written out.
const WRITTEN: usize = 20;

/// The maximum number of rows of a table; report.json has all.
pub(crate) const ROWS: usize = 500;

/// The maximum length of an event's message on the page, in characters.
pub(crate) const MESSAGE: usize = 1_000;

/// The stages of the profile, each with its rate. A closed loop has none.
pub(crate) fn stages(report: &Report, axis: &Axis) -> Markup {
    if report.clients().is_some() {
        return html! {};
    }
    let profile = report.start.as_ref().map(|start| start.profile.as_slice()).unwrap_or_default();
    let highest = profile.iter().map(|stage| stage.from.max(stage.to)).fold(0.001, f64::max);
    let mut begun = 0.0;
    let stages = profile.iter().map(|stage| {
        let from = begun;
        begun += stage.seconds;
        (from, stage)
    });
    let shown: Vec<(f64, &Stage)> = stages.take_while(|(from, _)| *from < axis.to).collect();
    if shown.is_empty() {
        return html! {};
    }
    let marks = html! {
        svg.plot height="24" aria-hidden="true" { @for (from, stage) in shown { (mark(stage, from, highest, axis)) } }
    };
    lane("Load profile", &marks)
}

/// A stage from this moment on; the darker, the higher its rate.
fn mark(stage: &Stage, from: f64, highest: f64, axis: &Axis) -> Markup {
    let until = (from + stage.seconds).min(axis.to);
    let part = (until - from) / (axis.to - axis.from);
    // Four shades can be told apart.
    let shade = (4.0 * stage.from.max(stage.to) / highest).ceil();
    let text = if (stage.from - stage.to).abs() < f64::EPSILON {
        format!("{}/s", rate(stage.from))
    } else {
        format!("{}→{}/s", rate(stage.from), rate(stage.to))
    };
    html! {
        rect class=(format!("stage shade{shade}")) x=(axis.percent(from)) width=(format!("{:.2}%", 100.0 * part))
            y="2" height="20" {}
        @if part > 0.012 * text.chars().count() as f64 {
            text x=(axis.percent(f64::midpoint(from, until))) y="16" text-anchor="middle" { (text) }
        }
    }
}

/// Groups of events that lie closer together than this part of the time axis.
fn groups<'a, 'b>(events: &'a [Repeated<'b>], axis: &Axis, close: f64) -> impl Iterator<Item = &'a [Repeated<'b>]> {
    let close = close * (axis.to - axis.from);
    events.chunk_by(move |a, b| b.event.at - a.event.at < close)
}

fn has_warning(group: &[Repeated]) -> bool {
    group.iter().any(|repeated| repeated.event.what.is_warning())
}

/// A mark for each group of events, which can be pointed at and reached by keyboard.
pub(crate) fn event_marks(report: &Report, axis: &Axis) -> Markup {
    if report.events.is_empty() {
        return html! {};
    }
    let events = folded(&report.events);
    let marks = html! {
        svg.plot.events height="22" role="group" aria-label="Events" {
            @for group in groups(&events, axis, MARK) {
                @let (first, last) = (group[0].event.at, group[group.len() - 1].event.at);
                @let x = axis.percent(f64::midpoint(first, last));
                g.mark.bad[has_warning(group)] data-from=(first.to_string()) data-to=(last.to_string()) tabindex="0"
                    role="img" aria-label=(words(group)) {
                    circle cx=(x) cy="11" r=(if group.len() > 1 { 8 } else { 5 }) {}
                    @if group.len() > 1 { text x=(x) y="15" text-anchor="middle" { (group.len()) } }
                }
            }
        }
    };
    lane("Events", &marks)
}

fn words(group: &[Repeated]) -> String {
    let words = group.iter().take(WRITTEN).map(|one| format!("{} {}", clock(one.event.at), one.sentence()));
    let more = group.len().saturating_sub(WRITTEN);
    let words: Vec<String> = words.chain((more > 0).then(|| format!("and {more} more"))).collect();
    words.join("; ")
}

/// What events draw through each panel: a line each, or a shaded span if one repeats.
pub(crate) fn event_lines(report: &Report, axis: &Axis) -> Markup {
    let (spans, moments): (Vec<_>, Vec<_>) = folded(&report.events).into_iter().partition(Repeated::is_span);
    html! {
        @for span in &spans {
            rect.span.bad[span.event.what.is_warning()] x=(axis.percent(span.event.at)) y="0" height="100%"
                width=(axis.width(span.event.at, span.last)) {}
        }
        @for group in groups(&moments, axis, LINE) {
            @let x = axis.percent(group[0].event.at);
            line.event.bad[has_warning(group)] x1=(x) x2=(x) y1="0" y2="100%" {}
        }
    }
}

fn lane(name: &str, content: &Markup) -> Markup {
    html! { div.lane { h3 { (name) } (content) } }
}
