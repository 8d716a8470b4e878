//! A closed loop instead of stages.

use std::time::Duration;

use clap::Args;

use super::values::duration;
use super::{Expected, Load};
use crate::bounds::IN_FLIGHT;
use crate::error::Error;
use crate::journal::Clients;
use crate::profile::Profile;

/// Where its flags stand in the help: after the stages.
const LAST: usize = 1_000;

/// A closed loop.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Closed {
    /// A closed loop instead of stages: each client sends its next request when its last one is answered, as with wrk and
    /// hey. Its latency leaves out the delay that slow answers cause (coordinated omission)
    #[arg(
        long, value_name = "COUNT", display_order = LAST,
        value_parser = clap::value_parser!(u32).range(1..=i64::try_from(IN_FLIGHT).unwrap_or(i64::MAX)),
        conflicts_with_all = ["spacing", "max_in_flight", "generators"]
    )]
    clients: Option<u32>,

    /// How long the clients send, such as 30s
    #[arg(long, value_name = "DURATION", display_order = LAST, value_parser = duration)]
    duration: Option<Duration>,

    /// How long a client waits between an answer and its next request. By default, it does not wait
    #[arg(long, value_name = "DURATION", display_order = LAST, value_parser = duration)]
    think_time: Option<Duration>,
}

impl Closed {
    /// The clients, and a profile of their duration; none if stages are sent.
    pub fn read(&self, load: &Load, expected: &Expected) -> Result<Option<(Clients, Profile)>, Error> {
        let usage = |text: &str| Err(Error::Usage(text.to_owned()));
        let Some(count) = self.clients else {
            let flags = [("--duration", self.duration), ("--think-time", self.think_time)];
            return match flags.iter().find(|(_, value)| value.is_some()) {
                Some((flag, _)) => usage(&format!(
                    "{flag} needs --clients COUNT: a load of stages has its durations in them, such as --stage 15rps:3m"
                )),
                None => Ok(None),
            };
        };
        if load.is_given() {
            return usage(
                "--clients is a closed loop, whose rate depends on the answers: replace --stage or --profile with \
                 --duration, such as --clients 16 --duration 30s",
            );
        }
        let Some(duration) = self.duration else {
            return usage("--clients needs --duration, such as --clients 16 --duration 30s");
        };
        if expected.has_time_to_scale() {
            return usage(
                "--scaled-within needs --stage: a closed loop has no known rate, and so no moment from which to count",
            );
        }
        let think_time = self.think_time.unwrap_or_default().as_secs_f64();
        Ok(Some((Clients { count, think_time }, Profile::silence(duration.as_secs_f64()))))
    }
}
