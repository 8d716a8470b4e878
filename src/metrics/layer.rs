//! The outermost layer. It counts each request in `Drop`, which includes panics, timeouts and clients that leave.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::header::USER_AGENT;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower::Service;

use super::Metrics;
use crate::endpoints::Endpoint;
use crate::error::Deliberate;

/// Marks a request of a load balancer's health check at an endpoint for clients.
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck;

/// Counts the requests of a service.
#[derive(Clone)]
pub struct RequestMetrics<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> RequestMetrics<S> {
    /// Wraps `inner`.
    pub fn new(metrics: Arc<Metrics>, inner: S) -> Self {
        Self { inner, metrics }
    }
}

impl<S, B, R> Service<Request<B>> for RequestMetrics<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequestMetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let endpoint = Endpoint::of_path(request.uri().path());
        let user_agent = || request.headers().get(USER_AGENT);
        let is_probe = endpoint.is_some_and(Endpoint::is_for_clients)
            && user_agent().is_some_and(|user_agent| self.metrics.is_probe(user_agent.as_bytes()));
        if is_probe {
            request.extensions_mut().insert(HealthCheck);
        }
        let observation = Observation {
            metrics: Arc::clone(&self.metrics),
            endpoint,
            answered_by: None,
            is_probe,
            method: super::method_label(request.method()),
            status: CLIENT_CLOSED_REQUEST,
            started: Instant::now(),
        };
        RequestMetricsFuture { response: self.inner.call(request), observation }
    }
}

pin_project! {
    /// The response future of [`RequestMetrics`].
    pub struct RequestMetricsFuture<F> {
        #[pin]
        response: F,
        observation: Observation,
    }
}

impl<F, R, E> Future for RequestMetricsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let response = std::task::ready!(this.response.poll(cx));
        this.observation.status = response.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
        if !this.observation.status.is_client_error() || response.as_ref().is_ok_and(is_deliberate) {
            this.observation.answered_by = this.observation.endpoint;
        }
        Poll::Ready(response)
    }
}

fn is_deliberate<R>(response: &Response<R>) -> bool {
    response.extensions().get::<Deliberate>().is_some()
}

/// The status of a request without a response: nginx' code for a client that closed its connection.
const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => unreachable!(),
};

/// A request in flight.
struct Observation {
    metrics: Arc<Metrics>,
    endpoint: Option<Endpoint>,
    /// The endpoint, once it has a response that is its own: not a client error, unless that is what the client asked for.
    answered_by: Option<Endpoint>,
    method: &'static str,
    status: StatusCode,
    /// Whether it is a health check at an endpoint for clients.
    is_probe: bool,
    started: Instant,
}

impl Drop for Observation {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        self.metrics.observe(self.answered_by, self.method, self.status, elapsed, self.is_probe);
        tracing::debug!(
            method = self.method,
            path = self.endpoint.map_or(super::UNMATCHED, Endpoint::name),
            status = self.status.as_u16(),
            seconds = elapsed.as_secs_f64(),
            "request answered"
        );
    }
}
