//! The page's tables.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::journal::ObservedEvent;
use crate::output::events;
use crate::output::text::{bytes, clock, count, fit, plural, rate, seconds};
use crate::report::figures::{Lag, Link, LinkName, Pod, Report};
use crate::report::lanes::{MESSAGE, ROWS};
use crate::report::panels::{COLOURS, by_colour, short};
use crate::report::repeats::{Repeated, folded};
use crate::report::timeline::MISMATCH;
use crate::report::verdict::Check;

/// The text of a section without a table.
pub(crate) fn soft(text: &str) -> Markup {
    html! { p.soft { (text) } }
}

/// A table of at most [`ROWS`] rows, and a note if there are more.
pub(crate) fn table<T>(head: &Markup, rows: &[T], row: impl Fn(usize, &T) -> Markup) -> Markup {
    html! {
        table {
            thead { tr { (head) } }
            tbody { @for (index, one) in rows.iter().take(ROWS).enumerate() { (row(index, one)) } }
        }
        @if rows.len() > ROWS { p.soft { "And " (count((rows.len() - ROWS) as u64)) " more, in report.json." } }
    }
}

/// The heads of columns: the class `figure` aligns to the right.
pub(crate) fn heads(heads: &[(&str, &str)]) -> Markup {
    html! {
        @for (class, name) in heads {
            th scope="col" class=[Some(class).filter(|class| !class.is_empty())] { (name) }
        }
    }
}

/// The verdict's checks.
pub(crate) fn checks(report: &Report) -> Markup {
    let head = heads(&[("", "Check"), ("", "Expected"), ("", "Observed"), ("", "")]);
    table(&head, &report.verdict.checks, |_, check: &Check| {
        let (mark, result) = check.result();
        html! {
            tr class=(result) {
                th scope="row" { (check.name) }
                td { (check.expected.as_deref().unwrap_or("–")) }
                td { (check.observed) }
                td.held { span aria-hidden="true" { (mark) } " " (result) }
            }
        }
    })
}

/// The reaction time, as a waterfall; none if the load did not require more replicas.
pub(crate) fn lag(report: &Report) -> Option<Markup> {
    let lag = report.lag.as_ref()?;
    let exceeded = match lag.replicas {
        0 => "the first request found no pod".to_owned(),
        replicas => {
            let (rate, replicas) = (rate(lag.threshold), plural(u64::from(replicas), "replica"));
            format!("the load exceeded {rate}/s, the maximum that {replicas} can take without scaling")
        }
    };
    Some(html! {
        p.soft { "At " (clock(lag.step)) " " (exceeded) "." (slowest(lag)) }
        table.waterfall {
            thead {
                tr { th scope="col" { "Step" } td {} (heads(&[("figure", "took"), ("figure", "since the load step")])) }
            }
            tbody { @for link in &lag.links { (fall(lag, link)) } }
        }
    })
}

fn fall(lag: &Lag, link: &Link) -> Markup {
    let all = lag.links.iter().filter_map(|link| link.after).fold(0.1, f64::max);
    let longest = lag.links.iter().filter_map(|link| link.took).fold(0.0, f64::max);
    let known = link.took.zip(link.after);
    html! {
        tr {
            th scope="row" { (link.name.label()) }
            td.fall {
                svg height="20" aria-hidden="true" {
                    @if let Some((took, after)) = known {
                        rect.rail x="0" width="100%" y="9" height="2" {}
                        rect.bar.longest[took >= longest]
                            x=(format!("{:.2}%", 100.0 * (after - took).max(0.0) / all))
                            width=(format!("{:.2}%", (100.0 * took / all).max(0.6)))
                            y="3" height="14" rx="2" {}
                    }
                }
            }
            td.figure { @if let Some((took, _)) = known { "+" (seconds(took)) } @else { "not observed" } }
            td.figure { @if let Some((_, after)) = known { (seconds(after)) } @else { "–" } }
        }
    }
}

/// The longest part of the time.
fn slowest(lag: &Lag) -> String {
    let took = lag.links.iter().filter_map(|link| Some((link.took?, link.name)));
    let slowest = took.max_by(|a, b| a.0.total_cmp(&b.0));
    let Some((took, name)) = slowest.filter(|(took, _)| *took > 0.0) else {
        return String::new();
    };
    let until = match name {
        LinkName::Counter => "the pods counted the requests",
        LinkName::Prometheus => "Prometheus showed the new rate",
        LinkName::Api => "the metrics API showed it",
        LinkName::Value => "the HPA read it",
        LinkName::Decision => "the HPA decided to scale",
        LinkName::Ready => "a new pod was ready",
        LinkName::Answer => "the new pod answered",
    };
    format!(" The longest wait was {}, until {until}.", seconds(took))
}

