//! One connection, from its first byte to its end.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, sleep_until};

use super::HttpService;
use super::attended::{Attended, House};
use super::farewell::Farewells;
use super::pressure::Listener;
use super::pulse::{Expired, Pulse};
use super::slots::Slot;
use super::streams::Streams;
use super::transport::{Opening, Transport, Version, last_word};
use crate::config::Limits;
use crate::error::{Reader, Refusal};
use crate::lifecycle::Phase;
use crate::metrics::Metrics;

/// What a client that connected in the service's last moment has to send its first byte, and what a client that is
/// being closed has to read its answer.
pub(super) const LAST_WORD: Duration = Duration::from_millis(500);

/// hyper's least; heads are refused by their real limit before this one counts.
pub(super) const LEAST_BUFFER_BYTES: usize = 8192;

/// Concurrent requests on one HTTP/2 connection: a bound on what one client can hold. Each may have an answer that its
/// client does not take, and is charged for it ([`super::budget`]).
pub(super) const MAX_STREAMS: u32 = 8;

/// The longest header list on HTTP/2, names and values as sent and 32 bytes for each (RFC 9113, section 6.5.2): by
/// reference to its tables a client makes fifty bytes of each byte that it sends.
const MAX_HEADER_LIST_BYTES: usize = 8192;

/// HTTP/2's own default. hyper's is 1 MiB a connection, which times the connections is a pod's memory many times over.
const WINDOW_BYTES: u32 = 65_535;

/// Clients whose first heads may be long at a time. A crowd of half-open requests with long heads would otherwise cost
/// 16 KiB each; the others' heads are left in the kernel until it is their turn, or their time is up.
const LONG_HEADS: usize = 256;

/// What all connections share.
pub(super) struct Connections<S> {
    service: S,
    limits: Limits,
    house: Arc<House>,
    metrics: Arc<Metrics>,
    /// How many there are.
    open: IntGauge,
    long_heads: Semaphore,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
}

