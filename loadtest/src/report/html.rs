//! `report.html`: one file, which loads nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{addresses, settings, tables, tiles};
use crate::journal::Kind;
use crate::output::text::{date, plural};
use crate::output::{json, visible_html};
use crate::report::figures::Report;
use crate::report::panels::Panels;
use crate::report::verdict::Outcome;

/// The style and the script. The policy has their hashes, so neither contains data.
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// `openssl dgst -sha256 -binary FILE | base64` prints a hash. A browser complains about one that is wrong.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; \
                      style-src 'sha256-UYrCQXSWyWw9bS6TnMkymNyXbOUZFzTlCMa5ifLUS2Q='; \
                      script-src 'sha256-16dHHi6KaTHFzZyQi6Y1mECdq9fX4t9+pqmDc/4SYes='";

/// The page of this report. The journal's texts are text there, never markup or script, and every character is visible.
pub fn render(report: &Report) -> String {
    // The style and the script keep their line breaks, and are filled in last. Data never has a `<` of its own here.
    visible_html(&page(report).into_string())
        .replacen("<style></style>", &format!("<style>{STYLE}</style>"), 1)
        .replacen("<script></script>", &format!("<script>{SCRIPT}</script>"), 1)
}

fn page(report: &Report) -> Markup {
    let panels = Panels::new(report);
    // Only `<` could end the data's element, or begin a comment in it.
    let data = json(&panels.data()).replace('<', "\\u003c");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title(report)) }
                link rel="icon" href="data:,";
                style {}
            }
            body data-state=(report.verdict.outcome.label().to_lowercase().replace(' ', "-")) {
                (header(report))
                main {
                    ul.tiles aria-label="Key figures" { (tiles::render(report)) }
                    (warnings(report))
                    section aria-labelledby="time-title" {
                        div.head {
                            h2 #time-title { "Timeline" }
                            @if !report.prediction.is_empty() {
                                label.soft { input #predicted type="checkbox"; " show the prediction" }
                            }
                            p.soft.hint {
                                span.mouse { "Point at a moment to see its figures, or move with ← and →" }
                                span.touch { "Tap a moment to see its figures" }
                            }
                        }
                        div #stack tabindex="0" role="group" aria-labelledby="time-title" aria-describedby="tip" {
                            (panels.render())
                            div #hair hidden {}
                            div #tip role="status" hidden {}
                        }
                    }
                    div.pair {
                        @if let Some(lag) = tables::lag(report) { (section("lag", "Reaction time", &lag)) }
                        (section("checks", "Checks", &checks(report)))
                        @if let Some(pods) = tables::pods(report) { (section("pods", "Pods", &pods)) }
                        @if let Some(statuses) = tables::statuses(report) {
                            (section("statuses", "Answers by status", &statuses))
                        }
                        @if let Some(addresses) = addresses::rows(report) {
                            (section("addresses", "Addresses", &addresses))
                        }
                        @if let Some(failures) = tables::failures(report) {
                            (section("failures", "Failed and dropped, by cause", &failures))
                        }
                    }
                    section.settings aria-labelledby="settings-title" {
                        h2 #settings-title { "Settings" }
                        (settings::render(report))
                    }
                    @if let Some(events) = tables::events(report) {
                        section aria-labelledby="events-title" {
                            h2 #events-title { "Events" }
                            div.scroll { (events) }
                        }
                    }
                }
                script type="application/json" #data { (PreEscaped(data)) }
                script {}
            }
        }
    }
}

/// The checks, and the words in them.
fn checks(report: &Report) -> Markup {
    html! {
        div.scroll { (tables::checks(report)) }
        p.words.soft {
            b { "Offered" } ": the profile contains it. " b { "Sent" } ": it left the load tool, or else it was "
            b { "dropped" } ". " b { "Answered" } ": a complete response with any status. " b { "Succeeded" }
            ": with a status of " (successes(report)) ". " b { "Failed" } ": sent, and not succeeded."
        }
    }
}

/// The statuses that are a success.
fn successes(report: &Report) -> String {
    let named = report.start.as_ref().and_then(|start| start.target.expect_status.as_ref());
    named.map_or_else(|| "2xx".to_owned(), ToString::to_string)
}

fn section(name: &str, title: &str, content: &Markup) -> Markup {
    let id = format!("{name}-title");
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (content) } }
}

fn title(report: &Report) -> String {
    let of = report.start.as_ref().and_then(|start| start.autoscaler.as_ref().map(|autoscaler| &autoscaler.scaled));
    let of = of.or(report.start.as_ref().map(|start| &start.target.url)).map_or("a journal", |name| name.as_str());
    format!("{}: load test of {of}", report.verdict.outcome.label())
}

fn header(report: &Report) -> Markup {
    let mark = match report.verdict.outcome {
        Outcome::Passed => "✓",
        Outcome::Failed => "✗",
        Outcome::NotJudged => "·",
        Outcome::Undecided => "?",
    };
    html! {
        header {
            p { (about(report)) }
            h1 {
                span.badge { span aria-hidden="true" { (mark) } " " (report.verdict.outcome.label()) }
                " "
                span #sentence { (unbroken(&report.verdict.sentence)) }
            }
        }
    }
}

fn about(report: &Report) -> Markup {
    let Some(start) = &report.start else {
        return html! { "loadtest" };
    };
    let kind = match start.kind {
        Kind::Run if start.clients.is_some() => "Closed-loop load test of ",
        Kind::Run => "Load test of ",
        Kind::Rehearsal => "Rehearsal of ",
    };
    let of = start.autoscaler.as_ref().map_or(&start.target.url, |autoscaler| &autoscaler.scaled);
    html! { (kind) b { (of) } " · " (date(start.started)) }
}

/// A sentence whose times are not broken across lines.
fn unbroken(sentence: &str) -> String {
    let units = [" min ", " s,", " s.", " ms", " µs"];
    units.iter().fold(sentence.to_owned(), |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")))
}

fn warnings(report: &Report) -> Markup {
    let title = match report.warnings.len() {
        0 => return html! {},
        1 => "Warning".to_owned(),
        many => plural(many as u64, "warning"),
    };
    html! {
        section.warnings aria-labelledby="warnings-title" {
            h2 #warnings-title { (title) }
            ul { @for warning in &report.warnings { li { (warning.message) } } }
        }
    }
}
