//! Bounds on one request: the length of its target, the size of its body, the time it takes.
//!
//! The bounds on a connection (the time for a head, the idle time, the size of a head) are the server's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError};
use tower::Service;

use crate::config::Limits;
use crate::error::Refusal;

/// Routes that see only requests within the limits, with their bodies read.
#[derive(Clone)]
pub struct Limited {
    limits: Limits,
    routes: Router,
}

impl Limited {
    /// Puts `routes` behind `limits`.
    pub fn new(limits: Limits, routes: Router) -> Self {
        Self { limits, routes }
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
        let Self { limits, mut routes } = self.clone();
        Box::pin(async move {
            let answer = async {
                match admit(request, limits).await {
                    Ok(request) => routes.call(request).await,
                    Err(refusal) => Ok(refusal.into_response()),
                }
            };
            let answer = tokio::time::timeout(limits.request_timeout, answer).await;
            answer.unwrap_or_else(|_elapsed| Ok(Refusal::TooSlow.into_response()))
        })
    }
}

/// Lets a request pass, or says why not. Reads its body to the end: no endpoint wants one, but what is left unread
/// would cost the client its connection.
async fn admit<B>(request: Request<B>, limits: Limits) -> Result<Request<Body>, Refusal>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    if request.version() == http::Version::HTTP_11 && !request.headers().contains_key(HOST) {
        return Err(Refusal::NoHost);
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.max_uri_bytes {
        return Err(Refusal::UriTooLong);
    }
    if request.body().size_hint().lower() > limits.max_body_bytes as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let (parts, body) = request.into_parts();
    if !body.is_end_stream() {
        let mut body = http_body_util::Limited::new(body, limits.max_body_bytes);
        while let Some(frame) = body.frame().await {
            frame.map_err(
                |error| {
                    if error.is::<LengthLimitError>() { Refusal::BodyTooLarge } else { Refusal::BrokenBody }
                },
            )?;
        }
    }
    Ok(Request::from_parts(parts, Body::empty()))
}
