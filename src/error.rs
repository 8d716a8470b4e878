//! What a client is told when it gets no document: a short one, in the form that it asked for.

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

use crate::facts::{to_json, to_yaml};
use crate::format::Format;
use crate::routes::page;
use crate::secured;

/// Why a request gets no document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// No endpoint has this path.
    NotFound,
    /// No endpoint of the ops address has this path.
    NotForOps,
    /// The path is served at the ops address alone.
    OnOpsAddress,
    /// The endpoint knows GET and HEAD alone.
    MethodNotAllowed,
    /// The body did not arrive, or the answer was not made, within the request timeout.
    TooSlow,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The target is longer than the limit.
    UriTooLong,
    /// The body broke off, or its framing is wrong.
    BrokenBody,
    /// The head does not say where the body ends, or says it twice (RFC 9112, section 6).
    BadFraming,
    /// The body has a transfer coding that the service does not decode (RFC 9112, section 6.1).
    UnknownCoding,
    /// The target is not one, or not one for its method (RFC 9112, section 3.2).
    BadTarget,
    /// An HTTP/1.1 request without a `Host` (RFC 9112, section 3.2).
    NoHost,
    /// `Host` is there twice, is no host, or is another one than the target's (RFC 9113, section 8.3.1).
    BadHost,
    /// On a loopback address: the request is for another host than this machine (RFC 9110, section 15.5.20).
    NotLocal,
    /// What came is not HTTP.
    BrokenHead,
    /// The head is longer, or has more lines, than the limit.
    HeadTooLarge,
    /// The head did not arrive within the header timeout.
    HeadTooSlow,
    /// There is no room for another connection.
    Overloaded,
    /// The service is starting or draining.
    NotReady,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::NotFound,
        Self::NotForOps,
        Self::OnOpsAddress,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::BrokenBody,
        Self::BadFraming,
        Self::UnknownCoding,
        Self::BadTarget,
        Self::NoHost,
        Self::BadHost,
        Self::NotLocal,
        Self::BrokenHead,
        Self::HeadTooLarge,
        Self::HeadTooSlow,
        Self::Overloaded,
        Self::NotReady,
    ];

    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound | Self::NotForOps | Self::OnOpsAddress => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow | Self::HeadTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::BrokenBody | Self::BadFraming | Self::BadTarget | Self::NoHost | Self::BadHost | Self::BrokenHead => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::NotLocal => StatusCode::MISDIRECTED_REQUEST,
            Self::Overloaded | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client can do about it. Nothing of the request is repeated: what is not echoed cannot be injected.
    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "nothing is here; try /, /metrics, /healthz, /readyz, /version or /activity",
            Self::NotForOps => "nothing is here; this port serves /metrics, /healthz and /readyz",
            Self::OnOpsAddress => "/metrics is served at --ops-address alone, because --public-metrics is false",
            Self::MethodNotAllowed => "this path answers GET and HEAD",
            Self::TooSlow => "the request took longer than --request-timeout allows; send it faster",
            Self::BodyTooLarge => "the body is longer than --max-body-bytes allows; no endpoint needs one",
            Self::UriTooLong => "the request's target is longer than --max-uri-bytes allows",
            Self::BrokenBody => "the body broke off or is not framed as HTTP says",
            Self::BadFraming => {
                "the body's end is in doubt; send one Content-Length, a number, or Transfer-Encoding: chunked, not both"
            }
            Self::UnknownCoding => "the only transfer coding that this service decodes is chunked",
            Self::BadTarget => "the target must be a path, or an http:// URL without a user or a fragment",
            Self::NoHost => "an HTTP/1.1 request names its host; add a Host header",
            Self::BadHost => {
                "send one Host header: a name or an address, and a port if need be; the target's, if it has one"
            }
            Self::NotLocal => {
                "this address answers requests for localhost only; a proxy in front of it must send Host: localhost"
            }
            Self::BrokenHead => "this is not HTTP; the port speaks http://, not https://",
            Self::HeadTooLarge => {
                "the request's head is longer than --max-header-bytes allows, or has over 100 headers"
            }
            Self::HeadTooSlow => "the request's head did not arrive within --header-timeout",
            Self::Overloaded => "the service has as many clients as it can hold; try again in a second",
            Self::NotReady => "the service is not taking new clients; another replica will",
        }
    }

    /// The whole answer, as bytes for an HTTP/1 connection that is closed after it.
    pub fn last_word(self, reader: Reader) -> String {
        let status = self.status();
        let body = render(status, self.message(), reader.format);
        let reason = status.canonical_reason().unwrap_or("Error");
        let mut answer = format!("HTTP/1.1 {} {reason}\r\nconnection: close\r\n", status.as_str());
        let mut line = |name: &HeaderName, value: &HeaderValue| {
            let value = value.to_str().expect("the value is ours");
            answer.extend([name.as_str(), ": ", value, "\r\n"]);
        };
        line(&CONTENT_TYPE, &reader.format.content_type());
        line(&CONTENT_LENGTH, &body.len().into());
        if let Some((name, value)) = self.own_header() {
            line(&name, &value);
        }
        for (name, value) in &secured::HEADERS {
            line(name, value);
        }
        answer += "\r\n";
        if reader.wants_body { answer + &body } else { answer }
    }

    /// The header that tells a program what the message tells a person.
    fn own_header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::MethodNotAllowed => Some((ALLOW, HeaderValue::from_static("GET, HEAD"))),
            Self::Overloaded => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => None,
        }
    }
}

/// How whoever is refused would read the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reader {
    /// The form that it asked for.
    pub format: Format,
    /// False where it sent HEAD.
    pub wants_body: bool,
}

impl Default for Reader {
    /// What is right for a client that has not said what it would rather have.
    fn default() -> Self {
        Self { format: Format::Yaml, wants_body: true }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response.headers_mut().extend(self.own_header());
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

/// A layer that gives each error below it its body, whoever made the error: a route, the router, or another layer.
#[derive(Clone)]
pub struct Documented<S>(S);

impl<S> Documented<S> {
    /// Documents the errors of `inner`.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request<B>> for Documented<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = DocumentedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let format = Format::accepted(request.headers());
        DocumentedFuture { answer: self.0.call(request), format }
    }
}

pin_project! {
    /// The answer to come, and the form for its error if it is one.
    pub struct DocumentedFuture<F> {
        #[pin]
        answer: F,
        format: Format,
    }
}

impl<F, E> Future for DocumentedFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = std::task::ready!(this.answer.poll(cx))?;
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return Poll::Ready(Ok(response));
        }
        let refusal = response.extensions().get::<Refusal>();
        let message = refusal.map_or("something went wrong here; the log says what", |refusal| refusal.message());
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_TYPE, this.format.content_type());
        Poll::Ready(Ok(Response::from_parts(parts, Body::from(render(status, message, *this.format)))))
    }
}
