//! Whether connection slots are scarce, and the notification of every connection when that, or the phase, changes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, sleep_until};

/// How long to wait for a client while slots are scarce: between requests, inside a head, inside a body.
const TIMEOUT_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// Set by the slots, and read by whatever waits for a client.
#[derive(Clone, Default)]
pub struct Pressure(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_high: AtomicBool,
    /// The number of notifications. A connection compares it to find out whether it missed one.
    notifications: AtomicU64,
    notify: Arc<Notify>,
    /// Held while a notification is counted and sent, and while a listener registers. A listener that registered in between
    /// would have seen the new count, be woken for nothing, and not be registered any more.
    lock: Mutex<()>,
}

impl Pressure {
    /// Whether more than seven eighths of the slots are taken.
    pub fn is_high(&self) -> bool {
        self.0.is_high.load(SeqCst)
    }

    /// A timeout as it applies now: under pressure, a second at most.
    pub(super) fn shortened(&self, timeout: Duration) -> Duration {
        if self.is_high() { timeout.min(TIMEOUT_UNDER_PRESSURE) } else { timeout }
    }

    /// Records whether slots are scarce. Notifies all connections if they have just become scarce.
    pub(super) fn set(&self, is_high: bool) {
        if self.0.is_high.swap(is_high, SeqCst) != is_high && is_high {
            self.notify_all();
        }
    }

    /// Makes every connection check its deadline and the phase again.
    pub(super) fn notify_all(&self) {
        let _lock = self.0.lock.lock().expect("no holder panics");
        self.0.notifications.fetch_add(1, SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Completes when `timeout` has passed since `start`, or earlier under pressure.
    pub async fn timed_out(&self, start: Instant, timeout: Duration) {
        let mut listener = std::pin::pin!(PressureListener::new(self));
        let mut timer = std::pin::pin!(sleep_until(start + self.shortened(timeout)));
        std::future::poll_fn(|cx| {
            listener.as_mut().has_changed(cx);
            loop {
                // The pressure may have changed since the timer was set.
                let deadline = start + self.shortened(timeout);
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                std::task::ready!(timer.as_mut().poll(cx));
                if start + self.shortened(timeout) <= Instant::now() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

pin_project! {
    /// Wakes its task at each notification. It registers once for each notification and waker, so polling it costs a
    /// connection two loads in the usual case.
    pub(super) struct PressureListener {
        #[pin]
        notified: OwnedNotified,
        pressure: Pressure,
        seen: u64,
        waker: Option<Waker>,
    }
}

impl PressureListener {
    pub(super) fn new(pressure: &Pressure) -> Self {
        let notified = Arc::clone(&pressure.0.notify).notified_owned();
        Self { notified, seen: pressure.0.notifications.load(SeqCst), pressure: pressure.clone(), waker: None }
    }

    /// Whether there has been a notification since the last call; also true for the first call and after a change of the
    /// waker. The next notification wakes the task.
    pub(super) fn has_changed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let shared = &this.pressure.0;
        let is_registered = this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_registered && *this.seen == shared.notifications.load(SeqCst) {
            return false;
        }
        let _lock = shared.lock.lock().expect("no holder panics");
        *this.seen = shared.notifications.load(SeqCst);
        this.notified.set(Arc::clone(&shared.notify).notified_owned());
        let was_notified = this.notified.as_mut().poll(cx).is_ready();
        debug_assert!(!was_notified, "the lock prevents a notification while a listener registers");
        *this.waker = Some(cx.waker().clone());
        true
    }
}
