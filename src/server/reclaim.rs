//! Gives memory back after clients have gone.

use std::sync::Arc;
use std::time::Duration;

use super::slots::Slots;
use crate::allocator;

/// How often it is asked whether connections have ended.
const EVERY: Duration = Duration::from_secs(2);

/// Resident bytes that are not worth a trim: the service at rest has about 5 MB.
const REST: u64 = 8 << 20;

/// Trims the allocator's memory after connections have ended, for as long as it is polled.
///
/// Any connection counts, also the last few of a crowd: one on HTTP/2 may have held megabytes. After the last there is
/// one more trim: the tasks of a connection's streams are woken when it ends, and drop what they hold after that.
pub(super) async fn after_clients(slots: Arc<Slots>) {
    let mut turns = tokio::time::interval(EVERY);
    let mut had_ended = false;
    loop {
        turns.tick().await;
        let have_ended = slots.take_ended() > 0;
        if have_ended || had_ended {
            // Milliseconds for each hundred megabytes: not on a thread that serves.
            let _ = tokio::task::spawn_blocking(|| allocator::trim_above(REST)).await;
        }
        had_ended = have_ended;
    }
}
