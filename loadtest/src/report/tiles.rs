//! The page's key figures.

use maud::{Markup, html};

use crate::output::text::{clock, count, rate, seconds};
use crate::report::figures::{FromZero, Replicas, Report};

/// A figure, its name, and a remark.
fn tile(figure: &str, name: &str, remark: &str, is_bad: bool) -> Markup {
    html! { li.bad[is_bad] { b { (figure) } span { (name) } small { (remark) } } }
}

/// All key figures.
pub(crate) fn render(report: &Report) -> Markup {
    let totals = &report.totals;
    let lasted = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
    let offered = if report.clients().is_some() { "sent" } else { "offered" };
    html! {
        (tile(&count(totals.succeeded), "succeeded", &format!("of {} {offered}", count(totals.due)), false))
        (failed(report))
        @if let Some(latency) = &report.latency {
            @let name = if report.clients().is_some() { "p99 service time (closed loop)" } else { "p99 latency" };
            (tile(&seconds(latency.p99), name, &format!("median {}", seconds(latency.p50)), false))
        }
        @if let Some(from_zero) = &report.from_zero { (first_success(from_zero)) }
        @if let Some(replicas) = &report.replicas { (scaled_out(report, replicas)) (scaled_in(replicas)) }
        @if let Some(lateness) = &report.lateness {
            (tile(&seconds(lateness.p99), "p99 send delay", "of the generator itself", lateness.p99 > 0.01))
        }
        @if lasted > 0.0 && report.replicas.is_none() {
            @let mean = rate(totals.succeeded as f64 / lasted);
            (tile(&mean, "succeeded per second", &format!("over {}", seconds(lasted)), false))
        }
    }
}

fn failed(report: &Report) -> Markup {
    let totals = &report.totals;
    let bad = totals.failed + totals.dropped;
    let share = 100.0 * bad as f64 / totals.due.max(1) as f64;
    let remark =
        if bad == 0 { "none dropped".to_owned() } else { format!("{share:.2} %, {} dropped", count(totals.dropped)) };
    tile(&count(bad), "failed or dropped", &remark, bad > 0)
}

fn first_success(from_zero: &FromZero) -> Markup {
    let figure = from_zero.waited.map_or_else(|| "never".to_owned(), seconds);
    let remark = format!("{} failed or dropped until then", count(from_zero.lost));
    tile(&figure, "first success, from zero pods", &remark, from_zero.waited.is_none())
}

fn scaled_out(report: &Report, replicas: &Replicas) -> Markup {
    let peak = replicas.reached.iter().find(|reached| reached.replicas == replicas.ready);
    let remark = match (peak.and_then(|peak| peak.ready), &report.lag) {
        (Some(ready), Some(lag)) if replicas.ready > replicas.initial => {
            format!("{} after the load step", seconds(ready - lag.step))
        }
        _ => "no scale-out".to_owned(),
    };
    tile(&format!("{} → {}", replicas.initial, replicas.ready), "ready replicas", &remark, false)
}

fn scaled_in(replicas: &Replicas) -> Markup {
    let Some(scale_in) = &replicas.scale_in else { return html! {} };
    let lost = match scale_in.sent {
        0 => "no request was sent meanwhile".to_owned(),
        sent => format!("{} of {} failed", count(scale_in.failed), count(sent)),
    };
    let (figure, remark) = match (scale_in.until, replicas.relieved) {
        (Some(until), Some(relieved)) => (seconds(until - relieved), format!("after the load fell; {lost}")),
        (Some(until), None) => (clock(until), lost),
        (None, _) => ("never".to_owned(), format!("scale-in began at {}", clock(scale_in.from))),
    };
    tile(&figure, &format!("back to {}", replicas.min), &remark, false)
}
