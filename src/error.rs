//! The responses to rejected requests: a short document in the client's format.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use maud::html;
use pin_project_lite::pin_project;
use serde::Serialize;
use tower::Service;

use crate::document::{to_json, to_yaml};
use crate::format::Format;
use crate::routes::page;
use crate::security_headers;

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// No endpoint has this path.
    NotFound,
    /// No endpoint of the ops address has this path.
    NotFoundOnOps,
    /// Only the ops address serves this path.
    OpsOnly,
    /// The endpoint only supports GET and HEAD.
    MethodNotAllowed,
    /// The body did not arrive, or the response was not ready, within the request timeout.
    RequestTimeout,
    /// The body exceeds its limit.
    BodyTooLarge,
    /// The target exceeds its limit.
    UriTooLong,
    /// The body ended early, or its framing is invalid.
    MalformedBody,
    /// The length of the body is missing or ambiguous (RFC 9112, section 6).
    InvalidFraming,
    /// The service does not decode the body's transfer coding (RFC 9112, section 6.1).
    UnsupportedCoding,
    /// The target is invalid, or its form is not allowed for the method (RFC 9112, section 3.2).
    InvalidTarget,
    /// An HTTP/1.1 request without a `Host` (RFC 9112, section 3.2).
    MissingHost,
    /// `Host` is repeated, invalid, or not the same as the target's host (RFC 9113, section 8.3.1).
    InvalidHost,
    /// The address is a loopback one, and the host is not local (RFC 9110, section 15.5.20).
    NotLocalHost,
    /// The bytes are not an HTTP request.
    MalformedHead,
    /// A line of the head ends with a line feed alone (RFC 9112, section 2.2).
    BareLineFeed,
    /// The head exceeds the limit on its length or its headers.
    HeadTooLarge,
    /// The head did not arrive within the header timeout.
    HeaderTimeout,
    /// No connection slot is free.
    Overloaded,
    /// The service is starting or draining.
    NotReady,
}

impl Rejection {
    /// Every variant.
    pub const ALL: [Self; 20] = [
        Self::NotFound,
        Self::NotFoundOnOps,
        Self::OpsOnly,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::MalformedBody,
        Self::InvalidFraming,
        Self::UnsupportedCoding,
        Self::InvalidTarget,
        Self::MissingHost,
        Self::InvalidHost,
        Self::NotLocalHost,
        Self::MalformedHead,
        Self::BareLineFeed,
        Self::HeadTooLarge,
        Self::HeaderTimeout,
        Self::Overloaded,
        Self::NotReady,
    ];

    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound | Self::NotFoundOnOps | Self::OpsOnly => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout | Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::MalformedBody
            | Self::InvalidFraming
            | Self::InvalidTarget
            | Self::MissingHost
            | Self::InvalidHost
            | Self::MalformedHead
            | Self::BareLineFeed => StatusCode::BAD_REQUEST,
            Self::UnsupportedCoding => StatusCode::NOT_IMPLEMENTED,
            Self::NotLocalHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Overloaded | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client can do about it. Nothing from the request is repeated, so nothing can be injected.
    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "no such path; try /, /metrics, /healthz, /readyz, /version or /activity",
            Self::NotFoundOnOps => "no such path; this port serves /metrics, /healthz and /readyz",
            Self::OpsOnly => "/metrics is only served at --ops-address, because --public-metrics is false",
            Self::MethodNotAllowed => "this path supports GET and HEAD",
            Self::RequestTimeout => "the request took longer than --request-timeout allows; send it faster",
            Self::BodyTooLarge => "the body is longer than --max-body-bytes allows; no endpoint needs one",
            Self::UriTooLong => "the request's target is longer than --max-uri-bytes allows",
            Self::MalformedBody => "the body ended early, or its framing is not valid HTTP",
            Self::InvalidFraming => {
                "the length of the body is ambiguous; send one Content-Length, or Transfer-Encoding: chunked, not both"
            }
            Self::UnsupportedCoding => "this service only decodes the transfer coding chunked",
            Self::InvalidTarget => "the target must be a path, or an http:// URL without a user or a fragment",
            Self::MissingHost => "an HTTP/1.1 request needs a Host header",
            Self::InvalidHost => {
                "send one Host header: a name or an address, with a port if necessary; it must match the target's host"
            }
            Self::NotLocalHost => {
                "this address only serves localhost; a proxy in front of it must send Host: localhost"
            }
            Self::MalformedHead => "this is not an HTTP request; use http://, not https://",
            Self::BareLineFeed => "each line of the request's head must end with CR LF, not with LF alone",
            Self::HeadTooLarge => {
                "the request's head is longer than --max-header-bytes allows, or has over 100 headers"
            }
            Self::HeaderTimeout => "the request's head did not arrive within --header-timeout",
            Self::Overloaded => "the service has too many connections; try again in a second",
            Self::NotReady => "the service is starting or shutting down; try another replica",
        }
    }

    /// The whole response, for an HTTP/1 connection that is closed after it.
    pub fn http1_response(self, error_format: ErrorFormat) -> String {
        let status = self.status();
        let body = render(status, self.message(), error_format.format);
        let reason = status.canonical_reason().unwrap_or("Error");
        let mut response = format!("HTTP/1.1 {} {reason}\r\nconnection: close\r\n", status.as_str());
        let mut line = |name: &HeaderName, value: &HeaderValue| {
            let value = value.to_str().expect("the value is ASCII");
            response.extend([name.as_str(), ": ", value, "\r\n"]);
        };
        line(&CONTENT_TYPE, &error_format.format.content_type());
        line(&CONTENT_LENGTH, &body.len().into());
        if let Some((name, value)) = self.header() {
            line(&name, &value);
        }
        for (name, value) in &security_headers::HEADERS {
            line(name, value);
        }
        response += "\r\n";
        if error_format.with_body { response + &body } else { response }
    }

    /// The header that says the same as the message, for programs.
    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodNotAllowed => Some((ALLOW, HeaderValue::from_static("GET, HEAD"))),
            Self::Overloaded => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => None,
        }
    }
}

