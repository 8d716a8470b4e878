//! Checks of `--threshold`: of the whole load, or of the seconds of one stage.

use crate::journal::{Limit, Measure, Order, Second, Threshold};
use crate::output::text::{count, plural, rate, seconds as time};
use crate::report::figures::Report;
use crate::report::verdict::{Check, enough_answers};
use crate::stats::{Total, dropped, failed};

/// The measures of a load, or of a stage of it.
struct Measured {
    total: Total,
    failed: u64,
    dropped: u64,
    /// How long it lasted.
    seconds: f64,
}

/// A check for each threshold.
pub(crate) fn checks(report: &Report, total: &Total, measured: &[Second], cut_short: bool) -> Vec<Check> {
    let Some(start) = &report.start else { return Vec::new() };
    let length: f64 = start.profile.iter().map(|stage| stage.seconds).sum();
    let thresholds = start.expectations.thresholds.iter().map(|threshold| {
        let name = format!("Threshold {threshold}");
        let part = match threshold.stage {
            None => Measured {
                total: total.clone(),
                failed: report.totals.failed,
                dropped: report.totals.dropped,
                seconds: report.end.as_ref().map_or(length, |end| end.at.min(length)),
            },
            Some(stage) => {
                let begins: f64 = start.profile.iter().take(stage - 1).map(|stage| stage.seconds).sum();
                let Some(stage) = start.profile.get(stage - 1) else {
                    return Check::new(&name, Some(expected(threshold)), "the load has no such stage".to_owned(), None);
                };
                of(measured, begins, begins + stage.seconds)
            }
        };
        let (observed, held) = judged(threshold, &part);
        // A number that is exceeded stays exceeded, however a run ends; anything else may still change.
        let is_final = matches!((threshold.limit, threshold.order), (Limit::Count(_), Order::Below | Order::AtMost))
            && threshold.measure != Measure::Rate;
        let held = held.filter(|held| !cut_short || !held && is_final);
        Check::new(&name, Some(expected(threshold)), observed, held)
    });
    thresholds.collect()
}

/// The seconds that began in an interval.
fn of(measured: &[Second], from: f64, until: f64) -> Measured {
    let mut part = Measured { total: Total::default(), failed: 0, dropped: 0, seconds: until - from };
    for second in measured.iter().filter(|second| (from..until).contains(&second.at)) {
        part.total.add(second);
        part.failed += failed(second);
        part.dropped += dropped(second);
    }
    part
}

fn expected(threshold: &Threshold) -> String {
    let limit = match threshold.limit {
        Limit::Seconds(seconds) => time(seconds),
        Limit::Percent(percent) => format!("{percent} %"),
        Limit::Count(count) => rate(count),
    };
    let order = match threshold.order {
        Order::Below => "less than",
        Order::AtMost => "at most",
        Order::Above => "more than",
        Order::AtLeast => "at least",
    };
    format!("{order} {limit}")
}

/// What was observed, and whether that is as it must be.
fn judged(threshold: &Threshold, part: &Measured) -> (String, Option<bool>) {
    let Measured { total, failed, dropped, seconds } = part;
    let holds = |value: f64| Some(threshold.order.holds(value, threshold.limit.number()));
    let of = |number: u64, all: u64| {
        let share = 100.0 * number as f64 / all.max(1) as f64;
        let observed = format!("{} of {} ({share:.2} %)", count(number), count(all));
        let value = if matches!(threshold.limit, Limit::Percent(_)) { share } else { number as f64 };
        (observed, holds(value).filter(|_| all > 0))
    };
    match threshold.measure {
        Measure::Latency { percentile } => latency(threshold, total, percentile),
        Measure::Mean => match total.latency.mean() {
            Some(mean) => (time(mean), holds(mean)),
            None => ("no answers".to_owned(), None),
        },
        Measure::Failed => of(*failed, total.sent),
        Measure::Dropped => of(*dropped, total.due),
        Measure::Rate => {
            let value = total.succeeded as f64 / seconds.max(f64::MIN_POSITIVE);
            (format!("{} per second", rate(value)), holds(value).filter(|_| total.due > 0))
        }
    }
}

/// A percentile, which needs some slower answers to be more than one of them; the extremes are what they are.
fn latency(threshold: &Threshold, total: &Total, percentile: f64) -> (String, Option<bool>) {
    let answers = total.latency.count();
    let Some(found) = total.latency.seconds(percentile / 100.0) else {
        return ("no answers".to_owned(), None);
    };
    let holds = threshold.order.holds(found, threshold.limit.number());
    let needed = if percentile > 0.0 && percentile < 100.0 { enough_answers(percentile / 100.0) } else { 1 };
    if answers >= needed {
        return (time(found), Some(holds));
    }
    let needed = count(needed);
    (format!("{} of {}, which are too few: it takes {needed}", time(found), plural(answers, "answer")), None)
}
