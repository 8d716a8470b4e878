//! Validates requests by RFC 9110, 9112 and 9113, where their parser does not, for both versions of HTTP.
//!
//! The server checks [`framing`] and the target's bytes on an HTTP/1 head as it arrived, before hyper parses it. [`HttpRules`]
//! checks the rest on the parsed request.

pub mod framing;
pub mod host;
pub mod site;
pub mod target;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tower::Service;

use crate::endpoints::Methods;
use crate::error::Rejection;
use host::Host;

/// The hosts that a listener serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// Any host.
    Any,
    /// Only local hosts, for a loopback address: a web page can make its own name resolve to that address (DNS rebinding),
    /// and could then read the responses.
    Local,
}

impl Hosts {
    /// The hosts for a service at these addresses.
    pub fn of(addresses: &[SocketAddr]) -> Self {
        let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        if is_local { Self::Local } else { Self::Any }
    }
}

/// Rejects requests that break the rules. It closes an HTTP/1 connection after a rejection, and after a request with a body.
#[derive(Clone)]
pub struct HttpRules<S> {
    inner: S,
    hosts: Hosts,
}

impl<S> HttpRules<S> {
    /// Wraps `inner`, which gets valid requests for `hosts`.
    pub fn new(hosts: Hosts, inner: S) -> Self {
        Self { inner, hosts }
    }
}

impl<S, B> Service<Request<B>> for HttpRules<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    B: HttpBody,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = HttpRulesFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_http2 = request.version() == Version::HTTP_2;
        // No endpoint needs a body, so a request with one is the last on its connection. Wherever it ends for this service or
        // for a proxy, nothing after it is read as a request.
        let is_last = !request.body().is_end_stream();
        match check(&request, self.hosts) {
            Ok(()) => {
                let outcome = Outcome::Accepted { response: self.inner.call(request) };
                HttpRulesFuture { outcome, closes: is_last && !is_http2 }
            }
            Err(rejection) => HttpRulesFuture { outcome: Outcome::Rejected { rejection }, closes: !is_http2 },
        }
    }
}

pin_project! {
    /// The response future of [`HttpRules`].
    pub struct HttpRulesFuture<F> {
        #[pin]
        outcome: Outcome<F>,
        closes: bool,
    }
}

pin_project! {
    #[project = OutcomeProjection]
    enum Outcome<F> {
        Accepted { #[pin] response: F },
        Rejected { rejection: Rejection },
    }
}

impl<F, E> Future for HttpRulesFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.outcome.project() {
            OutcomeProjection::Accepted { response } => std::task::ready!(response.poll(cx))?,
            OutcomeProjection::Rejected { rejection } => rejection.into_response(),
        };
        if *this.closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

/// Checks a request.
fn check<B>(request: &Request<B>, hosts: Hosts) -> Result<(), Rejection> {
    let (version, uri) = (request.version(), request.uri());
    let target_host = target::check(request.method(), uri)?;
    // An absolute URL may omit its path; `:path` may not (RFC 9113, section 8.3.1).
    let is_rooted = uri.path_and_query().is_none_or(|target| target.as_str().starts_with(['/', '*']));
    if version == Version::HTTP_2 && !is_rooted {
        return Err(Rejection::InvalidTarget);
    }
    let header_host = host_header(request.headers())?;
    if header_host.is_none() && version == Version::HTTP_11 {
        return Err(Rejection::MissingHost);
    }
    // On HTTP/1, the target's host overrides `Host` (RFC 9112, section 3.2.2). On HTTP/2, both must agree (RFC 9113, section
    // 8.3.1).
    if let (Version::HTTP_2, Some(target_host), Some(header_host)) = (version, target_host, header_host)
        && !target_host.is_same_origin(header_host, uri.scheme_str())
    {
        return Err(Rejection::InvalidHost);
    }
    // Browsers always send a host, so a request without one (HTTP/1.0) is not from a web page.
    let is_not_local = || target_host.or(header_host).is_some_and(|host| !host.is_empty() && !host.is_local());
    if hosts == Hosts::Local && is_not_local() {
        return Err(Rejection::NotLocalHost);
    }
    if request.method() == Method::CONNECT { Err(Rejection::MethodNotAllowed(Methods::Get)) } else { Ok(()) }
}

/// The value of `Host`, which must be valid and occur once at most (RFC 9112, section 3.2).
fn host_header(headers: &HeaderMap) -> Result<Option<Host<'_>>, Rejection> {
    let Some(value) = headers.get(HOST) else {
        return Ok(None);
    };
    let is_repeated = headers.len() > headers.keys_len() && headers.get_all(HOST).iter().count() > 1;
    let host = value.to_str().ok().and_then(Host::parse);
    if is_repeated { Err(Rejection::InvalidHost) } else { host.map(Some).ok_or(Rejection::InvalidHost) }
}
