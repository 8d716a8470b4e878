//! Thresholds, in the form that k6's users know: `p(99)<50ms`, `failed<1%`, `p(95){stage:2}<200ms`.

use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds::{DAY, STAGES};

/// A threshold of the whole load, or of one stage.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// What is measured.
    pub measure: Measure,
    /// The stage, counted from 1; absent for the whole load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// How the measure must compare with the limit.
    pub order: Order,
    /// The limit.
    pub limit: Limit,
}

/// What a threshold measures.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// A percentile of the latency, from 0 to 100: `p(99)`, `med`, `min`, `max`.
    Latency {
        /// The percentile.
        percentile: f64,
    },
    /// The mean latency: `avg`.
    Mean,
    /// Requests that failed: `failed`.
    Failed,
    /// Requests that were offered and never sent: `dropped`.
    Dropped,
    /// Requests that succeeded, per second: `rate`.
    Rate,
}

/// How a measure must compare with a limit.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Order {
    /// Below it.
    #[serde(rename = "<")]
    Below,
    /// Not above it.
    #[serde(rename = "<=")]
    AtMost,
    /// Above it.
    #[serde(rename = ">")]
    Above,
    /// Not below it.
    #[serde(rename = ">=")]
    AtLeast,
}

/// A limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// A latency.
    Seconds(f64),
    /// A share of the requests.
    Percent(f64),
    /// A number of requests, or of requests per second.
    Count(f64),
}

impl Limit {
    /// The bare number.
    pub const fn number(self) -> f64 {
        match self {
            Self::Seconds(number) | Self::Percent(number) | Self::Count(number) => number,
        }
    }
}

impl Order {
    /// Whether a value compares like that with a limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Latency { percentile } if *percentile <= 0.0 => f.write_str("min"),
            Self::Latency { percentile } if *percentile >= 100.0 => f.write_str("max"),
            Self::Latency { percentile } => write!(f, "p({percentile})"),
            Self::Mean => f.write_str("avg"),
            Self::Failed => f.write_str("failed"),
            Self::Dropped => f.write_str("dropped"),
            Self::Rate => f.write_str("rate"),
        }
    }
}

impl Display for Threshold {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { measure, stage, order, limit } = self;
        write!(f, "{measure}")?;
        if let Some(stage) = stage {
            write!(f, "{{stage:{stage}}}")?;
        }
        f.write_str(order.sign())?;
        match limit {
            Limit::Seconds(seconds) => {
                // A duration is written as it was given: rounded to its microseconds, not as a float.
                #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "at most a day")]
                let micros = Duration::from_micros((seconds * 1e6).round() as u64);
                write!(f, "{}", humantime::format_duration(micros))
            }
            Limit::Percent(percent) => write!(f, "{percent}%"),
            Limit::Count(count) => write!(f, "{count}"),
        }
    }
}

/// Why a text is not a threshold.
#[derive(Debug, thiserror::Error)]
pub enum ThresholdError {
    /// It has another form.
    #[error("{0:?} is not a threshold: it looks like p(99)<50ms, failed<1% or p(95){{stage:2}}<200ms")]
    Form(String),
    /// Nothing of this name is measured.
    #[error("{0:?} is not measured: give p(N), med, avg, min, max, failed, dropped or rate")]
    Measure(String),
    /// The percentile is none.
    #[error("{0:?} is not a percentile: p(N) takes a number from 0 to 100")]
    Percentile(String),
    /// The stage is none.
    #[error("{0:?} is not a stage: {{stage:N}} takes its number, counted from 1")]
    Stage(String),
    /// The limit does not suit the measure.
    #[error("{limit:?} is not a limit of {measure}: give {expected}")]
    Limit {
        /// The text.
        limit: String,
        /// What is measured.
        measure: Measure,
        /// What the limit of this measure looks like.
        expected: &'static str,
    },
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let at = text.find(['<', '>']).ok_or_else(|| ThresholdError::Form(text.to_owned()))?;
        let (left, right) = (text[..at].trim(), &text[at..]);
        let orders = [("<=", Order::AtMost), (">=", Order::AtLeast), ("<", Order::Below), (">", Order::Above)];
        let (order, right) = orders
            .into_iter()
            .find_map(|(sign, order)| Some((order, right.strip_prefix(sign)?.trim())))
            .ok_or_else(|| ThresholdError::Form(text.to_owned()))?;
        let (name, stage) = match left.split_once('{') {
            None => (left, None),
            Some((name, tag)) => {
                let number = tag.strip_suffix('}').and_then(|tag| tag.trim().strip_prefix("stage:")).map(str::trim);
                let stage = number.and_then(|number| number.parse().ok()).filter(|stage| (1..=STAGES).contains(stage));
                (name.trim(), Some(stage.ok_or_else(|| ThresholdError::Stage(format!("{{{tag}")))?))
            }
        };
        let measure = measure(name)?;
        let limit = limit(right, measure)?;
        Ok(Self { measure, stage, order, limit })
    }
}

