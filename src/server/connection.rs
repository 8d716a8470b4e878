//! One connection, from its first byte to its end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::HttpService;
use super::pulse::{Expired, Pulse};
use super::transport::{Transport, Version};
use crate::config::Limits;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;

/// What a client that connected in the service's last moment has to send its first byte, and what a client that is
/// being closed has to read its answer.
const LAST_WORD: Duration = Duration::from_millis(500);

/// hyper's least; its parser refuses heads by their real limit before this one counts.
const LEAST_BUFFER_BYTES: usize = 8192;

/// Concurrent requests on one HTTP/2 connection: what curl and browsers use, a bound on what one client can hold.
const MAX_STREAMS: u32 = 100;

/// HTTP/2's own default. hyper's is 1 MiB a connection, which times the connections is a pod's memory many times over.
const WINDOW_BYTES: u32 = 65_535;

/// The answer to a client whose request's head did not arrive in time. It is in YAML: the `Accept` header is part of
/// what is missing.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\n\
    content-type: application/yaml\r\n\
    content-length: 121\r\n\r\n\
    error:\n  status: \"408\"\n  reason: Request Timeout\n  message: the request's head did not arrive within --header-timeout\n";

/// What all connections share.
pub(super) struct Connections<S> {
    service: S,
    limits: Limits,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<S: HttpService> Connections<S> {
    pub(super) fn new(service: S, limits: Limits, lifecycle: Lifecycle, metrics: Arc<Metrics>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // The pulse's, instead.
            .header_read_timeout(None)
            // A client that has sent all it had, and says so, still wants its answer.
            .half_close(true)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER_BYTES));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
        Self { service, limits, lifecycle, metrics, http1, http2 }
    }

    /// Serves one client until it leaves, runs out of time, or the service stops.
    pub(super) async fn serve(&self, stream: TcpStream) {
        let _open = OpenConnection::new(&self.metrics);
        // Answers are small and whole: nothing is gained by waiting for more to send.
        let _ = stream.set_nodelay(true);
        let pulse = Arc::new(Pulse::new());
        let mut transport = Transport::new(stream, Arc::clone(&pulse));
        let Some(version) = self.first_head(&mut transport).await else {
            return;
        };
        let io = TokioIo::new(transport);
        let service =
            Beating { inner: self.service.clone(), pulse: Arc::clone(&pulse), lifecycle: self.lifecycle.clone() };
        match version {
            Version::Http1 => {
                let mut connection = self.http1.serve_connection(io, service);
                if self.drive(&mut connection, &pulse).await == Some(Expired::Head) {
                    connection.into_parts().io.into_inner().try_last_word(TOO_SLOW);
                }
            }
            Version::Http2 => {
                let mut connection = Box::pin(self.http2.serve_connection(io, service));
                self.drive(&mut connection, &pulse).await;
            }
        }
    }

    /// Waits for the client's first head: for the header timeout, and for a moment once the service stops.
    async fn first_head(&self, transport: &mut Transport) -> Option<Version> {
        let last_moment = async {
            self.lifecycle.reached(Phase::Stopping).await;
            tokio::time::sleep(LAST_WORD).await;
        };
        let head = tokio::time::timeout(self.limits.header_timeout, transport.first_head(self.limits.max_header_bytes));
        let head = tokio::select! {
            biased;
            head = head => head,
            () = last_moment => return None,
        };
        if let Ok(head) = head {
            return head.ok().flatten();
        }
        if transport.has_first_bytes() {
            transport.try_last_word(TOO_SLOW);
        }
        None
    }

    /// Polls a connection to its end. Returns why, where it ended because the client ran out of time.
    async fn drive<C: Drivable>(&self, connection: &mut C, pulse: &Pulse) -> Option<Expired> {
        let mut alarm = pin!(sleep_until(Instant::now() + self.limits.header_timeout));
        let mut leaving = pin!(self.lifecycle.reached(C::LEAVES_AT).fuse());
        let (mut told, mut closing, mut last_word) = (false, false, None);
        poll_fn(|cx| {
            // First, so that a request which has already arrived is seen before the connection is told to leave.
            if connection.poll_serve(cx).is_ready() {
                return Poll::Ready(None);
            }
            told = told || leaving.as_mut().poll(cx).is_ready();
            if told && !closing && !pulse.is_reading_head() {
                closing = true;
                connection.leave();
                if connection.poll_serve(cx).is_ready() {
                    return Poll::Ready(None);
                }
            }
            loop {
                let deadline = last_word.map(|at| (at, Expired::Idle)).or_else(|| pulse.deadline(&self.limits));
                if let Some((at, _)) = deadline
                    && at < alarm.deadline()
                {
                    alarm.as_mut().reset(at);
                }
                std::task::ready!(alarm.as_mut().poll(cx));
                let now = Instant::now();
                match deadline {
                    Some((at, _)) if at > now => alarm.as_mut().reset(at),
                    Some((_, Expired::Idle)) if last_word.is_none() => {
                        // Whoever is still here afterwards does not read its answers.
                        last_word = Some(now + LAST_WORD);
                        closing = true;
                        connection.leave();
                        if connection.poll_serve(cx).is_ready() {
                            return Poll::Ready(Some(Expired::Idle));
                        }
                    }
                    Some((_, expired)) => return Poll::Ready(Some(expired)),
                    None => alarm.as_mut().reset(now + self.limits.header_timeout),
                }
            }
        })
        .await
    }
}

