//! What RFC 9110, 9112 and 9113 ask of a request beyond what its parser looks at, for both versions of HTTP.
//!
//! [`framing`] and the target's bytes are judged on an HTTP/1 head as it arrived, before hyper sees it (`server`); the
//! rest is [`Lawful`]'s, on the parsed request.

pub mod framing;
pub mod host;
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

use crate::error::Refusal;
use host::Host;

/// Which hosts a listener answers for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// Whatever its clients call it.
    Any,
    /// This machine alone, as is right for a loopback address: a web page can have its own name lead there (DNS
    /// rebinding), and would read the answers as its own.
    Local,
}

impl Hosts {
    /// What is right for a service at these addresses.
    pub fn of(addresses: &[SocketAddr]) -> Self {
        let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        if is_local { Self::Local } else { Self::Any }
    }
}

/// A layer that refuses what breaks the rules, and closes an HTTP/1 connection after that, and after a request with a body.
#[derive(Clone)]
pub struct Lawful<S> {
    inner: S,
    hosts: Hosts,
}

impl<S> Lawful<S> {
    /// Lets the requests for `hosts` that keep the rules through to `inner`.
    pub fn new(hosts: Hosts, inner: S) -> Self {
        Self { inner, hosts }
    }
}

impl<S, B> Service<Request<B>> for Lawful<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    B: HttpBody,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = LawfulFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_multiplexed = request.version() == Version::HTTP_2;
        // No endpoint wants a body, so that a request with one is the connection's last: whatever its end may be, here
        // or to a proxy, nothing behind it is taken for a request.
        let is_last = !request.body().is_end_stream();
        match admit(&request, self.hosts) {
            Ok(()) => {
                let outcome = Outcome::Admitted { answer: self.inner.call(request) };
                LawfulFuture { outcome, closes: is_last && !is_multiplexed }
            }
            Err(refusal) => LawfulFuture { outcome: Outcome::Refused { refusal }, closes: !is_multiplexed },
        }
    }
}

pin_project! {
    /// The answer to come, and whether the connection ends with it.
    pub struct LawfulFuture<F> {
        #[pin]
        outcome: Outcome<F>,
        closes: bool,
    }
}

pin_project! {
    #[project = OutcomeProjection]
    enum Outcome<F> {
        Admitted { #[pin] answer: F },
        Refused { refusal: Refusal },
    }
}

impl<F, E> Future for LawfulFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.outcome.project() {
            OutcomeProjection::Admitted { answer } => std::task::ready!(answer.poll(cx))?,
            OutcomeProjection::Refused { refusal } => refusal.into_response(),
        };
        if *this.closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

/// Lets a request pass, or says why not.
fn admit<B>(request: &Request<B>, hosts: Hosts) -> Result<(), Refusal> {
    let (version, uri) = (request.version(), request.uri());
    let targeted = target::check(request.method(), uri)?;
    // An absolute URL may leave its path out; `:path` may not (RFC 9113, section 8.3.1).
    let is_rooted = uri.path_and_query().is_none_or(|target| target.as_str().starts_with(['/', '*']));
    if version == Version::HTTP_2 && !is_rooted {
        return Err(Refusal::BadTarget);
    }
    let named = named_host(request.headers())?;
    if named.is_none() && version == Version::HTTP_11 {
        return Err(Refusal::NoHost);
    }
    // On HTTP/1 the target's host counts whatever `Host` says (RFC 9112, section 3.2.2); on HTTP/2 both are to agree
    // (RFC 9113, section 8.3.1).
    if let (Version::HTTP_2, Some(targeted), Some(named)) = (version, targeted, named)
        && !targeted.is_same(named, uri.scheme_str())
    {
        return Err(Refusal::BadHost);
    }
    // Browsers always name a host: whoever names none (HTTP/1.0) is no web page.
    let is_foreign = || targeted.or(named).is_some_and(|host| !host.is_empty() && !host.is_local());
    if hosts == Hosts::Local && is_foreign() {
        return Err(Refusal::NotLocal);
    }
    if request.method() == Method::CONNECT { Err(Refusal::MethodNotAllowed) } else { Ok(()) }
}

/// What `Host` says: once, if at all, and by its grammar (RFC 9112, section 3.2).
fn named_host(headers: &HeaderMap) -> Result<Option<Host<'_>>, Refusal> {
    let Some(value) = headers.get(HOST) else {
        return Ok(None);
    };
    let is_repeated = headers.len() > headers.keys_len() && headers.get_all(HOST).iter().count() > 1;
    let host = value.to_str().ok().and_then(Host::parse);
    if is_repeated { Err(Refusal::BadHost) } else { host.map(Some).ok_or(Refusal::BadHost) }
}
