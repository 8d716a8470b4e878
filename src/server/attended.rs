//! What the server sees to around each request, whatever the service answers.

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
    pub(super) inner: S,
    pub(super) pulse: Arc<Pulse>,
    pub(super) house: Arc<House>,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Attended<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = AttendedFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let beat = Some(Beat::new(&self.pulse));
        let multiplexed = request.version() == Version::HTTP_2;
        let answer = self.inner.clone().call(request);
        AttendedFuture { answer, house: Arc::clone(&self.house), beat, multiplexed }
    }
}

pin_project! {
    /// The answer to come.
    pub(super) struct AttendedFuture<F> {
        #[pin]
        answer: F,
        house: Arc<House>,
        beat: Option<Beat>,
        multiplexed: bool,
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
        if *this.multiplexed {
            // HTTP/1 takes an answer as soon as it is made; here it waits until its client has room for it.
            let beat = this.beat.take();
            response = response.map(|body| Body::new(Unread { body, _beat: beat }));
        } else if this.house.is_emptying() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

/// One request, between its head and its answer.
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

/// An answer's body, which counts as in flight until it has been taken.
struct Unread {
    body: Body,
    _beat: Option<Beat>,
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
