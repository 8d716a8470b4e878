//! Checks of `--threshold`: of the whole load, or of the seconds of one stage.

use crate::journal::{Limit, Measure, Order, Second, Threshold};
use crate::output::text::{count, plural, rate, seconds as time};
use crate::report::figures::Report;
use crate::report::verdict::{Check, enough_answers};
use crate::stats::{Total, dropped, failed};

/// The measures of a load, or of a stage of it.
struct Measured {
    total: Total,
    /// How many of those that were sent failed: at least, and at most.
    failed: (u64, u64),
    dropped: u64,
    /// How long it lasted.
    seconds: f64,
}

/// A check for each threshold.
pub(crate) fn checks(report: &Report, total: &Total, measured: &[Second], cut_short: bool) -> Vec<Check> {
    let Some(start) = &report.start else { return Vec::new() };
    let length: f64 = start.profile.iter().map(|stage| stage.seconds).sum();
    let last = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
    let lasted = report.end.as_ref().map_or(last, |end| end.at);
    let thresholds = start.expectations.thresholds.iter().map(|threshold| {
        let name = format!("Threshold {threshold}");
        let whole = Measured {
            total: total.clone(),
            failed: (report.totals.failed, report.totals.failed),
            dropped: report.totals.dropped,
            seconds: lasted.min(length),
        };
        let (part, is_over) = match threshold.stage {
            None => (whole, false),
            Some(number) => {
                let begins: f64 = start.profile.iter().take(number - 1).map(|stage| stage.seconds).sum();
                let Some(stage) = start.profile.get(number - 1) else {
                    return Check::new(&name, Some(expected(threshold)), "the load has no such stage".to_owned(), None);
                };
                // The last answers come after the last stage, to which they belong.
                let ends = begins + stage.seconds;
                let until = if number == start.profile.len() { f64::INFINITY } else { ends };
                (Measured { seconds: stage.seconds, ..of(measured, begins, until) }, until <= lasted)
            }
        };
        let (observed, held) = judged(threshold, &part);
        // What is exceeded stays exceeded, however a run ends, and a stage that is over does not change. Anything else may.
        let exceeds = matches!(threshold.order, Order::Below | Order::AtMost);
        let is_final = match threshold.measure {
            Measure::Failed | Measure::Dropped => exceeds && matches!(threshold.limit, Limit::Count(_)),
            Measure::Latency { percentile } => exceeds && percentile >= 100.0 || !exceeds && percentile <= 0.0,
            Measure::Mean | Measure::Rate => false,
        };
        let held = held.filter(|held| !cut_short || is_over || !held && is_final);
        Check::new(&name, Some(expected(threshold)), observed, held)
    });
    thresholds.collect()
}

/// The seconds that began in an interval.
fn of(measured: &[Second], from: f64, until: f64) -> Measured {
    let mut part = Measured { total: Total::default(), failed: (0, 0), dropped: 0, seconds: until - from };
    let (mut before, mut within, mut after) = (Flow::default(), Flow::default(), Flow::default());
    for second in measured {
        if second.at < from {
            before.add(second);
        } else if second.at < until {
            part.total.add(second);
            part.dropped += dropped(second);
            within.add(second);
        } else {
            after.add(second);
        }
    }
    part.failed = within.failed_of_sent(&before, &after);
    part
}

/// What began and what ended in some seconds.
#[derive(Default)]
struct Flow {
    sent: u64,
    failed: u64,
    succeeded: u64,
}

impl Flow {
    fn add(&mut self, second: &Second) {
        let ended = second.statuses.values().sum::<u64>() + second.failures.values().sum::<u64>();
        let failed = failed(second);
        self.sent += second.sent;
        self.failed += failed;
        self.succeeded += ended.saturating_sub(failed);
    }

    /// Requests that began and did not end.
    fn open(&self) -> u64 {
        self.sent.saturating_sub(self.failed + self.succeeded)
    }

    /// How many of the requests that were sent here failed, at least and at most. A journal has failures in the second in
    /// which they happened: some may be those of requests that were sent before, and others come after.
    fn failed_of_sent(&self, before: &Self, after: &Self) -> (u64, u64) {
        let earlier = before.open();
        let here = Self {
            sent: before.sent + self.sent,
            failed: before.failed + self.failed,
            succeeded: before.succeeded + self.succeeded,
        };
        let later = here.open();
        let all = Self {
            sent: here.sent + after.sent,
            failed: here.failed + after.failed,
            succeeded: here.succeeded + after.succeeded,
        };
        // Those that never ended, because the run was cut short, may still do either.
        let unknown = all.open();
        let succeeded_at_most = self.succeeded + later.min(after.succeeded + unknown);
        let least = self.failed.saturating_sub(earlier).max(self.sent.saturating_sub(succeeded_at_most)).min(self.sent);
        let succeeded_at_least = self.succeeded.saturating_sub(earlier);
        let most = self.failed + later.min(after.failed + unknown);
        (least, most.min(self.sent.saturating_sub(succeeded_at_least)).max(least))
    }
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
        Measure::Failed => {
            let (least, most) = *failed;
            let ((observed, held), (highest, other)) = (of(least, total.sent), of(most, total.sent));
            if least == most {
                return (observed, held);
            }
            (format!("from {observed} to {highest}, as some ended after the stage"), held.filter(|_| held == other))
        }
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
