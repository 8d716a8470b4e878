//! Gives memory back after a crowd has gone.

use std::sync::Arc;
use std::time::Duration;

use super::slots::Slots;
use crate::allocator;

/// How often the connections are counted.
const EVERY: Duration = Duration::from_secs(2);

/// So many connections that have gone are worth the trouble: on HTTP/2 they held some megabytes.
const CROWD: usize = 32;

/// Trims the allocator's memory when, of the most connections that were open, a crowd has gone; for as long as it is
/// polled.
pub(super) async fn after_crowds(slots: Arc<Slots>) {
    let mut turns = tokio::time::interval(EVERY);
    let mut most = 0;
    loop {
        turns.tick().await;
        most = most.max(slots.take_most());
        let open = slots.taken();
        if most >= open + CROWD {
            most = open;
            // Milliseconds for each hundred megabytes: not on a thread that serves.
            let _ = tokio::task::spawn_blocking(allocator::trim).await;
        }
    }
}