/// The pods that answered; none if no answer named its pod.
pub(crate) fn pods(report: &Report) -> Option<Markup> {
    if report.pods.is_empty() {
        return None;
    }
    let colours = by_colour(report);
    let colour = |pod: &Pod| colours.iter().position(|other| other.name == pod.name).unwrap_or(COLOURS).min(COLOURS);
    let columns = ["answers", "share", "sent", "received", "first–last"];
    let head = heads(&[&[("", "Pod")][..], &columns.map(|name| ("figure", name))].concat());
    let rows = table(&head, &report.pods, |_, pod: &Pod| {
        let last = short(&pod.name);
        html! {
            tr {
                th scope="row" {
                    i class=(format!("key pod{}", colour(pod))) {}
                    (pod.name.strip_suffix(last).unwrap_or_default()) b { (last) }
                }
                td.figure { (count(pod.answers)) }
                td.figure { (format!("{:.1} %", 100.0 * pod.share)) }
                td.figure { (bytes(pod.bytes.sent)) }
                td.figure { (bytes(pod.bytes.received)) }
                td.figure { (clock(pod.first)) "–" (clock(pod.last + 1.0)) }
            }
        }
    });
    Some(rows)
}

/// Answers by status, and their bytes; none without answers.
pub(crate) fn statuses(report: &Report) -> Option<Markup> {
    let statuses: Vec<(u16, u64)> = report.totals.statuses.iter().map(|(status, count)| (*status, *count)).collect();
    if statuses.is_empty() {
        return None;
    }
    let head = heads(&[("", "Status"), ("figure", "answers"), ("figure", "sent"), ("figure", "received")]);
    Some(table(&head, &statuses, |_, (status, number)| {
        let of = report.totals.status_bytes.get(status).copied().unwrap_or_default();
        html! {
            tr {
                th scope="row" { (status) }
                td.figure { (count(*number)) }
                td.figure { (bytes(of.sent)) }
                td.figure { (bytes(of.received)) }
            }
        }
    }))
}

/// Failed and dropped requests by cause; none if there are none.
pub(crate) fn failures(report: &Report) -> Option<Markup> {
    let totals = &report.totals;
    let dropped = [
        ("dropped: too many requests in flight", totals.crowded_out),
        ("dropped: the generator fell behind", totals.dropped - totals.crowded_out),
    ];
    let dropped = dropped.map(|(cause, number)| (cause.to_owned(), number));
    let mut causes: Vec<(String, u64)> = totals.failures.clone().into_iter().chain(dropped).collect();
    causes.retain(|(_, count)| *count > 0);
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if causes.is_empty() {
        return None;
    }
    let due = totals.due.max(1) as f64;
    Some(table(&heads(&[("", "Cause"), ("figure", "of those offered")]), &causes, |_, (cause, number)| {
        html! {
            tr {
                th scope="row" {
                    (cause)
                    @if let Some((example, advice)) = first(report, cause) {
                        br;
                        small { (fit(&example, MESSAGE)) @if let Some(advice) = advice { ". " (advice) "." } }
                    }
                }
                td.figure { (count(*number)) " " small { (format!("({:.2} %)", 100.0 * *number as f64 / due)) } }
            }
        }
    }))
}

/// The first failure with a cause, and what to do about it.
fn first<'a>(report: &'a Report, cause: &str) -> Option<(Cow<'a, str>, Option<&'static str>)> {
    report.events.iter().find_map(|event| match &event.what {
        ObservedEvent::FirstFailure { failure, cause: of, example } if of == cause => {
            Some((example.into(), Some(failure.advice())))
        }
        ObservedEvent::FirstStatus { status, request, location } if cause == format!("status {status}") => {
            Some(match location {
                Some(location) => (format!("{request} → {location}").into(), Some("Give the URL that it leads to")),
                None => (request.into(), None),
            })
        }
        ObservedEvent::FirstMismatch { request, body } if cause == MISMATCH => {
            Some((format!("{request}: {body}").into(), None))
        }
        _ => None,
    })
}

/// What happened; none if nothing did.
pub(crate) fn events(report: &Report) -> Option<Markup> {
    if report.events.is_empty() {
        return None;
    }
    let head = heads(&[("figure", "Time"), ("", "Object"), ("", "Reason"), ("", "Message")]);
    Some(table(&head, &folded(&report.events), |_, repeated: &Repeated| {
        let text = events::text(repeated.event);
        html! {
            tr.bad[repeated.event.what.is_warning()] {
                td.figure { (repeated.time()) }
                th scope="row" { (text.object) }
                td { (text.reason) }
                td { (fit(&text.message, MESSAGE)) @if repeated.count > 1 { " " b { "×" (repeated.times()) } } }
            }
        }
    }))
}
