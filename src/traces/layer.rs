//! The layer around all others that makes the spans.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

use super::Traces;
use super::span::ServerSpan;

/// Makes a span for each client request of a service, if there are traces.
#[derive(Clone)]
pub struct Traced<S> {
    inner: S,
    traces: Option<Traces>,
    scheme: &'static str,
}

impl<S> Traced<S> {
    /// Wraps `inner`, whose clients connect with this scheme.
    pub fn new(traces: Option<Traces>, scheme: &'static str, inner: S) -> Self {
        Self { inner, traces, scheme }
    }
}

impl<S, B> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = TracedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span =
            self.traces.as_ref().and_then(|traces| ServerSpan::begin(&traces.0, &request, self.scheme).map(Box::new));
        TracedFuture { response: self.inner.call(request), span: Unanswered(span) }
    }
}

pin_project! {
    /// The response future of [`Traced`].
    pub struct TracedFuture<F> {
        #[pin]
        response: F,
        span: Unanswered,
    }
}

/// The span of a request without a response.
struct Unanswered(Option<Box<ServerSpan>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.abandon();
        }
    }
}

impl<F> Future for TracedFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Ok(response) = std::task::ready!(this.response.poll(cx));
        let Some(mut span) = this.span.0.take() else {
            return Poll::Ready(Ok(response));
        };
        span.respond(response.status());
        if response.body().size_hint().exact().is_some() {
            return Poll::Ready(Ok(response));
        }
        // It takes time, which belongs to the span.
        Poll::Ready(Ok(response.map(|body| Body::new(TracedBody { body, _span: span }))))
    }
}

/// A response body. Its span ends with it.
struct TracedBody {
    body: Body,
    _span: Box<ServerSpan>,
}

impl HttpBody for TracedBody {
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
