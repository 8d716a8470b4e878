//! What is expected of a run, and what is written where.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{duration, max_failed};
use crate::bounds::REPLICAS;
use crate::error::Error;
use crate::journal::{Expectations, MaxFailed, Threshold};

/// What is expected of the run. By default, at least 99 % of the offered requests are sent, and none fails.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Expectations")]
pub struct Expected {
    /// At least this many replicas must become ready
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=i64::from(REPLICAS)))]
    expect_replicas: Option<u32>,

    /// The replicas must return to the HPA's minimum
    #[arg(long)]
    expect_scale_in: bool,

    /// The expected replicas must be ready this soon after the load needs them
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "expect_replicas")]
    scaled_within: Option<Duration>,

    /// At most this many requests may fail, or this share of those sent, such as 0.1%
    #[arg(long, value_name = "COUNT|PERCENT%", value_parser = max_failed, allow_hyphen_values = true)]
    max_failed: Option<MaxFailed>,

    /// Do not expect that at least 99 % of the offered requests are sent, and that none fails
    #[arg(long)]
    no_default_expectations: bool,

    /// Maximum of the median latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p50: Option<Duration>,

    /// Maximum of the 90th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p90: Option<Duration>,

    /// Maximum of the 99th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p99: Option<Duration>,
    /// A threshold in k6's form: p(99)<50ms, avg<20ms, failed<1%, dropped<10 or rate>=100, of one stage with
    /// p(95){stage:2}<200ms. Can be repeated
    #[arg(long = "threshold", value_name = "MEASURE<LIMIT")]
    thresholds: Vec<Threshold>,
}

/// What is written where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Folder for report.html, report.json and journal.jsonl. If it contains a report already, they go to DIR-2
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the journal, as JSON lines, instead of a live view
    #[arg(long)]
    pub json: bool,

    /// Write the verdict and the figures to a JSON file (loadtest/summary.schema.json); it is overwritten
    #[arg(long, value_name = "FILE")]
    pub summary_export: Option<PathBuf>,

    /// The checks for a CI system.
    #[arg(
        long,
        value_name = "FILE",
        help = "Write the checks to an XML file in the form of JUnit, for a CI system; it is overwritten"
    )]
    pub junit: Option<PathBuf>,

    /// Serve the run as it goes on, for Prometheus, at http://IP:PORT/metrics
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_address: Option<SocketAddr>,
}

impl Expected {
    /// Checks that nothing is expected of an HPA, where none is watched.
    pub fn without_hpa(&self) -> Result<(), Error> {
        let flag = match self {
            Self { expect_replicas: Some(_), .. } => "--expect-replicas",
            Self { expect_scale_in: true, .. } => "--expect-scale-in",
            _ => return Ok(()),
        };
        Err(Error::Usage(format!("{flag} needs an HPA to watch: add --hpa NAMESPACE/NAME")))
    }

    /// Whether the replicas must be ready within a time, which counts from the moment at which the profile needs them.
    pub fn has_time_to_scale(&self) -> bool {
        self.scaled_within.is_some()
    }

    /// Checks that each threshold is about a stage that the load has.
    pub fn of_stages(&self, stages: usize) -> Result<(), Error> {
        let beyond = self.thresholds.iter().find(|threshold| threshold.stage.is_some_and(|stage| stage > stages));
        let Some(threshold) = beyond else { return Ok(()) };
        let what = if stages == 1 { "1 stage".to_owned() } else { format!("{stages} stages") };
        Err(Error::Usage(format!("--threshold '{threshold}': the load has {what}, counted from 1")))
    }

    /// In the journal's form.
    pub fn expectations(&self) -> Expectations {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        let latency = [(50.0, self.p50), (90.0, self.p90), (99.0, self.p99)];
        Expectations {
            replicas: self.expect_replicas,
            max_failed: self.max_failed,
            latency: latency.into_iter().filter_map(|(percentile, max)| Some((percentile, seconds(max)?))).collect(),
            scaled_within: seconds(self.scaled_within),
            scale_in: self.expect_scale_in,
            defaults: !self.no_default_expectations,
            thresholds: self.thresholds.clone(),
        }
    }
}
