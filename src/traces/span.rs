//! The span of one request, by OpenTelemetry's semantic conventions for HTTP servers. Whatever a client sends is cut to a
//! length, because thousands of spans wait for their export.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap, USER_AGENT};
use http::uri::{Authority, Uri};
use http::{Method, Request, StatusCode, Version};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;

use super::Shared;
use crate::endpoints::Endpoint;
use crate::redact::REDACTED;
use crate::url_prefix::SentUri;

/// The address of the client's end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The maximum of an attribute that a client sends.
const MAX_ATTRIBUTE_BYTES: usize = 256;

/// A `tracestate` that is longer is not kept (W3C Trace Context, section 3.3.1.5).
const MAX_TRACESTATE_BYTES: usize = 512;

/// The methods that the conventions know.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// A span that has begun. It ends when this is dropped.
pub(super) struct ServerSpan(Span);

impl ServerSpan {
    /// Begins the span of a client request. None for a probe, a scrape, and one that is not sampled.
    pub(super) fn begin<B>(shared: &Shared, request: &Request<B>, own_scheme: &'static str) -> Option<Self> {
        let endpoint = Endpoint::of_path(request.uri().path());
        let headers = request.headers();
        let is_probe = || headers.get(USER_AGENT).is_some_and(|agent| shared.metrics.is_probe(agent.as_bytes()));
        if endpoint.is_some_and(|endpoint| !endpoint.is_for_clients()) || endpoint.is_some() && is_probe() {
            return None;
        }
        let method = METHODS.iter().find(|method| *method == request.method());
        let name = match (method, endpoint) {
            (Some(method), Some(endpoint)) => format!("{method} {}", endpoint.path()),
            (Some(method), None) => method.to_string(),
            (None, Some(endpoint)) => format!("HTTP {}", endpoint.path()),
            (None, None) => "HTTP".to_owned(),
        };
        let parent = match &shared.propagator {
            Some(propagator) => propagator.extract_with_context(&Context::new(), &TraceHeaders(headers)),
            None => Context::new(),
        };
        let builder = shared.tracer.span_builder(name).with_kind(SpanKind::Server);
        let mut span = shared.tracer.build_with_context(builder, &parent);
        if !span.is_recording() {
            return None;
        }
        span.set_attributes(attributes(request, method, endpoint, own_scheme));
        Some(Self(span))
    }

    /// Records the response.
    pub(super) fn respond(&mut self, status: StatusCode) {
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            self.0.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            self.0.set_status(Status::error(""));
        }
    }

    /// Records that the client left before there was a response.
    pub(super) fn abandon(&mut self) {
        self.0.set_attribute(KeyValue::new("error.type", "client_disconnected"));
        self.0.set_status(Status::error(""));
    }
}

fn attributes<B>(
    request: &Request<B>,
    method: Option<&Method>,
    endpoint: Option<Endpoint>,
    own_scheme: &'static str,
) -> Vec<KeyValue> {
    let (uri, headers) = (request.uri(), request.headers());
    let mut attributes = Vec::with_capacity(16);
    let mut add = |name: &'static str, value: opentelemetry::Value| attributes.push(KeyValue::new(name, value));
    add("http.request.method", method.map_or_else(|| "_OTHER".to_owned(), Method::to_string).into());
    if method.is_none() {
        add("http.request.method_original", cut(request.method().as_str()).into());
    }
    if let Some(endpoint) = endpoint {
        add("http.route", endpoint.path().into());
    }
    let sent = request.extensions().get::<SentUri>().map_or(uri, |sent| &sent.0);
    add("url.path", cut(sent.path()).into());
    if uri.query().is_some() {
        // It may be a secret, and has no meaning for most endpoints.
        add("url.query", REDACTED.into());
    }
    add("url.scheme", scheme(headers, own_scheme).into());
    if let Some(authority) = authority(uri, headers) {
        add("server.address", cut(authority.host()).into());
        if let Some(port) = authority.port_u16() {
            add("server.port", i64::from(port).into());
        }
    }
    let peer = request.extensions().get::<Peer>();
    if let Some(address) = forwarded_for(headers).or_else(|| peer.map(|peer| peer.0.ip().to_canonical())) {
        add("client.address", address.to_string().into());
    }
    if let Some(Peer(peer)) = peer {
        add("network.peer.address", peer.ip().to_canonical().to_string().into());
        add("network.peer.port", i64::from(peer.port()).into());
    }
    if let Some(agent) = headers.get(USER_AGENT) {
        add("user_agent.original", cut(&String::from_utf8_lossy(agent.as_bytes())).into());
    }
    if let Some(version) = version(request.version()) {
        add("network.protocol.version", version.into());
    }
    attributes
}

/// The scheme that the client uses: that of the connection, unless a proxy says otherwise.
fn scheme(headers: &HeaderMap, own: &'static str) -> &'static str {
    match headers.get("x-forwarded-proto").map(http::HeaderValue::as_bytes) {
        Some(forwarded) if forwarded.eq_ignore_ascii_case(b"https") => "https",
        Some(forwarded) if forwarded.eq_ignore_ascii_case(b"http") => "http",
        _ => own,
    }
}

fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let of_host = || Authority::try_from(headers.get(HOST)?.as_bytes()).ok();
    uri.authority().cloned().or_else(of_host)
}

/// The first address of `X-Forwarded-For`, which is that of the client, if no client made it up.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let list = headers.get("x-forwarded-for")?.to_str().ok()?;
    list.split(',').next()?.trim().parse().ok()
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

/// A text of limited length, in memory of its own.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_ATTRIBUTE_BYTES)].to_owned()
}

/// The headers of the client's context.
struct TraceHeaders<'a>(&'a HeaderMap);

impl Extractor for TraceHeaders<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.to_str().ok()?;
        (name != "tracestate" || value.len() <= MAX_TRACESTATE_BYTES).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let cut = cut(&"é".repeat(200));
        assert_eq!(cut.len(), MAX_ATTRIBUTE_BYTES);
        assert_eq!(super::cut(&format!("a{}", "é".repeat(200))).len(), MAX_ATTRIBUTE_BYTES - 1);
    }
}
