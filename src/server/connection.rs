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
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, sleep_until, timeout};

use super::HttpService;
use super::connection_state::{ConnectionState, ServerState, Timeout};
use super::overload::OverloadResponder;
use super::pressure::PressureListener;
use super::slots::Slot;
use super::stream::ClientStream;
use super::tls::{self, Tls};
use super::tracked_service::TrackedService;
use super::transport::{CLOSE_TIMEOUT, Detected, Transport, respond_and_close};
use crate::config::Limits;
use crate::error::{ErrorFormat, Rejection};
use crate::lifecycle::Phase;
use crate::metrics::Metrics;

/// hyper's minimum. The real limit on a head is checked before this one applies.
pub(super) const MIN_BUFFER_BYTES: usize = 8192;

/// Concurrent requests on one HTTP/2 connection. Each may have a response that its client does not read, and is charged for
/// it ([`super::budget`]).
pub(super) const MAX_STREAMS: u32 = 8;

/// The maximum header list on HTTP/2: names and values as sent, and 32 bytes for each (RFC 9113, section 6.5.2). With
/// references to its header table, a client turns each byte that it sends into fifty.
pub(super) const MAX_HEADER_LIST_BYTES: usize = 8192;

/// HTTP/2's own default. hyper's is 1 MiB for each connection, which all connections together do not have.
const WINDOW_BYTES: u32 = 65_535;

/// How many clients may have a long first head at a time. Otherwise, a crowd of half-open requests with long heads would
/// cost 16 KiB each. The heads of others stay in the kernel until it is their turn, or until they time out.
const MAX_LONG_HEADS: usize = 256;

/// What all connections share.
pub(super) struct Connections<S> {
    service: S,
    limits: Limits,
    state: Arc<ServerState>,
    metrics: Arc<Metrics>,
    /// The gauge of open connections.
    open: IntGauge,
    long_heads: Semaphore,
    http1: http1::Builder,
    http2: http2::Builder<StreamExecutor>,
    /// The handshake that comes first, if there is one.
    tls: Option<Tls>,
}

