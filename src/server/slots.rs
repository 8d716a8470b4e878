//! How many connections there may be, in number and in memory, and how many there are.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::budget::Budget;
use super::pressure::Pressure;

/// Room for the connections that may be open, counted in connections and in KiB.
pub(super) struct Slots {
    connections: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    budget: Budget,
    pressure: Pressure,
    /// Connections that are open. The semaphore does not tell while somebody waits for all of its permits.
    open: AtomicUsize,
    weighing: Mutex<()>,
    /// Connections that have ended since somebody asked.
    ended: AtomicUsize,
}

impl Slots {
    pub(super) fn new(budget: Budget, pressure: Pressure) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(budget.connections)),
            kibibytes: Arc::new(Semaphore::new(budget.kibibytes)),
            budget,
            pressure,
            open: AtomicUsize::new(0),
            weighing: Mutex::new(()),
            ended: AtomicUsize::new(0),
        })
    }

    /// A slot for a connection that speaks HTTP/1, if there is one. It is free again when it is dropped.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let connection = Arc::clone(&self.connections).try_acquire_owned().ok();
        let memory = Arc::clone(&self.kibibytes).try_acquire_many_owned(self.budget.http1_kibibytes).ok();
        let slot = connection.zip(memory).map(|(connection, memory)| {
            self.open.fetch_add(1, Relaxed);
            Slot { connection: Some(connection), memory: Some(memory), slots: Arc::clone(self) }
        });
        self.weigh();
        slot
    }

    /// How many connections have ended since this was last asked.
    pub(super) fn take_ended(&self) -> usize {
        self.ended.swap(0, Relaxed)
    }

    pub(super) fn taken(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Slots are scarce while the last eighth of either kind is being given away. From then on clients are asked to
    /// leave after each answer, and silent ones are sent away soon.
    fn weigh(&self) {
        // One at a time, or the older of two answers could be the one that stays.
        let _turn = self.weighing.lock().expect("no holder panics");
        let Budget { connections, kibibytes, .. } = self.budget;
        let is_scarce = connections.saturating_sub(self.taken()) < connections.div_ceil(8)
            || self.kibibytes.available_permits() < kibibytes.div_ceil(8);
        self.pressure.set(is_scarce);
    }

    /// Waits until no connection is open.
    pub(super) async fn all_free(&self) {
        let all = u32::try_from(self.budget.connections).expect("the limit is far below 2^32");
        drop(self.connections.acquire_many(all).await.expect("the semaphore stays open"));
    }
}

/// One connection's share.
pub(super) struct Slot {
    connection: Option<OwnedSemaphorePermit>,
    memory: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Slot {
    /// Takes what an HTTP/2 connection may hold beyond an HTTP/1 connection. Returns false where there is no room for it.
    pub(super) fn grow_to_http2(&mut self) -> bool {
        let Budget { http1_kibibytes, http2_kibibytes, .. } = self.slots.budget;
        let more = http2_kibibytes.saturating_sub(http1_kibibytes);
        let Ok(more) = Arc::clone(&self.slots.kibibytes).try_acquire_many_owned(more) else {
            return false;
        };
        if let Some(memory) = &mut self.memory {
            memory.merge(more);
        }
        self.slots.weigh();
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Memory first: whoever finds a free connection finds its memory, too.
        drop((self.memory.take(), self.connection.take()));
        self.slots.open.fetch_sub(1, Relaxed);
        self.slots.ended.fetch_add(1, Relaxed);
        self.slots.weigh();
    }
}
