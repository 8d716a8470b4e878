//! The clients of a closed loop.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests on one connection without a limit: the largest number that every reader of JSON holds exactly.
pub const UNLIMITED: u64 = (1 << 53) - 1;

/// The clients of a closed loop (`--clients`). Each sends its next request when its last one has ended, as wrk and hey do.
/// A slow answer therefore delays the requests after it, and that delay is in no latency (coordinated omission).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// How many.
    pub count: u32,
    /// How many seconds a client waits between the end of a request and its next one.
    pub think_time: f64,
}

impl Clients {
    /// How long a client waits.
    pub fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(self.think_time).unwrap_or_default()
    }
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, think_time } = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} client{plural}")?;
        if *think_time > 0.0 {
            write!(f, " with a think time of {}", humantime::format_duration(self.pause()))?;
        }
        Ok(())
    }
}
