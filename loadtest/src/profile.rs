//! A load profile: stages of a constant or steadily changing rate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bounds::{DAY, LOAD, RATE, STAGES};

/// One part of a profile. Written `15rps:3m`, or `2rps..15rps:1m` if the rate changes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
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

/// Whether requests come at equal or at random intervals.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Spacing {
    /// Requests at equal intervals.
    #[default]
    Even,
    /// Requests at random intervals, as independent clients send them: a Poisson process.
    Poisson,
}

const EXAMPLE: &str = "a stage is RATE:DURATION, such as 15rps:3m, 0:6m or 2rps..15rps:1m";

/// Why a text is not a stage.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum StageError {
    /// It has no colon.
    #[error("{0:?} has no colon: {EXAMPLE}")]
    NoColon(String),
    /// Its rate is not a rate.
    #[error("{0:?} is not a rate from 0 to {max} requests per second: {EXAMPLE}", max = RATE.end())]
    Rate(String),
    /// Its duration is not a duration.
    #[error("{0:?} is not a duration ({1}): {EXAMPLE}")]
    Duration(String, humantime::DurationError),
    /// The duration is 0, or too long.
    #[error("{0:?}: a stage must be longer than 0 and at most a day: {EXAMPLE}")]
    Length(String),
}

/// Why a load cannot be sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ProfileError {
    /// No stage sends anything.
    #[error("no request would be sent: at least one stage needs a rate above 0, such as 15rps:3m")]
    Empty,
    /// It has too many stages, or takes too long.
    #[error("the load is too long: it can have {STAGES} stages and last {} days", LOAD / DAY)]
    TooLong,
}

impl FromStr for Stage {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        let (rate, duration) = text.split_once(':').ok_or_else(|| StageError::NoColon(text.to_owned()))?;
        let (from, to) = rate.split_once("..").unwrap_or((rate, rate));
        let number = |text: &str| {
            let text = text.trim();
            let number = text.strip_suffix("rps").or(text.strip_suffix("/s")).unwrap_or(text);
            let rate = number.parse::<f64>();
            rate.ok()
                .filter(|rate| RATE.contains(rate))
                // Not -0, which would be displayed so.
                .map(f64::abs)
                .ok_or_else(|| StageError::Rate(text.to_owned()))
        };
        let seconds =
            humantime::parse_duration(duration).map_err(|error| StageError::Duration(duration.to_owned(), error))?;
        if seconds.is_zero() || seconds.as_secs_f64() > DAY {
            return Err(StageError::Length(duration.to_owned()));
        }
        Ok(Self { from: number(from)?, to: number(to)?, seconds: seconds.as_secs_f64() })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = humantime::format_duration(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
        let duration = duration.to_string().replace(' ', "");
        if (self.from - self.to).abs() < f64::EPSILON {
            write!(f, "{}rps:{duration}", self.from)
        } else {
            write!(f, "{}rps..{}rps:{duration}", self.from, self.to)
        }
    }
}

impl FromStr for Profile {
    type Err = StageError;

    /// Stages with spaces between them. An error names the stage.
    fn from_str(text: &str) -> Result<Self, StageError> {
        Ok(Self { stages: text.split_whitespace().map(str::parse).collect::<Result<_, _>>()? })
    }
}

impl Profile {
    /// A time without requests of its own: that of a closed loop.
    pub fn silence(seconds: f64) -> Self {
        Self { stages: vec![Stage { from: 0.0, to: 0.0, seconds }] }
    }

    /// Whether it sends anything at all.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.due_by(self.seconds()) > 0.0 { Ok(()) } else { Err(ProfileError::Empty) }
    }

    /// Whether it is short enough.
    pub fn is_bounded(&self) -> Result<(), ProfileError> {
        if self.stages.len() > STAGES || self.seconds() > LOAD { Err(ProfileError::TooLong) } else { Ok(()) }
    }

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

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "sums of small whole numbers and halves are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_profile_can_be_parsed() {
        for text in ["15rps:3m", "0rps:6m", "2rps..15rps:1m", "0.5rps:1h30m", "1rps:250us", "1000000rps:1day 0rps:1s"] {
            let stages: Vec<String> = text.parse::<Profile>().unwrap().stages.iter().map(Stage::to_string).collect();
            assert_eq!(stages.join(" "), text);
        }
        assert_eq!("15:3m".parse::<Stage>(), "15/s:180s".parse());
        assert_eq!("-0:1s".parse::<Stage>().unwrap().to_string(), "0rps:1s");
    }

    #[test]
    fn an_invalid_stage_gets_an_error_with_an_example() {
        for wrong in
            ["", "15", "15rps", ":3m", "15rps:", "-1rps:1s", "NaN:1s", "inf:1s", "2e6rps:1s", "1rpsrps:1s", "1:0s"]
                .into_iter()
                .chain(["1:25h", "1:1x", "1..:1s", "1..2..3:1s"])
        {
            let error = wrong.parse::<Stage>().unwrap_err();
            assert!(error.to_string().contains("such as 15rps:3m"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_profile_without_requests_is_refused() {
        assert!("0:6m 1rps:1s".parse::<Profile>().unwrap().check().is_ok());
        for nothing in ["", "0:6m", "0rps:1s 0..0:5s"] {
            assert_eq!(nothing.parse::<Profile>().unwrap().check(), Err(ProfileError::Empty), "{nothing}");
        }
    }

    #[test]
    fn rate_and_integral_agree_at_and_between_the_boundaries() {
        let profile: Profile = "2rps..4rps:2s 0:1s 3rps:2s".parse().unwrap();
        assert_eq!(profile.seconds(), 5.0);
        assert_eq!([-1.0, 0.0, 1.0, 2.0, 3.0, 5.0].map(|at| profile.rate_at(at)), [0.0, 2.0, 3.0, 0.0, 3.0, 0.0]);
        assert_eq!(
            [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0].map(|at| profile.due_by(at)),
            [0.0, 0.0, 2.5, 6.0, 6.0, 9.0, 12.0]
        );
    }
}