fn measure(name: &str) -> Result<Measure, ThresholdError> {
    Ok(match name {
        "med" => Measure::Latency { percentile: 50.0 },
        "min" => Measure::Latency { percentile: 0.0 },
        "max" => Measure::Latency { percentile: 100.0 },
        "avg" => Measure::Mean,
        "failed" => Measure::Failed,
        "dropped" => Measure::Dropped,
        "rate" => Measure::Rate,
        _ => {
            let Some(number) = name.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')')) else {
                return Err(ThresholdError::Measure(name.to_owned()));
            };
            let percentile = number.trim().parse().ok().filter(|percentile| (0.0..=100.0).contains(percentile));
            Measure::Latency { percentile: percentile.ok_or_else(|| ThresholdError::Percentile(number.to_owned()))? }
        }
    })
}

fn limit(text: &str, measure: Measure) -> Result<Limit, ThresholdError> {
    let expected = match measure {
        Measure::Latency { .. } | Measure::Mean => "a duration, such as 50ms or 1s",
        Measure::Failed | Measure::Dropped => "a share, such as 1%, or a number of requests",
        Measure::Rate => "a number of requests per second",
    };
    let number = |text: &str, max: f64| text.trim().parse().ok().filter(|number| (0.0..=max).contains(number));
    let limit = match measure {
        Measure::Latency { .. } | Measure::Mean => {
            let duration = humantime::parse_duration(text).ok().map(|duration| duration.as_secs_f64());
            duration.filter(|seconds| *seconds <= DAY).map(Limit::Seconds)
        }
        Measure::Failed | Measure::Dropped => match text.strip_suffix('%') {
            Some(percent) => number(percent, 100.0).map(Limit::Percent),
            None => number(text, 1e12).map(Limit::Count),
        },
        Measure::Rate => number(text, 1e12).map(Limit::Count),
    };
    limit.ok_or_else(|| ThresholdError::Limit { limit: text.to_owned(), measure, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_written_as_they_are_read() {
        for text in [
            "p(99)<50ms",
            "p(99.9)<=1s 500ms",
            "max<1s",
            "min>1us",
            "avg<20ms",
            "failed<1%",
            "failed<=0",
            "dropped<0.5%",
            "rate>=100",
            "p(95){stage:2}<200ms",
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.to_string(), text);
        }
        let spaced: Threshold = " p( 90 ) { stage: 3 } >= 5 ms".replace("5 ms", "5ms").parse().unwrap();
        assert_eq!(spaced.to_string(), "p(90){stage:3}>=5ms");
        assert_eq!("med<1s".parse::<Threshold>().unwrap().to_string(), "p(50)<1s");
    }

    #[test]
    fn other_texts_are_refused_with_what_to_change() {
        for (text, part) in [
            ("", "is not a threshold"),
            ("p(99)", "is not a threshold"),
            ("p99<50ms", "is not measured"),
            ("http_req_duration<1s", "is not measured"),
            ("p(101)<50ms", "not a percentile"),
            ("p(NaN)<50ms", "not a percentile"),
            ("p(99){stage:0}<50ms", "not a stage"),
            ("p(99){stage:two}<50ms", "not a stage"),
            ("p(99)<50", "a duration, such as 50ms"),
            ("p(99)<1%", "a duration"),
            ("failed<101%", "a share, such as 1%"),
            ("failed<1s", "a share"),
            ("rate>1%", "requests per second"),
            ("failed<-1", "a share"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
