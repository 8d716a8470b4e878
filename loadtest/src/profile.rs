//! What load is asked for: stages of a rate that stays or that changes steadily.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One part of a profile. Written `15rps:3m`, or `2rps..15rps:1m` where the rate changes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Requests per second at its start.
    pub from: f64,
    /// Requests per second at its end; between them the rate changes in a straight line.
    pub to: f64,
    /// How long it lasts, in seconds.
    pub seconds: f64,
}

/// Stages, one after another.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Profile {
    /// In their order.
    pub stages: Vec<Stage>,
}

/// Whether requests come at even distances, or at random ones with the same mean.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Spacing {
    /// The i-th request is due when the rate's integral reaches i.
    #[default]
    Even,
    /// A Poisson process, as independent clients make it.
    Poisson,
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "a stage is RATE:DURATION, such as 15rps:3m, 0:6m or 2rps..15rps:1m";
        let (rate, duration) = text.split_once(':').ok_or_else(|| format!("{text:?} has no colon: {example}"))?;
        let (from, to) = rate.split_once("..").unwrap_or((rate, rate));
        let number = |text: &str| {
            let rate = text.trim().trim_end_matches("rps").trim_end_matches("/s").parse::<f64>();
            rate.ok()
                .filter(|rate| rate.is_finite() && (0.0..=1e6).contains(rate))
                .ok_or_else(|| format!("{text:?} is not a rate between 0 and 1000000 requests per second: {example}"))
        };
        let seconds = humantime::parse_duration(duration)
            .map_err(|error| format!("{duration:?} is not a duration ({error}): {example}"))?;
        if seconds.is_zero() || seconds > Duration::from_hours(24) {
            return Err(format!("{duration:?}: a stage lasts longer than nothing, and a day at most: {example}"));
        }
        Ok(Self { from: number(from)?, to: number(to)?, seconds: seconds.as_secs_f64() })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = humantime::format_duration(Duration::from_secs_f64((self.seconds * 1000.0).round() / 1000.0));
        if (self.from - self.to).abs() < f64::EPSILON {
            write!(f, "{}rps:{duration}", self.from)
        } else {
            write!(f, "{}rps..{}rps:{duration}", self.from, self.to)
        }
    }
}

impl Profile {
    /// Seconds from its start to its end.
    pub fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }

    /// Requests per second that are due at this moment; 0 before the start and after the end.
    pub fn rate_at(&self, at: f64) -> f64 {
        let mut start = 0.0;
        for stage in &self.stages {
            if at >= start && at < start + stage.seconds {
                return stage.from + (stage.to - stage.from) * (at - start) / stage.seconds;
            }
            start += stage.seconds;
        }
        0.0
    }

    /// Requests that are due before this moment: the integral of the rate.
    pub fn due_by(&self, at: f64) -> f64 {
        let mut start = 0.0;
        let mut due = 0.0;
        for stage in &self.stages {
            let into = (at - start).clamp(0.0, stage.seconds);
            due += stage.from * into + (stage.to - stage.from) * into * into / (2.0 * stage.seconds);
            start += stage.seconds;
        }
        due
    }
}
