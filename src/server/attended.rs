//! What the server sees to around each request, whatever the service answers.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::HttpService;
use super::pressure::Pressure;
use super::pulse::Pulse;
use crate::lifecycle::Lifecycle;

/// What all connections' requests have in common.
pub(super) struct House {
    pub(super) lifecycle: Lifecycle,
    pub(super) pressure: Pressure,
}

impl House {
    /// Whether an HTTP/1 client is to be asked to leave after its answer.
    fn is_emptying(&self) -> bool {
        self.lifecycle.is_leaving() || self.pressure.is_high()
    }
}

/// A service that tells the pulse of each request, and asks clients to leave when they are to.
pub(super) struct Attended<S> {
    /// This connection alone calls it. A clone for each request would cost several atomic counts.
    pub(super) inner: RefCell<S>,
    pub(super) pulse: Arc<Pulse>,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Attended<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = AttendedFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let multiplexed = request.version() == Version::HTTP_2;
        let beat = Some(Beat::new(&self.pulse, multiplexed));
        AttendedFuture { answer: self.inner.borrow_mut().call(request), beat }
    }
}

pin_project! {
    /// The answer to come.
    pub(super) struct AttendedFuture<F> {
        #[pin]
        answer: F,
        beat: Option<Beat>,
    }
}

impl<F, E> Future for AttendedFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = std::task::ready!(this.answer.poll(cx))?;
        let Some(beat) = this.beat.take() else { return Poll::Ready(Ok(response)) };
        if beat.multiplexed {
            // HTTP/1 takes an answer as soon as it is made; here it waits until its client has room for it.
            response = response.map(|body| Body::new(Unread { body, _beat: beat }));
        } else if beat.pulse.house.is_emptying() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

/// One request, between its head and its answer.
struct Beat {
    pulse: Arc<Pulse>,
    multiplexed: bool,
}

impl Beat {
    fn new(pulse: &Arc<Pulse>, multiplexed: bool) -> Self {
        pulse.request_began();
        Self { pulse: Arc::clone(pulse), multiplexed }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.pulse.request_ended(self.multiplexed);
    }
}

/// An answer's body, which counts as in flight until it has been taken.
struct Unread {
    body: Body,
    _beat: Beat,
}

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