impl<S: HttpService> Connections<S> {
    pub(super) fn new(
        service: S,
        limits: Limits,
        state: Arc<ServerState>,
        metrics: Arc<Metrics>,
        open: IntGauge,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // `ConnectionState` has the header timeout.
            .header_read_timeout(None)
            // A client that has closed its sending side still gets its response.
            .half_close(true)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(MIN_BUFFER_BYTES));
        // The response is made within the request timeout. The client has as long again to read it.
        let mut http2 = http2::Builder::new(StreamExecutor { timeout: 2 * limits.request_timeout });
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buf_size(WINDOW_BYTES as usize)
            .max_header_list_size(
                u32::try_from(limits.max_header_bytes.min(MAX_HEADER_LIST_BYTES)).unwrap_or(u32::MAX),
            );
        let long_heads = Semaphore::new(MAX_LONG_HEADS);
        Self { service, limits, state, metrics, open, long_heads, http1, http2, tls: None }
    }

    /// The same for clients with TLS, who get their responses from another service.
    pub(super) fn with_tls(&self, service: S, tls: Tls) -> Self {
        let (state, metrics) = (Arc::clone(&self.state), Arc::clone(&self.metrics));
        Self { tls: Some(tls), ..Self::new(service, self.limits, state, metrics, self.open.clone()) }
    }

    /// Serves one client until it leaves, times out, or the service stops.
    pub(super) async fn serve(&self, stream: TcpStream, mut slot: Slot, overload: &OverloadResponder) {
        let _open = OpenConnection::new(&self.open);
        // Responses are small and written whole, so there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let state = Arc::new(ConnectionState::new(Arc::clone(&self.state)));
        let connected = Instant::now();
        let stream = match &self.tls {
            None => ClientStream::Plain(stream),
            // In a box, so that the tasks of connections without TLS have no room for it.
            Some(tls) => match Box::pin(self.secure(stream, tls, connected)).await {
                Some(stream) => stream,
                None => return,
            },
        };
        let mut transport = Transport::new(stream, self.limits.max_header_bytes, Arc::clone(&state));
        let detected = self.detect(&mut transport, connected).await;
        let service = TrackedService { inner: RefCell::new(self.service.clone()), state: Arc::clone(&state) };
        match detected {
            Detected::Closed => {
                // TLS has a close of its own, without which a client cannot know that nothing is missing.
                let _ = timeout(CLOSE_TIMEOUT, transport.shutdown()).await;
            }
            Detected::Rejected(rejection, format) => self.reject(transport, rejection, format).await,
            Detected::Http1 => {
                let mut connection = self.http1.serve_connection(TokioIo::new(transport), service);
                let timeout = self.drive(&mut connection, &state).await;
                let parts = connection.into_parts();
                let transport = parts.io.into_inner();
                if let Some(takeover) = state.takeover.get().cloned() {
                    // A client that has not waited for the response breaks the protocol.
                    if timeout.is_none() && parts.read_buf.is_empty() && transport.received_nothing() {
                        takeover.run(transport.into_stream()).await;
                    }
                    return;
                }
                match (timeout, transport.rejection()) {
                    (Some(Timeout::Header), _) => {
                        self.reject(transport, Rejection::HeaderTimeout, ErrorFormat::default()).await;
                    }
                    (None, Some((rejection, format))) => self.reject(transport, rejection, format).await,
                    (None, None) if transport.may_have_unread_body() => {
                        respond_and_close(transport.into_stream(), b"").await;
                    }
                    _ => {}
                }
            }
            Detected::Http2 if !slot.upgrade_to_http2() => overload.reject_http2(transport.into_stream()).await,
            Detected::Http2 => {
                let mut connection = Box::pin(self.http2.serve_connection(TokioIo::new(transport), service));
                self.drive(&mut connection, &state).await;
            }
        }
    }

    /// Responds to a rejected head, counts it, and closes.
    async fn reject(&self, transport: Transport, rejection: Rejection, format: ErrorFormat) {
        self.metrics.observe_rejected_head(rejection.status());
        tracing::debug!(status = rejection.status().as_u16(), ?rejection, "request head rejected");
        respond_and_close(transport.into_stream(), rejection.http1_response(format).as_bytes()).await;
    }

    /// Completes the TLS handshake, within the header timeout. There is no TLS session before the client's first byte, so a
    /// silent client costs no more than it does without TLS.
    async fn secure(&self, stream: TcpStream, tls: &Tls, connected: Instant) -> Option<ClientStream> {
        let mut timed_out = pin!(self.state.pressure.timed_out(connected, self.limits.header_timeout));
        let mut first = [0];
        let count = tokio::select! {
            biased;
            peeked = stream.peek(&mut first) => peeked.unwrap_or(0),
            () = &mut timed_out => 0,
            () = self.stopped() => 0,
        };
        if count == 0 {
            return None;
        }
        if first != [tls::HANDSHAKE] {
            let rejection = Rejection::NotTls;
            self.metrics.observe_rejected_head(rejection.status());
            respond_and_close(stream, rejection.http1_response(ErrorFormat::default()).as_bytes()).await;
            return None;
        }
        tokio::select! {
            biased;
            accepted = tls.accept(stream) => match accepted {
                Ok(stream) => Some(ClientStream::Tls(stream)),
                Err(stream) => {
                    respond_and_close(stream, b"").await;
                    None
                }
            },
            () = timed_out => {
                tls.failed("the client did not complete the handshake within --header-timeout");
                None
            }
        }
    }

    /// Waits until the service stops, and as long again as a client that has just connected has to send its first byte.
    async fn stopped(&self) {
        self.state.lifecycle.reached(Phase::Stopping).await;
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    }

    /// Waits for the client's first head, within the header timeout. Once the service stops, a client that has not sent a
    /// byte has [`CLOSE_TIMEOUT`] to do so.
    async fn detect(&self, transport: &mut Transport, connected: Instant) -> Detected {
        let mut timed_out = pin!(self.state.pressure.timed_out(connected, self.limits.header_timeout));
        let detected = tokio::select! {
            biased;
            detected = transport.detect(&self.long_heads) => Some(detected),
            () = &mut timed_out => None,
            () = self.stopped() => {
                if transport.received_nothing() {
                    return Detected::Closed;
                }
                tokio::select! {
                    detected = transport.detect(&self.long_heads) => Some(detected),
                    () = timed_out => None,
                }
            }
        };
        match detected {
            Some(detected) => detected.unwrap_or(Detected::Closed),
            None if transport.received_nothing() => Detected::Closed,
            None => Detected::Rejected(Rejection::HeaderTimeout, ErrorFormat::default()),
        }
    }

    /// Polls a connection to its end. Returns the timeout that ended it, if one did.
    async fn drive<C: HttpConnection>(&self, connection: &mut C, state: &ConnectionState) -> Option<Timeout> {
        let ServerState { lifecycle, pressure } = &*self.state;
        let mut timer = pin!(sleep_until(Instant::now() + self.limits.header_timeout));
        let mut listener = pin!(PressureListener::new(pressure));
        let (mut is_draining, mut is_stopping, mut is_closing, mut close_deadline) = (false, false, false, None);
        let mut timer_has_waker = false;
        poll_fn(|cx| {
            // First, so that a request which has already arrived is read before the shutdown starts.
            if connection.poll_serve(cx).is_ready() {
                return Poll::Ready(None);
            }
            if listener.as_mut().has_changed(cx) {
                // The task's waker may have changed.
                timer_has_waker = false;
                is_draining = lifecycle.phase() >= C::DRAINS_FROM;
                is_stopping = lifecycle.phase() >= Phase::Stopping;
            }
            if is_stopping && !is_closing && !state.is_reading_head() {
                is_closing = true;
                connection.start_shutdown();
                if connection.poll_serve(cx).is_ready() {
                    return Poll::Ready(None);
                }
            }
            // HTTP/1 clients get a `Connection: close` with their response instead.
            let closes_when_idle = is_draining || C::DRAINS_FROM == Phase::Draining && pressure.is_high();
            loop {
                let (deadline, timeout) = close_deadline.map_or_else(
                    || state.deadline(&self.limits, closes_when_idle && !is_closing),
                    |deadline| (deadline, Timeout::Response),
                );
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                    timer_has_waker = false;
                }
                // The timer has this task's waker. Polling it again would cost each request some atomic operations.
                if timer_has_waker && !timer.is_elapsed() {
                    return Poll::Pending;
                }
                // Without budget, the timer does not take the waker, and tokio polls this task again at once.
                timer_has_waker = has_budget_remaining();
                std::task::ready!(timer.as_mut().poll(cx));
                timer_has_waker = false;
                let now = Instant::now();
                if deadline > now {
                    timer.as_mut().reset(deadline);
                } else if timeout == Timeout::Idle && !is_closing {
                    // A client that is still connected afterwards does not read.
                    close_deadline = (!is_draining).then_some(now + CLOSE_TIMEOUT);
                    is_closing = true;
                    connection.start_shutdown();
                    if connection.poll_serve(cx).is_ready() {
                        return Poll::Ready(Some(Timeout::Idle));
                    }
                } else {
                    return Poll::Ready(Some(timeout));
                }
            }
        })
        .await
    }
}

