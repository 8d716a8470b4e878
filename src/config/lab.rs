//! The settings for faults and load on demand.

use std::time::Duration;

use clap::ArgAction;

use super::{count, duration};

/// Faults and load, for lessons and tests of an autoscaler. The default allows nothing.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Lab")]
pub struct LabSettings {
    /// Allow requests that change or load the service: faults, readiness, /burn, /allocate, /panic. Without it, they get 403
    #[arg(
        long,
        env = "SHOPFRONT_LAB",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub lab: bool,

    /// CPU time that each client request uses, so that CPU rises with requests per second
    #[arg(long, env = "SHOPFRONT_WORK", value_name = "DURATION", value_parser = work, default_value = "0s")]
    pub work: Duration,

    /// How long /readyz fails after the start
    #[arg(long, env = "SHOPFRONT_READY_AFTER", value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub ready_after: Duration,

    /// Delay each client request by a random time of up to 5s
    #[arg(
        long,
        env = "SHOPFRONT_RANDOM_DELAY",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub random_delay: bool,

    /// Answer a random third of client requests with 500, 400 or 409
    #[arg(
        long,
        env = "SHOPFRONT_RANDOM_ERROR",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub random_error: bool,

    /// The maximum that /allocate holds, in MiB; less if three quarters of the memory limit would be exceeded
    #[arg(long, env = "SHOPFRONT_MAX_ALLOCATE_MIB", value_name = "MIB", value_parser = count(1, 65_536), default_value = "64")]
    pub max_allocate_mib: usize,
}

/// More would keep the processor for longer than a client waits.
fn work(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(1);
    match duration(text)? {
        work if work <= MAX => Ok(work),
        _ => Err("must be at most 1s".to_owned()),
    }
}
