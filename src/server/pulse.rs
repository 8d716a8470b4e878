//! What a connection is doing, and since when: from it follows when its client has run out of time.
//!
//! hyper's own header timeout also runs between requests, so that it cannot tell a slow head from a quiet connection,
//! and sets a timer for each request. Here one timer a connection is looked at when it fires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::attended::House;
use crate::config::Limits;

/// How long a draining connection is quiet before it is closed. A client that has more requests than the connection has
/// streams sends the rest as the first are answered, and some clients lose those when they are told to leave in between.
const QUIET: Duration = Duration::from_millis(100);

/// Shared by a connection's transport, its requests and the task that drives it.
pub(super) struct Pulse {
    pub(super) house: Arc<House>,
    opened: Instant,
    /// Milliseconds from `opened` to the latest change of what the connection does.
    changed: AtomicU64,
    /// Whether there has been a change since then. Its time is not yet known.
    has_new_change: AtomicBool,
    /// Whether bytes of a head have come, and no request yet.
    reading_head: AtomicBool,
    /// Whether there has been a request.
    asked: AtomicBool,
    /// Requests whose answers are being made, or on HTTP/2 wait to be taken.
    in_flight: AtomicU32,
}

/// A client that has run out of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expired {
    /// Its request's head did not arrive.
    Head,
    /// It does not take its answer.
    Answer,
    /// It has not sent a request for a long time.
    Idle,
}

impl Pulse {
    pub(super) fn new(house: Arc<House>) -> Self {
        Self {
            house,
            opened: Instant::now(),
            changed: AtomicU64::new(0),
            has_new_change: AtomicBool::new(false),
            reading_head: AtomicBool::new(true),
            asked: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
        }
    }

    /// Notes a change that the connection's own task makes. `deadline` takes its time at the end of the task's turn, so that
    /// a request costs one clock reading, not three.
    fn note_change(&self) {
        self.has_new_change.store(true, Relaxed);
    }

    fn mark(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.changed.store(elapsed, Relaxed);
    }

    /// Bytes came from the client: the first ones after an answer begin a head.
    pub(super) fn bytes_arrived(&self) {
        if self.in_flight.load(Relaxed) == 0 && !self.reading_head.load(Relaxed) {
            self.reading_head.store(true, Relaxed);
            self.note_change();
        }
    }

    /// Bytes came from an HTTP/2 client, which leave a head unfinished or not. The time for it runs from its beginning;
    /// that for the first from the connect, whatever comes before it.
    pub(super) fn head_is_unfinished(&self, unfinished: bool) {
        if self.asked.load(Relaxed) && self.reading_head.load(Relaxed) != unfinished {
            self.reading_head.store(unfinished, Relaxed);
            self.note_change();
        }
    }

    /// A request's head is complete.
    pub(super) fn request_began(&self) {
        self.note_change();
        self.in_flight.fetch_add(1, Relaxed);
        self.asked.store(true, Relaxed);
        self.reading_head.store(false, Relaxed);
    }

    /// A request's answer is made, on HTTP/2 also taken, or it was given up. An HTTP/2 stream has a task of its own.
    pub(super) fn request_ended(&self, is_stream: bool) {
        if is_stream {
            self.mark();
        } else {
            self.note_change();
        }
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether a head has begun to arrive, or is still awaited on a new connection.
    pub(super) fn is_reading_head(&self) -> bool {
        self.reading_head.load(Relaxed)
    }

    /// When the client's time is up, and for what. Silence is borne for less long where slots are scarce, or where the
    /// connection is `leaving`. The connection's own task calls this at the end of each of its turns.
    pub(super) fn deadline(&self, limits: &Limits, leaving: bool) -> (Instant, Expired) {
        if self.has_new_change.load(Relaxed) {
            self.has_new_change.store(false, Relaxed);
            self.mark();
        }
        let pressure = &self.house.pressure;
        let since = self.opened + Duration::from_millis(self.changed.load(Relaxed));
        if self.in_flight.load(Relaxed) > 0 {
            // The answer is made within the request timeout; it is given the same again to be taken.
            (since + 2 * limits.request_timeout, Expired::Answer)
        } else if self.is_reading_head() {
            (since + pressure.patience(limits.header_timeout), Expired::Head)
        } else if leaving {
            (since + QUIET, Expired::Idle)
        } else {
            (since + pressure.patience(limits.idle_timeout), Expired::Idle)
        }
    }
}
