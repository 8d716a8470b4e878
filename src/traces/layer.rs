//! The layer around all others that makes the spans.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower::Service;

use super::Traces;
use super::span::ServerSpan;
use crate::server::guarded;

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
        Poll::Ready(Ok(response.map(|body| guarded(body, span))))
    }
}