impl<S: HttpService> Connections<S> {
    pub(super) fn new(service: S, limits: Limits, house: House, metrics: Arc<Metrics>, open: IntGauge) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // The pulse's, instead.
            .header_read_timeout(None)
            // A client that has sent all it had, and says so, still wants its answer.
            .half_close(true)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER_BYTES));
        // The answer is made within the request timeout; it is given the same again to be taken.
        let mut http2 = http2::Builder::new(Streams { time: 2 * limits.request_timeout });
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buf_size(WINDOW_BYTES as usize)
            .max_header_list_size(
                u32::try_from(limits.max_header_bytes.min(MAX_HEADER_LIST_BYTES)).unwrap_or(u32::MAX),
            );
        let long_heads = Semaphore::new(LONG_HEADS);
        Self { service, limits, house: Arc::new(house), metrics, open, long_heads, http1, http2 }
    }

    /// Serves one client until it leaves, runs out of time, or the service stops.
    pub(super) async fn serve(&self, stream: TcpStream, mut slot: Slot, farewells: &Farewells) {
        let _open = OpenConnection::new(&self.open);
        // Answers are small and whole: nothing is gained by waiting for more to send.
        let _ = stream.set_nodelay(true);
        let pulse = Arc::new(Pulse::new(Arc::clone(&self.house)));
        let mut transport = Transport::new(stream, self.limits.max_header_bytes, Arc::clone(&pulse));
        let version = match self.first_head(&mut transport).await {
            Opening::Speaks(version) => version,
            Opening::Refused(refusal, reader) => return self.refuse(transport, refusal, reader).await,
            Opening::Left => return,
        };
        let io = TokioIo::new(transport);
        let service = Attended { inner: RefCell::new(self.service.clone()), pulse: Arc::clone(&pulse) };
        match version {
            Version::Http1 => {
                let mut connection = self.http1.serve_connection(io, service);
                let expired = self.drive(&mut connection, &pulse).await;
                let transport = connection.into_parts().io.into_inner();
                match (expired, transport.refusal()) {
                    (Some(Expired::Head), _) => self.refuse(transport, Refusal::HeadTooSlow, Reader::default()).await,
                    (None, Some((refusal, reader))) => self.refuse(transport, refusal, reader).await,
                    (None, None) if transport.may_be_sending() => last_word(transport.into_stream(), b"").await,
                    _ => {}
                }
            }
            Version::Http2 if !slot.grow_to_http2() => farewells.turn_http2_away(io.into_inner().into_stream()).await,
            Version::Http2 => {
                let mut connection = Box::pin(self.http2.serve_connection(io, service));
                self.drive(&mut connection, &pulse).await;
            }
        }
    }

    /// Tells a client why its request's head is not taken, and counts it.
    async fn refuse(&self, transport: Transport, refusal: Refusal, reader: Reader) {
        self.metrics.observe_broken_head(refusal.status());
        tracing::debug!(status = refusal.status().as_u16(), ?refusal, "a head was refused");
        last_word(transport.into_stream(), refusal.last_word(reader).as_bytes()).await;
    }

    /// Waits for the client's first head, for the header timeout. Once the service stops, whoever has not begun one by
    /// then has a moment left to do so.
    async fn first_head(&self, transport: &mut Transport) -> Opening {
        let time_is_up = self.house.pressure.runs_out(Instant::now(), self.limits.header_timeout);
        let mut time_is_up = pin!(time_is_up);
        let last_moment = async {
            self.house.lifecycle.reached(Phase::Stopping).await;
            tokio::time::sleep(LAST_WORD).await;
        };
        let opening = tokio::select! {
            biased;
            opening = transport.first_head(&self.long_heads) => Some(opening),
            () = &mut time_is_up => None,
            () = last_moment => {
                if transport.is_silent() {
                    return Opening::Left;
                }
                tokio::select! {
                    opening = transport.first_head(&self.long_heads) => Some(opening),
                    () = time_is_up => None,
                }
            }
        };
        match opening {
            Some(opening) => opening.unwrap_or(Opening::Left),
            None if transport.is_silent() => Opening::Left,
            None => Opening::Refused(Refusal::HeadTooSlow, Reader::default()),
        }
    }

    /// Polls a connection to its end. Returns why, where it ended because the client ran out of time.
    async fn drive<C: Drivable>(&self, connection: &mut C, pulse: &Pulse) -> Option<Expired> {
        let House { lifecycle, pressure } = &*self.house;
        let mut alarm = pin!(sleep_until(Instant::now() + self.limits.header_timeout));
        let mut bell = pin!(Listener::new(pressure));
        let (mut leaving, mut at_once, mut closing, mut last_word) = (false, false, false, None);
        let mut is_set = false;
        poll_fn(|cx| {
            // First, so that a request which has already arrived is seen before the connection is told to leave.
            if connection.poll_serve(cx).is_ready() {
                return Poll::Ready(None);
            }
            if bell.as_mut().rang(cx) {
                // The task's waker may have changed.
                is_set = false;
                leaving = lifecycle.phase() >= C::LEAVES_AT;
                at_once = lifecycle.phase() >= Phase::Stopping;
            }
            if at_once && !closing && !pulse.is_reading_head() {
                closing = true;
                connection.leave();
                if connection.poll_serve(cx).is_ready() {
                    return Poll::Ready(None);
                }
            }
            // HTTP/1 clients are told so by their answers.
            let leaves_when_quiet = leaving || C::LEAVES_AT == Phase::Draining && pressure.is_high();
            loop {
                let (at, expired) = last_word.map_or_else(
                    || pulse.deadline(&self.limits, leaves_when_quiet && !closing),
                    |at| (at, Expired::Answer),
                );
                if at < alarm.deadline() {
                    alarm.as_mut().reset(at);
                    is_set = false;
                }
                // The alarm has this task's waker: polling it again would cost each request some atomics.
                if is_set && !alarm.is_elapsed() {
                    return Poll::Pending;
                }
                // Without budget the alarm takes no waker; tokio polls this task again at once.
                is_set = has_budget_remaining();
                std::task::ready!(alarm.as_mut().poll(cx));
                is_set = false;
                let now = Instant::now();
                if at > now {
                    alarm.as_mut().reset(at);
                } else if expired == Expired::Idle && !closing {
                    // Whoever is still here afterwards does not read its answers.
                    last_word = (!leaving).then_some(now + LAST_WORD);
                    closing = true;
                    connection.leave();
                    if connection.poll_serve(cx).is_ready() {
                        return Poll::Ready(Some(Expired::Idle));
                    }
                } else {
                    return Poll::Ready(Some(expired));
                }
            }
        })
        .await
    }
}

/// What the two protocols' connections have in common.
trait Drivable {
    /// From which phase on a quiet connection is closed. HTTP/2 has GOAWAY, after which a client may send what it was
    /// sending. Not so on HTTP/1, where it is given the drain delay to learn from a `Connection: close` that it is to
    /// leave.
    const LEAVES_AT: Phase;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Finishes what is in flight, then closes.
    fn leave(&mut self);
}

impl<S: HttpService> Drivable for http1::Connection<TokioIo<Transport>, Attended<S>> {
    const LEAVES_AT: Phase = Phase::Stopping;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whatever went wrong went wrong on the client's side, and hyper has told it so.
        Pin::new(self).poll(cx).map(drop)
    }

    fn leave(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<S: HttpService> Drivable for Pin<Box<http2::Connection<TokioIo<Transport>, Attended<S>, Streams>>> {
    const LEAVES_AT: Phase = Phase::Draining;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().poll(cx).map(drop)
    }

    fn leave(&mut self) {
        self.as_mut().graceful_shutdown();
    }
}

/// One open connection, for the gauge.
struct OpenConnection<'a>(&'a IntGauge);

impl<'a> OpenConnection<'a> {
    fn new(open: &'a IntGauge) -> Self {
        open.inc();
        Self(open)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
