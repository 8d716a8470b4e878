//! The client requests in each second of the last minute, for the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::metrics::Metrics;

/// How many seconds are kept.
pub const SECONDS: usize = 60;

/// Client requests in each of the last [`SECONDS`] whole seconds; the latest is last.
#[derive(Default)]
pub struct Activity(Mutex<VecDeque<u64>>);

impl Activity {
    /// The recorded seconds, the latest last: fewer than [`SECONDS`] in the first minute.
    pub fn per_second(&self) -> Vec<u64> {
        self.0.lock().expect("no holder panics").iter().copied().collect()
    }

    fn push(&self, requests: u64) {
        let mut seconds = self.0.lock().expect("no holder panics");
        if seconds.len() == SECONDS {
            seconds.pop_front();
        }
        seconds.push_back(requests);
    }

    /// Records each second, for as long as it is polled.
    pub async fn record(self: Arc<Self>, metrics: Arc<Metrics>) {
        const SECOND: Duration = Duration::from_secs(1);
        let mut ticks = interval_at(Instant::now() + SECOND, SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = metrics.client_requests();
        loop {
            ticks.tick().await;
            let now = metrics.client_requests();
            self.push(now - seen);
            seen = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_second_is_dropped() {
        let activity = Activity::default();
        (0..70).for_each(|requests| activity.push(requests));
        let seconds = activity.per_second();
        assert_eq!((seconds.len(), seconds[0], seconds[59]), (SECONDS, 10, 69));
    }
}
