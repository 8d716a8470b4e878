//! The load, and how it is sent.

use std::time::Duration;

use clap::Args;

use super::values::{duration, per_connection};
use crate::bounds::{GENERATORS, IN_FLIGHT, THREADS};
use crate::error::Error;
use crate::journal::UNLIMITED;
use crate::profile::{Profile, Spacing, Stage};
use crate::schedule::Share;

/// The load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// A stage, such as 15rps:3m, 0:6m or 2rps..15rps:1m. Can be repeated
    #[arg(long = "stage", value_name = "RATE:DURATION", allow_hyphen_values = true, conflicts_with = "profile")]
    stages: Vec<Stage>,

    /// A profile made from the HPA: idle, just below its target, just above its tolerance, enough for its maximum, then a
    /// trickle until its minimum. This is the default if an HPA is known
    #[arg(long, value_name = "NAME", value_parser = ["hpa"])]
    profile: Option<String>,
}

/// How load is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sending")]
pub struct Sending {
    /// The spacing of requests
    #[arg(long, value_name = "SPACING", value_enum, default_value_t = Spacing::Even)]
    pub spacing: Spacing,

    /// Seed of random spacing, which is 1 by default, and of the numbers for {{random}}, which differ from run to run by default
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Requests on a connection before it is closed, or `all`. With more than 1, a client stays on one pod. By default 1,
    /// and with --clients all: one connection a client
    #[arg(long, value_name = "COUNT|all", value_parser = per_connection)]
    requests_per_connection: Option<u64>,

    /// Use HTTP/2: agreed by ALPN with https://, with prior knowledge otherwise
    #[arg(long)]
    pub http2: bool,

    /// Maximum number of requests in flight. A request that is due beyond that is dropped, and counted as dropped
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT))]
    pub max_in_flight: u64,

    /// Time for an answer, after which the request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,

    /// Number of threads that share the load. By default, one for each 1,000 requests per second, up to the number of cores;
    /// in a rehearsal, 1
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(THREADS)))]
    pub threads: Option<u32>,

    /// Number of generators that share the load. Each sends its own part of the schedule
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=i64::from(GENERATORS)))]
    pub generators: u32,

    /// Which of the generators this is, counted from 0. An Indexed Job sets it
    #[arg(long, value_name = "INDEX", env = "JOB_COMPLETION_INDEX", default_value = "0")]
    pub generator: u32,
}

impl Load {
    /// Whether stages or a profile are given.
    pub fn is_given(&self) -> bool {
        !self.stages.is_empty() || self.profile.is_some()
    }

    /// The given stages; none means the profile that is made from the HPA.
    pub fn stages(&self) -> Option<Profile> {
        (!self.stages.is_empty()).then(|| Profile { stages: self.stages.clone() })
    }
}

impl Sending {
    /// Requests on a connection: by default one, and as many as there are where clients keep theirs.
    pub fn requests_per_connection(&self, is_closed_loop: bool) -> u64 {
        self.requests_per_connection.unwrap_or(if is_closed_loop { UNLIMITED } else { 1 })
    }

    /// This generator's part of the schedule.
    pub fn share(&self) -> Result<Share, Error> {
        let Self { generator, generators, .. } = self;
        Share::new(*generator, *generators).ok_or_else(|| {
            Error::Usage(format!(
                "--generator is {generator}, and must be less than --generators, which is {generators}"
            ))
        })
    }
}
