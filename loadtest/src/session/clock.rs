//! The clock that all parts of a run share.

use std::time::{Duration, Instant};

use crate::pace::Pace;

/// Seconds since the load's start. A rehearsal's clock runs faster than real time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    speed: f64,
}

impl Clock {
    /// Starts at this moment, with this many seconds in a real second.
    pub fn new(start: Instant, speed: f64) -> Self {
        Self { start, speed }
    }

    /// Now, in this clock's seconds; below 0 before the start.
    pub fn now(&self) -> f64 {
        let now = Instant::now();
        let since = match now.checked_duration_since(self.start) {
            Some(since) => since.as_secs_f64(),
            None => -(self.start - now).as_secs_f64(),
        };
        since * self.speed
    }

    /// The real moment at which this clock shows `at` seconds.
    pub fn instant(&self, at: f64) -> Instant {
        // An earlier moment than the machine's start cannot be represented.
        if at < 0.0 { self.start.checked_sub(self.real(-at)).unwrap_or(self.start) } else { self.start + self.real(at) }
    }

    /// The real duration of this many of the clock's seconds.
    pub fn real(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds / self.speed).max(0.0))
    }

    /// How long something takes, in this clock's time.
    pub const fn pace(&self) -> Pace {
        Pace::new(self.speed)
    }

    /// Waits until this clock shows `at` seconds.
    pub async fn reaches(&self, at: f64) {
        tokio::time::sleep_until(self.instant(at).into()).await;
    }
}
