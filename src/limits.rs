//! Bounds on one request: the length of its target, the size of its body, the time it takes.
//!
//! The bounds on a connection (the time for a head, the idle time, the size of a head) are the server's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request, Response, Uri, request};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::time::Instant;
use tower::Service;

use crate::app::Endpoint;
use crate::config::Limits;
use crate::error::Refusal;
use crate::format::Format;
use crate::server::Pressure;

/// Routes that see only requests within the limits, with their bodies read.
#[derive(Clone)]
pub struct Limited {
    limits: Limits,
    pressure: Pressure,
    routes: Router,
}

impl Limited {
    /// Puts `routes` behind `limits`; under `pressure` bodies are not waited for as long.
    pub fn new(limits: Limits, pressure: Pressure, routes: Router) -> Self {
        Self { limits, pressure, routes }
    }
}

impl<B> Service<Request<B>> for Limited
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Limits { request_timeout, max_body_bytes, .. } = self.limits;
        if let Err(refusal) = admit(&request, self.limits) {
            return Box::pin(std::future::ready(Ok(refusal.into_response())));
        }
        // The usual request has no body: its answer is not to wait, nor to be carried around, for one.
        if request.body().is_end_stream() {
            let answer = self.routes.call(request.map(|_| Body::empty()));
            return Box::pin(in_time(request_timeout, answer));
        }
        let (mut routes, pressure) = (self.routes.clone(), self.pressure.clone());
        let (parts, body) = request.into_parts();
        let head = essence(parts);
        Box::pin(async move {
            let began = Instant::now();
            let read = tokio::select! {
                read = discard(body, max_body_bytes) => read,
                () = pressure.runs_out(began, request_timeout) => Err(Refusal::TooSlow),
            };
            match read {
                Ok(()) => in_time(request_timeout.saturating_sub(began.elapsed()), routes.call(head)).await,
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}

/// What the routes need of a request, without what its client may have made large: it is kept while the body is awaited,
/// and there may be thousands of those.
fn essence(parts: request::Parts) -> Request<Body> {
    let mut head = Request::new(Body::empty());
    *head.uri_mut() = Uri::from_static(Endpoint::of_path(parts.uri.path()).map_or("/-", Endpoint::path));
    head.headers_mut().insert(ACCEPT, Format::accepted(&parts.headers).content_type());
    // A method that HTTP does not know may be as long as a head.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    *head.method_mut() = if known.contains(&parts.method) { parts.method } else { Method::PATCH };
    head
}

/// Lets a request's head pass, or says why not.
fn admit<B: HttpBody>(request: &Request<B>, limits: Limits) -> Result<(), Refusal> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.max_uri_bytes {
        return Err(Refusal::UriTooLong);
    }
    if request.body().size_hint().lower() > limits.max_body_bytes as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(())
}

/// Reads a body to its end: no endpoint wants one, but what is left unread would cost the client its connection.
async fn discard<B>(body: B, max_bytes: usize) -> Result<(), Refusal>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    let mut body = http_body_util::Limited::new(body, max_bytes);
    while let Some(frame) = body.frame().await {
        let too_large = |error: axum::BoxError| error.is::<LengthLimitError>();
        frame.map_err(|error| if too_large(error) { Refusal::BodyTooLarge } else { Refusal::BrokenBody })?;
    }
    Ok(())
}

/// The answer, or a refusal once the time is up. Most answers are there at once, and are not to cost a timer.
async fn in_time<F>(time: Duration, answer: F) -> Result<Response<Body>, Infallible>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let mut answer = std::pin::pin!(answer);
    if let Poll::Ready(answer) = std::future::poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
        return answer;
    }
    tokio::time::timeout(time, answer).await.unwrap_or_else(|_elapsed| Ok(Refusal::TooSlow.into_response()))
}
