//! Memory on demand, for a limited time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Mutex;

use super::wait;
use crate::error::Rejection;
use crate::lifecycle::Lifecycle;
use crate::{allocator, cgroup};

/// The maximum time for which memory is held.
const MAX_TIME: Duration = Duration::from_hours(1);

/// The memory that requests hold.
pub struct Allocations {
    held_mib: Arc<AtomicUsize>,
    max_mib: usize,
    /// One request at a time compares the process's memory with the limit and fills its own: what others are still filling is
    /// not yet resident.
    turn: Arc<Mutex<()>>,
}

impl Allocations {
    /// No more than this in all.
    pub fn new(max_mib: usize) -> Self {
        Self { held_mib: Arc::default(), max_mib, turn: Arc::default() }
    }

    /// Holds this much memory for this long, or until the service stops. Returns how much is held in all.
    pub async fn hold(&self, mib: usize, time: Duration, lifecycle: Lifecycle) -> Result<usize, Rejection> {
        if mib == 0 || time > MAX_TIME {
            return Err(Rejection::Invalid("expected 1 MiB or more, and ?for= with at most 1h"));
        }
        let share = Share::take(&self.held_mib, mib, self.max_mib).ok_or(Rejection::NoMemory)?;
        let held = self.held_mib.load(Relaxed);
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if !fits(mib, cgroup::memory_limit(), allocator::resident_bytes()) {
            return Err(Rejection::NoMemory);
        }
        // The share goes with the memory: a client that leaves ends this future, but not the thread that fills.
        let fill = move || {
            let memory = filled(mib).map(|bytes| (bytes, share));
            drop(turn);
            memory
        };
        // This takes milliseconds, so no worker thread does it.
        let memory = tokio::task::spawn_blocking(fill).await.ok().flatten().ok_or(Rejection::NoMemory)?;
        tokio::spawn(async move {
            wait(time, &lifecycle).await;
            drop(memory);
            let _ = tokio::task::spawn_blocking(allocator::trim).await;
        });
        Ok(held)
    }
}

/// This many MiB that are written to, so that they become resident. None if the system has no such memory.
fn filled(mib: usize) -> Option<Vec<u8>> {
    const PAGE: [u8; 4096] = [1; 4096];
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(mib << 20).ok()?;
    for _ in 0..(mib << 20) / PAGE.len() {
        bytes.extend_from_slice(&PAGE);
    }
    Some(bytes)
}

/// Whether the process stays below three quarters of its limit: the rest is for clients, whose connections take memory later.
fn fits(mib: usize, limit: Option<u64>, resident: Option<u64>) -> bool {
    let wanted = (mib as u64).saturating_mul(1 << 20);
    limit.is_none_or(|limit| resident.unwrap_or_default().saturating_add(wanted) <= limit / 4 * 3)
}

/// A part of what may be held.
struct Share {
    held_mib: Arc<AtomicUsize>,
    mib: usize,
}

impl Share {
    fn take(held_mib: &Arc<AtomicUsize>, mib: usize, max_mib: usize) -> Option<Self> {
        let more = |held: usize| held.checked_add(mib).filter(|sum| *sum <= max_mib);
        held_mib.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self { held_mib: Arc::clone(held_mib), mib })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held_mib.fetch_sub(self.mib, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_stays_below_three_quarters_of_the_limit() {
        assert!(fits(64, None, Some(1 << 40)));
        assert!(fits(186, Some(256 << 20), Some(6 << 20)));
        assert!(!fits(187, Some(256 << 20), Some(6 << 20)));
        assert!(!fits(usize::MAX >> 24, Some(1 << 30), None));
        assert!(!fits(usize::MAX, Some(1 << 30), Some(u64::MAX)));
    }

    #[tokio::test]
    async fn shares_end_at_the_setting() {
        let allocations = Allocations::new(3);
        let lifecycle = Lifecycle::new();
        let hold = async |mib| allocations.hold(mib, Duration::from_mins(1), lifecycle.clone()).await;
        assert_eq!((hold(1).await, hold(2).await, hold(1).await), (Ok(1), Ok(3), Err(Rejection::NoMemory)));
        assert!(matches!(hold(0).await, Err(Rejection::Invalid(_))));
        assert_eq!(allocations.hold(usize::MAX, Duration::ZERO, lifecycle).await, Err(Rejection::NoMemory));
    }
}
