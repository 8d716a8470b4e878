//! How many connections there may be, and how many there are.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A slot for each connection that may be open.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    total: usize,
}

impl Slots {
    /// As many slots as were asked for, or as the process may have descriptors for.
    pub(super) fn new(wanted: usize) -> Self {
        let total = wanted.min(possible_connections(wanted));
        Self { free: Arc::new(Semaphore::new(total)), total }
    }

    /// Waits for a slot; it is free again when the permit is dropped.
    pub(super) async fn acquire(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free).acquire_owned().await.expect("the semaphore stays open")
    }

    pub(super) fn taken(&self) -> usize {
        self.total - self.free.available_permits()
    }

    /// Whether the last eighth of the slots is being given away. From then on clients are asked to leave after each
    /// answer, and silent ones are sent away: probes need a slot too, and a pod that fails them is restarted.
    pub(super) fn are_scarce(&self) -> bool {
        self.free.available_permits() < self.total / 8
    }

    /// Waits until no connection is open.
    pub(super) async fn all_free(&self) {
        let all = u32::try_from(self.total).expect("the limit is far below 2^32");
        drop(self.free.acquire_many(all).await.expect("the semaphore stays open"));
    }
}

/// Systems start processes with a soft limit of descriptors far below the hard one, for the sake of programs that
/// predate poll; it is raised as far as need be.
fn possible_connections(wanted: usize) -> usize {
    /// Standard streams, the listener, the runtime's own, a scrape's open files.
    const RESERVED: u64 = 32;
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + RESERVED;
    let allowed = limit.maximum.map_or(needed, |hard| hard.min(needed));
    let raised = limit.current.is_none_or(|soft| soft >= allowed)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), ..limit }).is_ok();
    let descriptors = if raised { allowed } else { limit.current.unwrap_or(allowed) };
    let possible = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(1);
    if possible < wanted {
        tracing::warn!(
            max_connections = possible,
            "the limit of open files is too low for --max-connections {wanted}; `ulimit -n` raises it"
        );
    }
    possible
}
