//! Limits the open connections, by their number and by their memory.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::budget::Budget;
use super::pressure::Pressure;

/// The room for connections, counted in connections and in KiB.
pub(super) struct Slots {
    connections: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    budget: Budget,
    pressure: Pressure,
    /// Open connections. The semaphore cannot say while a task waits for all of its permits.
    open: AtomicUsize,
    updating_pressure: Mutex<()>,
    /// Connections that have ended since the last `take_ended`.
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
            updating_pressure: Mutex::new(()),
            ended: AtomicUsize::new(0),
        })
    }

    /// Takes a slot for an HTTP/1 connection, if there is one. Dropping it frees it.
    pub(super) fn take(self: &Arc<Self>, is_tls: bool) -> Option<Slot> {
        let kibibytes = self.budget.http1_kibibytes + if is_tls { self.budget.tls_kibibytes } else { 0 };
        let connection = Arc::clone(&self.connections).try_acquire_owned().ok();
        let memory = Arc::clone(&self.kibibytes).try_acquire_many_owned(kibibytes).ok();
        let slot = connection.zip(memory).map(|(connection, memory)| {
            self.open.fetch_add(1, Relaxed);
            Slot { connection: Some(connection), memory: Some(memory), slots: Arc::clone(self) }
        });
        self.update_pressure();
        slot
    }

    /// The number of connections that have ended since the last call.
    pub(super) fn take_ended(&self) -> usize {
        self.ended.swap(0, Relaxed)
    }

    /// The number of open connections.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Slots are scarce while less than an eighth of either kind is free. Clients are then asked to leave after each
    /// response, and silent ones are closed soon.
    fn update_pressure(&self) {
        // One at a time: otherwise the older of two results could overwrite the newer one.
        let _lock = self.updating_pressure.lock().expect("no holder panics");
        let Budget { connections, kibibytes, .. } = self.budget;
        let is_scarce = connections.saturating_sub(self.open()) < connections.div_ceil(8)
            || self.kibibytes.available_permits() < kibibytes.div_ceil(8);
        self.pressure.set(is_scarce);
    }

    /// Waits until no connection is open.
    pub(super) async fn all_closed(&self) {
        let all = u32::try_from(self.budget.connections).expect("the limit is far below 2^32");
        drop(self.connections.acquire_many(all).await.expect("the semaphore stays open"));
    }
}

/// The share of one connection.
pub(super) struct Slot {
    connection: Option<OwnedSemaphorePermit>,
    memory: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Slot {
    /// Takes what an HTTP/2 connection may hold beyond an HTTP/1 connection. Returns false if there is no room for it.
    pub(super) fn upgrade_to_http2(&mut self) -> bool {
        let Budget { http1_kibibytes, http2_kibibytes, .. } = self.slots.budget;
        let more = http2_kibibytes.saturating_sub(http1_kibibytes);
        let Ok(more) = Arc::clone(&self.slots.kibibytes).try_acquire_many_owned(more) else {
            return false;
        };
        if let Some(memory) = &mut self.memory {
            memory.merge(more);
        }
        self.slots.update_pressure();
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Memory first, so a client that gets a free connection also gets its memory.
        drop((self.memory.take(), self.connection.take()));
        self.slots.open.fetch_sub(1, Relaxed);
        self.slots.ended.fetch_add(1, Relaxed);
        self.slots.update_pressure();
    }
}
