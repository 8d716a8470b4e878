//! CPU time on demand, on threads of its own, so that the runtime's workers remain free for other requests.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Semaphore, oneshot};

use crate::error::Rejection;

/// Requests that burn, or wait for a thread to burn on.
const MAX_QUEUED: usize = 256;

/// A thread only computes.
const STACK_BYTES: usize = 64 * 1024;

/// Runs at most one burn for each processor at a time.
pub struct Burner {
    queue: Arc<Semaphore>,
    threads: LazyLock<Arc<Semaphore>>,
}

impl Default for Burner {
    fn default() -> Self {
        let threads = || Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));
        Self { queue: Arc::new(Semaphore::new(MAX_QUEUED)), threads: LazyLock::new(threads) }
    }
}

impl Burner {
    /// Uses this much CPU time. The thread ends if the caller no longer waits.
    pub async fn burn(&self, time: Duration) -> Result<(), Rejection> {
        if time.is_zero() {
            return Ok(());
        }
        let _place = self.queue.try_acquire().map_err(|_| Rejection::Busy)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.expect("the semaphore stays open");
        let (done, is_done) = oneshot::channel();
        let burn = move || {
            let end = thread_time() + time;
            while thread_time() < end && !done.is_closed() {
                black_box((0..20_000_u32).fold(1_u32, |sum, number| black_box(sum.wrapping_mul(31) ^ number)));
            }
            drop(thread);
            let _ = done.send(());
        };
        let spawned = std::thread::Builder::new().name("burn".to_owned()).stack_size(STACK_BYTES).spawn(burn);
        spawned.map_err(|error| {
            tracing::warn!(%error, "cannot start a thread to burn CPU time");
            Rejection::Busy
        })?;
        is_done.await.map_err(|_| Rejection::Busy)
    }
}

/// The CPU time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn burn_takes_its_cpu_time_and_the_queue_has_an_end() {
        let burner = Burner::default();
        let started = std::time::Instant::now();
        burner.burn(Duration::from_millis(20)).await.expect("there is room");
        assert!(started.elapsed() >= Duration::from_millis(20));
        let _all = burner.queue.acquire_many(u32::try_from(MAX_QUEUED).unwrap()).await.unwrap();
        assert_eq!(burner.burn(Duration::from_millis(1)).await, Err(Rejection::Busy));
    }
}