/// What `drive` needs of a connection of either version.
trait HttpConnection {
    /// The phase from which an idle connection is closed. HTTP/2 has GOAWAY, which does not lose a request that is on its
    /// way. On HTTP/1, a client has the drain delay to learn from a `Connection: close` that it has to leave.
    const DRAINS_FROM: Phase;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Closes once the requests in flight have finished.
    fn start_shutdown(&mut self);
}

impl<S: HttpService> HttpConnection for http1::Connection<TokioIo<Transport>, TrackedService<S>> {
    const DRAINS_FROM: Phase = Phase::Stopping;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is the client's, and hyper has responded to it.
        Pin::new(self).poll(cx).map(drop)
    }

    fn start_shutdown(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<S: HttpService> HttpConnection
    for Pin<Box<http2::Connection<TokioIo<Transport>, TrackedService<S>, StreamExecutor>>>
{
    const DRAINS_FROM: Phase = Phase::Draining;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().poll(cx).map(drop)
    }

    fn start_shutdown(&mut self) {
        self.as_mut().graceful_shutdown();
    }
}

/// Runs the streams of HTTP/2 connections. A stream has `timeout` from its head to the last byte of its response. One that
/// takes longer, because its client does not read the response, is dropped, and the client gets `RST_STREAM`. Other traffic
/// on the connection does not extend the timeout.
#[derive(Clone)]
struct StreamExecutor {
    timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(tokio::time::timeout(self.timeout, stream));
    }
}

/// Counts an open connection in the gauge.
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
