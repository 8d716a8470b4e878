//! Records each request in its connection's state, and closes HTTP/1 connections when the server needs to.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::HttpService;
use super::connection_state::ConnectionState;
use super::guarded_body::guarded;
use super::takeover::Takeover;
use crate::traces::Peer;

/// The service of one connection.
pub(super) struct TrackedService<S> {
    /// Only this connection calls it. A clone for each request would cost several atomic operations.
    pub(super) inner: RefCell<S>,
    pub(super) state: Arc<ConnectionState>,
    /// Where the connection comes from, if the service needs that.
    pub(super) peer: Option<Peer>,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for TrackedService<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = TrackedFuture<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let is_http2 = request.version() == Version::HTTP_2;
        let guard = Some(RequestGuard::new(&self.state, is_http2));
        TrackedFuture { response: self.inner.borrow_mut().call(request), guard }
    }
}

pin_project! {
    /// The response future.
    pub(super) struct TrackedFuture<F> {
        #[pin]
        response: F,
        guard: Option<RequestGuard>,
    }
}

impl<F, E> Future for TrackedFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = std::task::ready!(this.response.poll(cx))?;
        let Some(guard) = this.guard.take() else { return Poll::Ready(Ok(response)) };
        let takeover = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
            .then(|| response.extensions_mut().remove::<Takeover>())
            .flatten();
        if let Some(takeover) = takeover {
            let _ = guard.state.takeover.set(takeover);
        } else if guard.is_http2 {
            // On HTTP/1, hyper takes a response at once. On HTTP/2, it waits until the client has room for it.
            response = response.map(|body| guarded(body, guard));
        } else {
            if guard.state.server.closes_http1_connections() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if response.body().size_hint().exact().is_none() {
                // It takes time, in which the connection is not idle.
                response = response.map(|body| guarded(body, guard));
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// A request in flight.
struct RequestGuard {
    state: Arc<ConnectionState>,
    is_http2: bool,
}

impl RequestGuard {
    fn new(state: &Arc<ConnectionState>, is_http2: bool) -> Self {
        state.request_started();
        Self { state: Arc::clone(state), is_http2 }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.state.request_finished(self.is_http2);
    }
}
