//! What a connection is doing, and since when. Its deadline follows from that.
//!
//! hyper's own header timeout also runs between requests, so it cannot tell a slow head from an idle connection, and it
//! sets a timer for each request. Here, each connection has one timer, which is checked when it fires.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::pressure::Pressure;
use super::takeover::Takeover;
use crate::config::Limits;
use crate::lifecycle::Lifecycle;

/// How long a draining connection is idle before it is closed. A client that has more requests than the connection has
/// streams sends the rest when the first are answered. Some clients lose those if GOAWAY arrives in between.
const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_millis(100);

/// The state that all connections share.
pub(super) struct ServerState {
    pub(super) lifecycle: Lifecycle,
    pub(super) pressure: Pressure,
    /// Whether each request says where its connection comes from.
    pub(super) records_peers: bool,
}

impl ServerState {
    /// Whether an HTTP/1 connection is closed after its next response.
    pub(super) fn closes_http1_connections(&self) -> bool {
        self.lifecycle.is_shutting_down() || self.pressure.is_high()
    }
}

/// The state of one connection. Its transport, its requests and the task that drives it share it.
pub(super) struct ConnectionState {
    pub(super) server: Arc<ServerState>,
    opened: Instant,
    /// Milliseconds from `opened` to the latest change of what the connection is doing.
    changed: AtomicU64,
    /// Whether there has been a change since then, whose time is not yet recorded.
    has_new_change: AtomicBool,
    /// Whether there has been no request, or, on HTTP/1, bytes of a further head have arrived.
    reading_head: AtomicBool,
    /// Whether the frames of HTTP/2 have left a head unfinished.
    block_unfinished: AtomicBool,
    /// Whether there has been a request.
    had_request: AtomicBool,
    /// Requests without a complete response; on HTTP/2, also those whose response has not been sent.
    in_flight: AtomicU32,
    /// What takes the connection over, on HTTP/1.
    pub(super) takeover: OnceLock<Takeover>,
}

/// Why a client has run out of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timeout {
    /// The head of its request did not arrive.
    Header,
    /// It does not read its response.
    Response,
    /// It has not sent a request.
    Idle,
}

impl ConnectionState {
    pub(super) fn new(server: Arc<ServerState>) -> Self {
        Self {
            server,
            opened: Instant::now(),
            changed: AtomicU64::new(0),
            has_new_change: AtomicBool::new(false),
            reading_head: AtomicBool::new(true),
            block_unfinished: AtomicBool::new(false),
            had_request: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            takeover: OnceLock::new(),
        }
    }

    /// Notes a change that the connection's own task makes. `deadline` records its time at the end of that task's turn, so
    /// a request reads the clock once instead of three times.
    fn note_change(&self) {
        self.has_new_change.store(true, Relaxed);
    }

    fn record_change_time(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.changed.store(elapsed, Relaxed);
    }

    /// Bytes have arrived on HTTP/1. The first ones after a response begin a head.
    pub(super) fn bytes_received(&self) {
        if self.in_flight.load(Relaxed) == 0 && !self.reading_head.load(Relaxed) {
            self.reading_head.store(true, Relaxed);
            self.note_change();
        }
    }

    /// Bytes have arrived on HTTP/2, and leave a head unfinished or not. The header timeout runs from the head's first
    /// byte; for the first request, it runs from the connect.
    pub(super) fn set_head_unfinished(&self, unfinished: bool) {
        if self.block_unfinished.swap(unfinished, Relaxed) != unfinished && self.had_request.load(Relaxed) {
            self.note_change();
        }
    }

    /// The head of a request is complete.
    pub(super) fn request_started(&self) {
        self.note_change();
        self.in_flight.fetch_add(1, Relaxed);
        self.had_request.store(true, Relaxed);
        self.reading_head.store(false, Relaxed);
    }

    /// The response is complete (on HTTP/2, sent), or the request was dropped. An HTTP/2 stream has a task of its own.
    pub(super) fn request_finished(&self, is_http2: bool) {
        if is_http2 {
            self.record_change_time();
        } else {
            self.note_change();
        }
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether a head has begun to arrive, or a new connection has not sent its first one.
    pub(super) fn is_reading_head(&self) -> bool {
        self.reading_head.load(Relaxed) || self.block_unfinished.load(Relaxed)
    }

    /// When the client runs out of time, and why. It has less time while slots are scarce, and while the connection
    /// `is_draining`. The connection's own task calls this at the end of each of its turns.
    pub(super) fn deadline(&self, limits: &Limits, is_draining: bool) -> (Instant, Timeout) {
        if self.has_new_change.load(Relaxed) {
            self.has_new_change.store(false, Relaxed);
            self.record_change_time();
        }
        let pressure = &self.server.pressure;
        let since = self.opened + Duration::from_millis(self.changed.load(Relaxed));
        let is_reading_head = self.is_reading_head();
        if self.in_flight.load(Relaxed) > 0 && !is_reading_head {
            // The response is made within the request timeout. The client has as long again to read it.
            (since + 2 * limits.request_timeout, Timeout::Response)
        } else if is_reading_head {
            // Also while responses to other streams are on their way: those would give the head four times as long.
            (since + pressure.shortened(limits.header_timeout), Timeout::Header)
        } else if is_draining {
            (since + DRAIN_IDLE_TIMEOUT, Timeout::Idle)
        } else {
            (since + pressure.shortened(limits.idle_timeout), Timeout::Idle)
        }
    }
}
