//! Limits of a load and an autoscaler, whether they come from the command line, a manifest, a cluster, or a journal
//! that anybody may have written. Beyond these limits, figures cannot be drawn, and the model would calculate for
//! hours.

use std::ops::RangeInclusive;

/// A day in seconds: the longest stage, period or delay.
pub const DAY: f64 = 86_400.0;

/// The longest load, in seconds: a week.
pub const LOAD: f64 = 7.0 * DAY;

/// The maximum number of stages of a load.
pub const STAGES: usize = 500;

/// Requests per second.
pub const RATE: RangeInclusive<f64> = 0.0..=1e6;

/// The maximum number of replicas.
pub const REPLICAS: u32 = 10_000;

/// The maximum number of generators that share a load.
pub const GENERATORS: u32 = 1_000;

/// The maximum number of different requests of a load.
pub const MIX: usize = 1_000;

/// The maximum number of threads of a generator.
pub const THREADS: u32 = 256;

/// The highest limit of requests in flight.
pub const IN_FLIGHT: u64 = 50_000;

/// Rehearsed seconds per second.
pub const SPEED: RangeInclusive<f64> = 1.0..=60.0;

/// Seconds between two scrapes, or two syncs of the HPA, and the window of a rate.
pub const PERIOD: RangeInclusive<f64> = 0.1..=DAY;

/// A metric's target: the controller calculates in thousandths.
pub const TARGET: RangeInclusive<f64> = 0.001..=1e15;

/// A number that is out of its bounds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} is {value}, and must be from {min} to {max}")]
pub struct OutOfBounds {
    name: String,
    value: String,
    min: String,
    max: String,
}

/// Whether a number is within a range.
pub fn within<T: Copy + PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), OutOfBounds> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(OutOfBounds {
        name: name.to_owned(),
        value: value.to_string(),
        min: range.start().to_string(),
        max: range.end().to_string(),
    })
}