/// What the two protocols' connections have in common.
trait Drivable {
    /// From which phase on a quiet connection is closed. HTTP/2 has GOAWAY, which loses nothing however early it is
    /// sent. On HTTP/1 a client may be sending its next request just as the connection is closed, so that it is given
    /// the drain delay to learn from a `Connection: close` that it is to leave.
    const LEAVES_AT: Phase;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Finishes what is in flight, then closes.
    fn leave(&mut self);
}

impl<S: HttpService> Drivable for http1::Connection<TokioIo<Transport>, Beating<S>> {
    const LEAVES_AT: Phase = Phase::Stopping;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whatever went wrong went wrong on the client's side, and hyper has told it so.
        Pin::new(self).poll(cx).map(drop)
    }

    fn leave(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<S: HttpService> Drivable for Pin<Box<http2::Connection<TokioIo<Transport>, Beating<S>, TokioExecutor>>> {
    const LEAVES_AT: Phase = Phase::Draining;

    fn poll_serve(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().poll(cx).map(drop)
    }

    fn leave(&mut self) {
        self.as_mut().graceful_shutdown();
    }
}

/// A service that tells the pulse of each request, and the client to leave while the server drains.
struct Beating<S> {
    inner: S,
    pulse: Arc<Pulse>,
    lifecycle: Lifecycle,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Beating<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BeatingFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let beat = Beat::new(&self.pulse);
        let can_close = request.version() < http::Version::HTTP_2;
        BeatingFuture {
            answer: self.inner.clone().call(request),
            lifecycle: self.lifecycle.clone(),
            can_close,
            _beat: beat,
        }
    }
}

pin_project! {
    struct BeatingFuture<F> {
        #[pin]
        answer: F,
        lifecycle: Lifecycle,
        can_close: bool,
        _beat: Beat,
    }
}

impl<F, E> Future for BeatingFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut answer = std::task::ready!(this.answer.poll(cx));
        if let Ok(response) = &mut answer
            && *this.can_close
            && this.lifecycle.phase() >= Phase::Draining
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(answer)
    }
}

/// One request between its head and its answer.
struct Beat(Arc<Pulse>);

impl Beat {
    fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.request_began();
        Self(Arc::clone(pulse))
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// One open connection, for the gauge.
struct OpenConnection<'a>(&'a Metrics);

impl<'a> OpenConnection<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections().inc();
        Self(metrics)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.connections().dec();
    }
}
