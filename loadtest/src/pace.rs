//! How long something takes in a rehearsal that compresses time.
//!
//! A rehearsal at speed 20 sends a request that is due in 20 seconds after one second. So whatever waits has to wait a
//! twentieth of its time: a timeout of 10 s ends after half a second. But the machine's own work does not become faster. A
//! request that takes a millisecond at speed 1 takes a millisecond at speed 20, and 20 ms would be a wrong answer.
//! Therefore the first [`OWN`] of any time count as they are, and only what is beyond them is stretched.

use std::time::Duration;

/// The machine's own work: a request or a probe of a replica that does not wait takes less, even on a busy machine. A wait
/// is reported shorter by at most this much of each real second that is rehearsed in one: 0.4 s at speed 20.
pub const OWN: Duration = Duration::from_millis(20);

/// Converts between real and rehearsed durations.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: f64,
}

impl Pace {
    /// With so many rehearsed seconds in a real one; 1 converts nothing.
    pub const fn new(speed: f64) -> Self {
        Self { speed }
    }

    /// The rehearsed duration of what took this long.
    pub fn rehearsed(self, real: Duration) -> Duration {
        real.min(OWN) + real.saturating_sub(OWN).mul_f64(self.speed)
    }

    /// The real duration in which something takes this long in the rehearsal.
    pub fn real(self, rehearsed: Duration) -> Duration {
        rehearsed.min(OWN) + rehearsed.saturating_sub(OWN).div_f64(self.speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_real_and_waits_are_stretched() {
        let millis = Duration::from_millis;
        for (speed, real, rehearsed) in [(1.0, 500, 500), (20.0, 3, 3), (20.0, 20, 20), (20.0, 519, 10_000)] {
            let pace = Pace::new(speed);
            assert_eq!(pace.rehearsed(millis(real)), millis(rehearsed), "{speed}");
            assert_eq!(pace.real(millis(rehearsed)), millis(real), "{speed}");
        }
        let wait = Duration::from_secs(10);
        let shown = Pace::new(20.0).rehearsed(wait / 20);
        assert_eq!(shown + millis(380), wait, "a wait of ten seconds at speed 20 is shown shorter");
    }
}
