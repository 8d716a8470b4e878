//! The responses to rejected requests: a short document in the client's format.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION,
    UPGRADE, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use maud::html;
use pin_project_lite::pin_project;
use serde::Serialize;
use tower::Service;

use crate::document::{to_json, to_yaml};
use crate::endpoints::{Endpoint, Methods};
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
    /// The endpoint supports these methods only.
    MethodNotAllowed(Methods),
    /// The endpoint changes or loads the service, and that is not allowed.
    LabOff,
    /// A web page of another site sent the request.
    CrossSite,
    /// Part of the request has no meaning here; the message says what was expected.
    Invalid(&'static str),
    /// The request has no valid token.
    Unauthorized,
    /// The endpoint only speaks WebSocket.
    UpgradeRequired,
    /// Too many requests of this kind are in progress.
    Busy,
    /// The allocation exceeds its limit.
    NoMemory,
    /// A request disabled readiness.
    ReadinessDisabled,
    /// The body did not arrive within the request timeout.
    RequestTimeout,
    /// The response was not ready within the request timeout.
    ResponseTimeout,
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
    /// The client does not speak TLS at the TLS address.
    NotTls,
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
    pub const ALL: [Self; 29] = [
        Self::NotFound,
        Self::NotFoundOnOps,
        Self::OpsOnly,
        Self::MethodNotAllowed(Methods::Get),
        Self::LabOff,
        Self::CrossSite,
        Self::Invalid("expected something else"),
        Self::Unauthorized,
        Self::UpgradeRequired,
        Self::Busy,
        Self::NoMemory,
        Self::ReadinessDisabled,
        Self::RequestTimeout,
        Self::ResponseTimeout,
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
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::LabOff | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::RequestTimeout | Self::ResponseTimeout | Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::Invalid(_)
            | Self::MalformedBody
            | Self::InvalidFraming
            | Self::InvalidTarget
            | Self::MissingHost
            | Self::InvalidHost
            | Self::MalformedHead
            | Self::NotTls
            | Self::BareLineFeed => StatusCode::BAD_REQUEST,
            Self::UnsupportedCoding => StatusCode::NOT_IMPLEMENTED,
            Self::NotLocalHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Overloaded | Self::NotReady | Self::Busy | Self::NoMemory | Self::ReadinessDisabled => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// What the client can do about it. Nothing from the request is repeated, so nothing can be injected.
    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "no such path; try /, or /openapi.json for a list; with --url-prefix, both are below it",
            Self::NotFoundOnOps => "no such path; this port serves /metrics, /healthz and /readyz",
            Self::OpsOnly => "/metrics is only served at --ops-address, because --public-metrics is false",
            Self::MethodNotAllowed(methods) => methods.message(),
            Self::LabOff => {
                "this path changes or loads the service; start it with --lab or SHOPFRONT_LAB=true to allow that"
            }
            Self::CrossSite => {
                "a web page of another site must not send this request, and a browser must not without https; send it with curl"
            }
            Self::Invalid(message) => message,
            Self::Unauthorized => "send Authorization: Bearer with a token from POST /token that has not expired",
            Self::UpgradeRequired => "this path is a WebSocket, version 13: send GET on HTTP/1.1, without a body",
            Self::Busy => "too many requests of this kind are in progress; try again in a second",
            Self::NoMemory => {
                "this would exceed --max-allocate-mib or three quarters of the memory limit; ask for less, or wait"
            }
            Self::ReadinessDisabled => "POST /readyz/disable disabled readiness; POST /readyz/enable enables it",
            Self::RequestTimeout => "the request took longer than --request-timeout allows; send it faster",
            Self::ResponseTimeout => {
                "the response was not ready within --request-timeout; ask for less, or try again later"
            }
            Self::BodyTooLarge => "the body is longer than --max-body-bytes allows",
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
            Self::NotTls => "this port speaks TLS; use https://, not http://",
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
            Self::MethodNotAllowed(methods) => Some((ALLOW, HeaderValue::from_static(methods.allow()))),
            Self::Unauthorized => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::UpgradeRequired => Some((UPGRADE, HeaderValue::from_static("websocket"))),
            Self::Overloaded | Self::Busy | Self::NoMemory => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
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
        if self == Self::UpgradeRequired {
            // Whoever sends `Upgrade` names it in `Connection` (RFC 9110, section 7.8). hyper leaves both out on HTTP/2.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
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

/// Marks a response whose status and body are what the client, or the operator of the lab, asked for. It is no error of the
/// service, even if its status says so.
#[derive(Clone, Copy, Debug)]
pub struct Deliberate;

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
        let format = Format::accepted_or(Endpoint::default_format(request.uri().path()), request.headers());
        let error_format = ErrorFormat { format, with_body: request.method() != Method::HEAD };
        ErrorBodiesFuture { response: self.0.call(request), error_format }
    }
}

pin_project! {
    /// The response future of [`ErrorBodies`].
    pub struct ErrorBodiesFuture<F> {
        #[pin]
        response: F,
        error_format: ErrorFormat,
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
        if response.extensions().get::<Deliberate>().is_some() {
            return Poll::Ready(Ok(response));
        }
        let ErrorFormat { format, with_body } = *this.error_format;
        let rejection = response.extensions().get::<Rejection>();
        let message = rejection.map_or("internal error; see the log of the service", |rejection| rejection.message());
        let (mut parts, _) = response.into_parts();
        let body = render(status, message, format);
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        parts.headers.insert(CONTENT_TYPE, format.content_type());
        // hyper leaves the body of a HEAD out on HTTP/1 only.
        let body = if with_body { Body::from(body) } else { Body::empty() };
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
