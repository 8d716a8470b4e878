//! Whether `/readyz` succeeds while the service is ready: from some time after the start, and not while it is disabled.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// It follows the time since the start.
const BY_TIME: u8 = 0;
const ENABLED: u8 = 1;
const DISABLED: u8 = 2;

/// What is added to the lifecycle's phase.
pub struct Readiness {
    state: AtomicU8,
    from: Instant,
}

impl Readiness {
    /// Not ready for this long.
    pub fn after(delay: Duration) -> Self {
        Self { state: AtomicU8::new(BY_TIME), from: Instant::now() + delay }
    }

    /// Enables or disables readiness from now on.
    pub fn set(&self, is_enabled: bool) {
        self.state.store(if is_enabled { ENABLED } else { DISABLED }, Relaxed);
    }

    /// Whether a request disabled it.
    pub fn is_disabled(&self) -> bool {
        self.state.load(Relaxed) == DISABLED
    }

    /// Whether the time after the start has passed, or a request enabled it.
    pub fn has_begun(&self) -> bool {
        self.state.load(Relaxed) != BY_TIME || self.from <= Instant::now()
    }
}