/// How the client reads an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorFormat {
    /// The format that it accepts.
    pub format: Format,
    /// False for HEAD.
    pub with_body: bool,
}

impl Default for ErrorFormat {
    /// For a client whose request is not known.
    fn default() -> Self {
        Self { format: Format::Yaml, with_body: true }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response.headers_mut().extend(self.header());
        response
    }
}

/// The body of an error.
#[derive(Serialize)]
struct ErrorDocument {
    error: ErrorFields,
}

#[derive(Serialize)]
struct ErrorFields {
    status: String,
    reason: &'static str,
    message: &'static str,
}

fn render(status: StatusCode, message: &'static str, format: Format) -> String {
    let reason = status.canonical_reason().unwrap_or("Error");
    let error = ErrorFields { status: status.as_u16().to_string(), reason, message };
    let document = ErrorDocument { error };
    match format {
        Format::Yaml => to_yaml(&document),
        Format::Json => to_json(&document) + "\n",
        Format::Html => {
            let title = format!("{} {reason}", document.error.status);
            page::short(&title, &html! { h1 { (title) } p { (message) } })
        }
    }
}

/// Writes the body of every error, whether a route, the router or another layer raised it.
#[derive(Clone)]
pub struct ErrorBodies<S>(S);

impl<S> ErrorBodies<S> {
    /// Wraps `inner`.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request<B>> for ErrorBodies<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ErrorBodiesFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let format = Format::accepted(request.headers());
        ErrorBodiesFuture { response: self.0.call(request), format }
    }
}

pin_project! {
    /// The response future of [`ErrorBodies`].
    pub struct ErrorBodiesFuture<F> {
        #[pin]
        response: F,
        format: Format,
    }
}

impl<F, E> Future for ErrorBodiesFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = std::task::ready!(this.response.poll(cx))?;
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return Poll::Ready(Ok(response));
        }
        let rejection = response.extensions().get::<Rejection>();
        let message = rejection.map_or("internal error; see the log of the service", |rejection| rejection.message());
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_TYPE, this.format.content_type());
        Poll::Ready(Ok(Response::from_parts(parts, Body::from(render(status, message, *this.format)))))
    }
}
