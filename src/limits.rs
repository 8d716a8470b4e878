//! The limits on one request: the length of its target, the size of its body, and its time.
//!
//! The server has the limits on a connection: the header timeout, the idle timeout, and the size of a head.

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
use http::header::{ACCEPT, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri, request};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use crate::config::Limits;
use crate::endpoints::{Endpoint, Reads};
use crate::error::Rejection;
use crate::format::Format;
use crate::held::HeldBytes;
use crate::http_rules::site::{self, SEC_FETCH_SITE};
use crate::metrics::HealthCheck;
use crate::routes::MAX_PARAMETER_BYTES;
use crate::server::Pressure;

/// Passes requests within the limits to the routes, after it has read their bodies.
#[derive(Clone)]
pub struct RequestLimits {
    limits: Limits,
    pressure: Pressure,
    /// The room for bodies and headers that endpoints read.
    held: HeldBytes,
    routes: Router,
}

impl RequestLimits {
    /// Wraps `routes`. Under `pressure`, the time for a body is shorter.
    pub fn new(limits: Limits, pressure: Pressure, routes: Router) -> Self {
        Self { limits, pressure, held: HeldBytes::default(), routes }
    }
}

impl<B> Service<Request<B>> for RequestLimits
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RequestLimitsFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Limits { request_timeout, max_body_bytes, .. } = self.limits;
        if let Err(rejection) = check(&request, self.limits) {
            return RequestLimitsFuture { stage: Stage::Rejected { rejection } };
        }
        // The usual request has no body, and its future has no room for one.
        if request.body().is_end_stream() {
            let response = WithTimeout::new(request_timeout, self.routes.call(request.map(|_| Body::empty())));
            return RequestLimitsFuture { stage: Stage::Responding { response } };
        }
        let (mut routes, pressure) = (self.routes.clone(), self.pressure.clone());
        let (parts, body) = request.into_parts();
        let endpoint = Endpoint::of_path(parts.uri.path());
        let reads = endpoint.map_or(Reads::Nothing, Endpoint::reads);
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let room = match reads {
            Reads::Nothing => None,
            Reads::Headers => Some(self.held.take(self.limits.max_header_bytes)),
            // A vector of unknown length may have room for twice its content.
            Reads::Body => Some(self.held.take(length.unwrap_or(2 * max_body_bytes))),
        };
        let room = match room.transpose() {
            Ok(room) => room,
            Err(rejection) => return RequestLimitsFuture { stage: Stage::Rejected { rejection } },
        };
        let mut request = if reads == Reads::Headers {
            Request::from_parts(parts, Body::empty())
        } else {
            minimal_request(parts, endpoint)
        };
        let response = async move {
            let started = Instant::now();
            let mut kept = (reads == Reads::Body).then(|| Vec::with_capacity(length.unwrap_or_default()));
            let read = tokio::select! {
                read = read_body(body, max_body_bytes, kept.as_mut()) => read,
                () = pressure.timed_out(started, request_timeout) => Err(Rejection::RequestTimeout),
            };
            if let Err(rejection) = read {
                return Ok(rejection.into_response());
            }
            let _headers_room = match (kept, room) {
                (Some(kept), Some(room)) => {
                    *request.body_mut() = Body::from(room.fill(kept));
                    None
                }
                (_, room) => room,
            };
            let left = request_timeout.saturating_sub(started.elapsed());
            WithTimeout::new(left, routes.call(request)).await
        };
        RequestLimitsFuture { stage: Stage::ReadingBody { response: Box::pin(response) } }
    }
}

/// The longest target with a parameter that has a meaning: [`MAX_PARAMETER_BYTES`] in the path, as many in the query.
const MAX_KEPT_TARGET_BYTES: usize = 32 + 2 * MAX_PARAMETER_BYTES;

