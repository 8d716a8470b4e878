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
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request, Response, Uri, request};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
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
    type Future = LimitedFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Limits { request_timeout, max_body_bytes, .. } = self.limits;
        if let Err(refusal) = admit(&request, self.limits) {
            return LimitedFuture { stage: Stage::Refused { refusal } };
        }
        // The usual request has no body: its answer is not to wait, nor to be carried around, for one.
        if request.body().is_end_stream() {
            let answer = InTime::new(request_timeout, self.routes.call(request.map(|_| Body::empty())));
            return LimitedFuture { stage: Stage::Answering { answer } };
        }
        let (mut routes, pressure) = (self.routes.clone(), self.pressure.clone());
        let (parts, body) = request.into_parts();
        let head = essence(parts);
        let answer = async move {
            let began = Instant::now();
            let read = tokio::select! {
                read = discard(body, max_body_bytes) => read,
                () = pressure.runs_out(began, request_timeout) => Err(Refusal::TooSlow),
            };
            match read {
                Ok(()) => InTime::new(request_timeout.saturating_sub(began.elapsed()), routes.call(head)).await,
                Err(refusal) => Ok(refusal.into_response()),
            }
        };
        LimitedFuture { stage: Stage::Reading { answer: Box::pin(answer) } }
    }
}

/// What the routes need of a request, without what its client may have made large: it is kept while the body is awaited,
/// and there may be thousands of those.
fn essence(parts: request::Parts) -> Request<Body> {
    let mut head = Request::new(Body::empty());
    let path = parts.uri.path();
    let path = if Endpoint::of_path(path).is_some() { path } else { "/-" };
    *head.uri_mut() = Uri::try_from(path).expect("the path of a URI is a URI");
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

pin_project! {
    /// The answer to come.
    pub struct LimitedFuture {
        #[pin]
        stage: Stage,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage {
        Refused { refusal: Refusal },
        Answering { #[pin] answer: InTime },
        // Boxed: it is rare, and most requests are not to have room for it.
        Reading { answer: Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>> },
    }
}

impl Future for LimitedFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Refused { refusal } => Poll::Ready(Ok(refusal.into_response())),
            StageProjection::Answering { answer } => answer.poll(cx),
            StageProjection::Reading { answer } => answer.as_mut().poll(cx),
        }
    }
}

pin_project! {
    /// A route's answer, or a refusal once the time is up. Most answers are there at once, and are not to cost a timer.
    struct InTime {
        #[pin]
        answer: RouteFuture<Infallible>,
        time: Duration,
        alarm: Option<Pin<Box<Sleep>>>,
    }
}

impl InTime {
    fn new(time: Duration, answer: RouteFuture<Infallible>) -> Self {
        Self { answer, time, alarm: None }
    }
}

impl Future for InTime {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(cx) {
            return Poll::Ready(answer);
        }
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep(*this.time)));
        std::task::ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Ok(Refusal::TooSlow.into_response()))
    }
}
