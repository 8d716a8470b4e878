//! The outermost layer: counts each request in `Drop`, so that panics, timeouts and clients that left are counted too.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower::Service;

use super::Metrics;
use crate::app::Endpoint;

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Counted<S> {
    /// Counts the requests of `inner`.
    pub fn new(metrics: Arc<Metrics>, inner: S) -> Self {
        Self { inner, metrics }
    }
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let observation = Observation {
            metrics: Arc::clone(&self.metrics),
            endpoint: Endpoint::of_path(request.uri().path()),
            method: super::known(request.method()),
            status: CLIENT_CLOSED_REQUEST,
            started: Instant::now(),
        };
        CountedFuture { answer: self.inner.call(request), observation }
    }
}

pin_project! {
    /// The answer to come, and what is known of its request.
    pub struct CountedFuture<F> {
        #[pin]
        answer: F,
        observation: Observation,
    }
}

impl<F, R, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = std::task::ready!(this.answer.poll(cx));
        this.observation.status = answer.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
        Poll::Ready(answer)
    }
}

/// What a request ends with unless an answer comes: nginx' code for a client that closed its connection.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => unreachable!(),
};

/// One request under way.
struct Observation {
    metrics: Arc<Metrics>,
    endpoint: Option<Endpoint>,
    method: &'static str,
    status: StatusCode,
    started: Instant,
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        self.metrics.observe(self.endpoint, self.method, self.status, elapsed);
        tracing::debug!(
            method = self.method,
            path = self.endpoint.map_or(super::UNMATCHED, Endpoint::name),
            status = self.status.as_u16(),
            seconds = elapsed.as_secs_f64(),
            "request answered"
        );
    }
}
