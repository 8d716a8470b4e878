//! Whether there is room for more clients, and the bell that tells every connection when that, or the phase, changes.

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

/// How long a client may be silent while slots are scarce: between requests, inside a head, inside a body.
pub const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// Shared by the slots, which set it, and by whatever waits for a client.
#[derive(Clone, Default)]
pub struct Pressure(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_high: AtomicBool,
    /// Counts the rings, so that a connection can tell from a number whether it has to look again.
    rings: AtomicU64,
    bell: Arc<Notify>,
    /// Held from a ring's count to its notification, and while a listener registers: one that registered in between would
    /// have heard the count, and be woken for nothing, with no registration left.
    turn: Mutex<()>,
}

impl Pressure {
    /// Whether the last eighth of the slots is being given away.
    pub fn is_high(&self) -> bool {
        self.0.is_high.load(SeqCst)
    }

    /// How long to wait for a client that is given `time` in peace.
    pub fn patience(&self, time: Duration) -> Duration {
        if self.is_high() { time.min(SHORT_PATIENCE) } else { time }
    }

    /// Notes whether slots are scarce. Rings where they have just become so.
    pub(super) fn set(&self, is_high: bool) {
        if self.0.is_high.swap(is_high, SeqCst) != is_high && is_high {
            self.ring();
        }
    }

    /// Has every connection look again at what it is to do.
    pub(super) fn ring(&self) {
        let _turn = self.0.turn.lock().expect("no holder panics");
        self.0.rings.fetch_add(1, SeqCst);
        self.0.bell.notify_waiters();
    }

    /// Ends when a client that has been waited for `since` then has had its time: `time`, or less under pressure.
    pub async fn runs_out(&self, since: Instant, time: Duration) {
        let mut listener = std::pin::pin!(Listener::new(self));
        let mut alarm = std::pin::pin!(sleep_until(since + self.patience(time)));
        std::future::poll_fn(|cx| {
            listener.as_mut().rang(cx);
            loop {
                // The pressure may have come, or have gone, since the alarm was set.
                let until = since + self.patience(time);
                if alarm.deadline() != until {
                    alarm.as_mut().reset(until);
                }
                std::task::ready!(alarm.as_mut().poll(cx));
                if since + self.patience(time) <= Instant::now() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

pin_project! {
    /// Wakes its task when the bell rings. Registers once for each ring and waker, so that a connection's usual wake-ups
    /// cost it two loads.
    pub(super) struct Listener {
        #[pin]
        notified: OwnedNotified,
        pressure: Pressure,
        heard: u64,
        waker: Option<Waker>,
    }
}

impl Listener {
    pub(super) fn new(pressure: &Pressure) -> Self {
        let notified = Arc::clone(&pressure.0.bell).notified_owned();
        Self { notified, heard: pressure.0.rings.load(SeqCst), pressure: pressure.clone(), waker: None }
    }

    /// Whether the bell has rung since this was last asked, or this is the first time. The task is woken when it rings
    /// again.
    pub(super) fn rang(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let shared = &this.pressure.0;
        let is_registered = this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_registered && *this.heard == shared.rings.load(SeqCst) {
            return false;
        }
        let _turn = shared.turn.lock().expect("no holder panics");
        *this.heard = shared.rings.load(SeqCst);
        this.notified.set(Arc::clone(&shared.bell).notified_owned());
        let rang_meanwhile = this.notified.as_mut().poll(cx).is_ready();
        debug_assert!(!rang_meanwhile, "nobody rings while a listener registers");
        *this.waker = Some(cx.waker().clone());
        true
    }
}
