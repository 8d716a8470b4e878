//! Whether `/readyz` succeeds while the service is ready: from some time after the start, and not while it is disabled.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What requests have made of readiness.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Toggle {
    /// Nothing: it follows the time since the start.
    ByTime,
    /// A request enabled it.
    Enabled,
    /// A request disabled it.
    Disabled,
}

/// What is added to the lifecycle's phase.
pub struct Readiness {
    toggle: watch::Sender<Toggle>,
    from: Instant,
}

impl Readiness {
    /// Not ready for this long.
    pub fn after(delay: Duration) -> Self {
        Self { toggle: watch::Sender::new(Toggle::ByTime), from: Instant::now() + delay }
    }

    /// Enables or disables readiness from now on.
    pub fn set(&self, is_enabled: bool) {
        self.toggle.send_replace(if is_enabled { Toggle::Enabled } else { Toggle::Disabled });
    }

    /// Whether a request disabled it.
    pub fn is_disabled(&self) -> bool {
        *self.toggle.borrow() == Toggle::Disabled
    }

    /// Whether the time after the start has passed, or a request enabled it.
    pub fn has_begun(&self) -> bool {
        *self.toggle.borrow() != Toggle::ByTime || self.from <= Instant::now()
    }

    /// Waits until the time after the start has passed.
    pub async fn begun(&self) {
        sleep_until(self.from).await;
    }

    /// The changes that requests make.
    pub fn subscribe(&self) -> watch::Receiver<Toggle> {
        self.toggle.subscribe()
    }
}
