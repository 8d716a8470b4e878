//! Faults and load on demand: what `--lab` allows requests to do, and what the other lab settings do to each client request.
//! If none is set, no layer of this module is in the path of a request.

mod allocate;
mod burn;
mod fault;
mod interference;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::LabSettings;
use crate::error::Rejection;
use crate::lifecycle::{Lifecycle, Phase};
use crate::routes::digits;
pub use allocate::Allocations;
pub use burn::Burner;
pub use fault::{Fault, Faults};
pub use interference::interfere;

/// How many requests may wait on purpose at a time: for `/delay`, `/chunked`, the delays of faults and `--random-delay`.
const MAX_WAITING: usize = 256;

/// The state of faults and load.
pub struct Lab {
    settings: LabSettings,
    /// The maximum of every delay: a request that takes longer gets 408.
    max_delay: Duration,
    waiting: Arc<Semaphore>,
    /// The faults that requests set.
    pub faults: Faults,
    /// CPU time.
    pub burner: Burner,
    /// Memory.
    pub allocations: Allocations,
}

impl Default for Lab {
    /// Nothing is allowed.
    fn default() -> Self {
        const MAX_DELAY: Duration = Duration::from_secs(10);
        Self::new(LabSettings::default(), MAX_DELAY)
    }
}

impl Lab {
    /// A lab with these settings, in which nothing takes longer than `max_delay`.
    pub fn new(settings: LabSettings, max_delay: Duration) -> Self {
        Self {
            settings,
            max_delay,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            faults: Faults::default(),
            burner: Burner::default(),
            allocations: Allocations::new(settings.max_allocate_mib),
        }
    }

    /// Whether requests may change or load the service.
    pub fn is_enabled(&self) -> bool {
        self.settings.lab
    }

    /// Whether client requests may get a fault or use CPU time.
    pub fn may_interfere(&self) -> bool {
        let LabSettings { lab, work, random_delay, random_error, .. } = self.settings;
        lab || random_delay || random_error || work > Duration::ZERO
    }

    /// A time from a path, such as `2` for seconds or `250ms`, that is not too long.
    pub fn delay_of(&self, text: &str) -> Result<Duration, Rejection> {
        let seconds = || digits(text).map(Duration::from_secs);
        let delay = seconds().or_else(|| humantime::parse_duration(text).ok());
        self.checked(delay.ok_or(Rejection::Invalid("expected seconds, or a duration such as 250ms"))?)
    }

    /// The time, unless it is too long.
    pub fn checked(&self, time: Duration) -> Result<Duration, Rejection> {
        if time <= self.max_delay {
            Ok(time)
        } else {
            Err(Rejection::Invalid("this takes longer than --request-timeout allows"))
        }
    }

    /// A place among the requests that wait on purpose.
    pub fn place_to_wait(&self) -> Result<OwnedSemaphorePermit, Rejection> {
        Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Rejection::Busy)
    }
}

/// Waits, but no longer than until the service stops.
pub async fn wait(time: Duration, lifecycle: &Lifecycle) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = lifecycle.reached(Phase::Stopping) => {}
    }
}