/// The parts of a request that the routes need, without those that its client may have made large. It is kept while its
/// body arrives, or while it waits on purpose, and there may be thousands of those. `endpoint` is that of its path.
pub fn minimal_request(parts: request::Parts, endpoint: Option<Endpoint>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let path = parts.uri.path();
    let target = parts.uri.path_and_query().map_or(path, PathAndQuery::as_str);
    let target = match endpoint {
        // The only one that reads its query.
        Some(Endpoint::Allocate) if target.len() <= MAX_KEPT_TARGET_BYTES => target,
        Some(endpoint) if endpoint != Endpoint::Allocate && path.len() <= MAX_KEPT_TARGET_BYTES => path,
        // Its parameter is too long, which is as invalid as the name of the parameter.
        Some(endpoint) => endpoint.path(),
        None => "/-",
    };
    // In a buffer of its own, because that of the head is large.
    *request.uri_mut() = Uri::try_from(target).expect("the target of a URI is a URI");
    let format = Format::accepted_or(Endpoint::default_format(path), &parts.headers);
    request.headers_mut().insert(ACCEPT, format.content_type());
    if site::is_other(&parts.uri, &parts.headers) {
        request.headers_mut().insert(SEC_FETCH_SITE, HeaderValue::from_static("cross-site"));
    }
    if let Some(health_check) = parts.extensions.get::<HealthCheck>() {
        request.extensions_mut().insert(*health_check);
    }
    // An unknown method may be as long as a head.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    *request.method_mut() = if known.contains(&parts.method) { parts.method } else { Method::PATCH };
    request
}

/// Checks the limits on a request's head.
fn check<B: HttpBody>(request: &Request<B>, limits: Limits) -> Result<(), Rejection> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.max_uri_bytes {
        return Err(Rejection::UriTooLong);
    }
    if request.body().size_hint().lower() > limits.max_body_bytes as u64 {
        return Err(Rejection::BodyTooLarge);
    }
    Ok(())
}

/// Reads a body to its end, and keeps it if an endpoint needs it. A client whose body is not read loses its connection.
async fn read_body<B>(body: B, max_bytes: usize, mut kept: Option<&mut Vec<u8>>) -> Result<(), Rejection>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    let mut body = Limited::new(body, max_bytes);
    while let Some(frame) = body.frame().await {
        let too_large = |error: axum::BoxError| error.is::<LengthLimitError>();
        let frame =
            frame.map_err(|error| if too_large(error) { Rejection::BodyTooLarge } else { Rejection::MalformedBody })?;
        if let (Some(kept), Some(bytes)) = (kept.as_deref_mut(), frame.data_ref()) {
            kept.extend_from_slice(bytes);
        }
    }
    Ok(())
}

pin_project! {
    /// The response future of [`RequestLimits`].
    pub struct RequestLimitsFuture {
        #[pin]
        stage: Stage,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage {
        Rejected { rejection: Rejection },
        Responding { #[pin] response: WithTimeout },
        // Boxed, because it is rare, and large.
        ReadingBody { response: Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>> },
    }
}

impl Future for RequestLimitsFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Rejected { rejection } => Poll::Ready(Ok(rejection.into_response())),
            StageProjection::Responding { response } => response.poll(cx),
            StageProjection::ReadingBody { response } => response.as_mut().poll(cx),
        }
    }
}

pin_project! {
    /// A route's response, or a 408 after the timeout. Most responses are ready at once, and do not cost a timer.
    struct WithTimeout {
        #[pin]
        response: RouteFuture<Infallible>,
        timeout: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl WithTimeout {
    fn new(timeout: Duration, response: RouteFuture<Infallible>) -> Self {
        Self { response, timeout, timer: None }
    }
}

impl Future for WithTimeout {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(response) = this.response.poll(cx) {
            return Poll::Ready(response);
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(*this.timeout)));
        std::task::ready!(timer.as_mut().poll(cx));
        Poll::Ready(Ok(Rejection::ResponseTimeout.into_response()))
    }
}
