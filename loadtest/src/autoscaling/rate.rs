//! Prometheus' `rate()`, and its `irate()`, over the scrapes of one counter.
//!
//! Source: `extrapolatedRate` in `promql/functions.go` of Prometheus 3, for floats without start timestamps. Prometheus
//! 2 took in the sample on the window's left border, and until 2.51 it held the half interval of a series that starts
//! inside the window against the distance to its zero point in another order.
//!
//! A series whose pod has gone needs nothing of its own here. The stale marker that Prometheus then writes ends the
//! series for an instant selector, but a range selector skips markers: `sum(rate(x[2m])) by (pod)` goes on showing the
//! pod for as long as two of its samples are in the window, and with a rate that falls, as the end is extrapolated by
//! half an interval only. A series that gets no samples any more does just that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a query makes of the scrapes in its window.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Function {
    /// `rate()`: of all of them.
    #[default]
    Rate,
    /// `irate()`: of the last two.
    Irate,
}

impl Function {
    /// The one that a query calls by this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "rate" => Some(Self::Rate),
            "irate" => Some(Self::Irate),
            _ => None,
        }
    }

    /// The name that a query calls it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Irate => "irate",
        }
    }

    /// Whether it is the one that needs no mention.
    pub fn is_rate(&self) -> bool {
        *self == Self::Rate
    }

    /// Its value at this moment, over a window, both in milliseconds: per second, none where fewer than two samples are in
    /// the window.
    pub fn of(self, samples: &[Sample], at: i64, window: i64) -> Option<f64> {
        match self {
            Self::Rate => rate(samples, at, window),
            Self::Irate => irate(samples, at, window),
        }
    }
}

/// One scraped value of a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was scraped, in milliseconds, which is all that Prometheus keeps.
    pub at: i64,
    /// The counter's value.
    pub value: f64,
}

/// The scrapes of one counter, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: Vec<Sample>,
}

impl Series {
    /// Takes in a scrape; one that is not newer than the last is refused, as Prometheus refuses it.
    pub fn push(&mut self, at: i64, value: f64) {
        if self.samples.last().is_none_or(|last| last.at < at) {
            self.samples.push(Sample { at, value });
        }
    }

    /// Forgets what no window that starts at this moment, or later, will ask for.
    pub fn forget_until(&mut self, at: i64) {
        let old = self.samples.partition_point(|sample| sample.at <= at);
        self.samples.drain(..old);
    }

    /// Whether it has no scrape that a window may still ask for.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// What a function has of it at this moment, over a window, both in milliseconds.
    pub fn value(&self, function: Function, at: i64, window: i64) -> Option<f64> {
        function.of(&self.samples, at, window)
    }
}

/// `irate(x[window])`, likewise.
///
/// Source: `instantValue` in `promql/functions.go` of Prometheus 3.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a load test")]
fn irate(samples: &[Sample], at: i64, window: i64) -> Option<f64> {
    let [.., before, last] = within(samples, at, window)? else { return None };
    // A counter that falls was reset to 0 in between.
    let increase = if last.value < before.value { last.value } else { last.value - before.value };
    Some(increase / ((last.at - before.at) as f64 / 1000.0))
}

/// The samples of a window, which is open on its left: (at − window, at].
fn within(samples: &[Sample], at: i64, window: i64) -> Option<&[Sample]> {
    let from = samples.partition_point(|sample| sample.at <= at - window);
    let to = samples.partition_point(|sample| sample.at <= at);
    samples.get(from..to)
}

/// `rate(x[window])` at a moment, both in milliseconds, over samples in their order.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a load test, and samples of a window")]
fn rate(samples: &[Sample], at: i64, window: i64) -> Option<f64> {
    let inside = within(samples, at, window)?;
    let [first, .., last] = inside else { return None };

    // A counter that falls was reset to 0 in between.
    let dropped: f64 = inside.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
    let increase = last.value - first.value + dropped;

    let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
    let span = seconds(last.at - first.at);
    let between = span / (inside.len() - 1) as f64;
    // A border as near as the next scrape would be is reached; beyond one that is further away, the series is taken to
    // start or end half an interval from its outermost sample.
    let reach = |distance: f64| if distance >= between * 1.1 { between / 2.0 } else { distance };
    let mut to_start = reach(seconds(first.at - (at - window)));
    if increase > 0.0 && first.value >= 0.0 {
        // A counter was never below 0.
        to_start = to_start.min(span * (first.value / increase));
    }
    let to_end = reach(seconds(at - last.at));
    Some(increase * ((span + to_start + to_end) / span / seconds(window)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[(i64, f64)]) -> Series {
        let mut series = Series::default();
        for &(at, value) in samples {
            series.push(at, value);
        }
        series
    }

    #[test]
    fn fewer_than_two_samples_have_no_rate() {
        assert_eq!(series(&[]).value(Function::Rate, 60_000, 60_000), None);
        assert_eq!(series(&[(30_000, 4.0)]).value(Function::Rate, 60_000, 60_000), None);
    }

    #[test]
    fn the_window_is_open_on_its_left() {
        let series = series(&[(0, 1.0), (60_000, 61.0)]);
        assert_eq!(series.value(Function::Rate, 60_000, 60_000), None);
        assert_eq!(series.value(Function::Rate, 60_000, 60_001).map(|rate| (rate * 1e6).round()), Some(1_000_000.0));
    }

    #[test]
    fn a_series_of_a_pod_that_has_gone_fades_out_of_the_window() {
        let series = series(&[(0, 0.0), (5_000, 10.0), (10_000, 20.0)]);
        let rates: Vec<_> =
            [10_000, 60_000, 124_999, 125_000].map(|at| series.value(Function::Rate, at, 120_000)).into();
        assert_eq!(rates[0], Some(20.0 / 120.0));
        // Half an interval beyond the last sample, and no more.
        assert_eq!(rates[1], Some(20.0 * (12.5 / 10.0 / 120.0)));
        assert!(rates[2].is_some());
        assert_eq!(rates[3], None);
    }

    #[test]
    fn what_was_counted_before_a_reset_is_not_lost() {
        let series = series(&[(5_000, 100.0), (10_000, 110.0), (15_000, 4.0), (20_000, 14.0)]);
        assert_eq!(series.value(Function::Rate, 20_000, 20_000), Some(24.0 * (20.0 / 15.0 / 20.0)));
    }

    #[test]
    fn a_series_that_starts_in_the_window_starts_half_an_interval_early_or_at_its_zero_point() {
        // Four seconds before its first sample it was 0: further away than half an interval.
        let far = series(&[(100_000, 8.0), (105_000, 18.0), (110_000, 28.0), (120_000, 48.0)]);
        let between = 20.0 / 3.0;
        assert_eq!(far.value(Function::Rate, 120_000, 60_000), Some(40.0 * ((20.0 + between / 2.0) / 20.0 / 60.0)));
        // And here one second before.
        let near = series(&[(100_000, 2.0), (105_000, 12.0), (110_000, 22.0), (120_000, 42.0)]);
        assert_eq!(near.value(Function::Rate, 120_000, 60_000), Some(40.0 * (21.0 / 20.0 / 60.0)));
    }

    #[test]
    fn irate_is_of_the_last_two_samples() {
        let of = |samples: &[(i64, f64)]| series(samples).value(Function::Irate, 60_000, 60_000);
        assert_eq!(of(&[(40_000, 0.0), (50_000, 100.0), (55_000, 110.0)]), Some(2.0));
        assert_eq!(of(&[(50_000, 100.0), (55_000, 10.0)]), Some(2.0));
        assert_eq!([of(&[]), of(&[(0, 1.0), (55_000, 10.0)])], [None, None]);
    }

    #[test]
    fn what_is_forgotten_is_out_of_the_window() {
        let mut series = series(&[(0, 0.0), (5_000, 1.0), (10_000, 2.0), (15_000, 3.0)]);
        let before = series.value(Function::Rate, 15_000, 10_000);
        series.forget_until(5_000);
        assert_eq!((series.samples.len(), series.value(Function::Rate, 15_000, 10_000)), (2, before));
    }
}
