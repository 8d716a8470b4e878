//! A file for each endpoint.

pub mod activity;
pub mod delay;
pub mod echo;
pub mod env;
pub mod fault;
pub mod headers;
pub mod health;
pub mod info;
pub mod load;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod root;
pub mod status;
pub mod token;
pub mod version;
pub mod ws_echo;

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use http::request::Parts;
use http::{Response, Uri};
use http_body::Body as _;
use maud::html;
use serde::Serialize;

use crate::document::{to_json, to_yaml};
use crate::format::Format;
use crate::security_headers;

/// The headers of a response whose format depends on `Accept`: a map for each format. Each response sets its length.
static HEADERS: LazyLock<[HeaderMap; Format::ALL.len()]> = LazyLock::new(|| {
    Format::ALL.map(|format| {
        security_headers::with(&[
            (CONTENT_TYPE, format.content_type()),
            (VARY, HeaderValue::from_static("accept")),
            (CONTENT_LENGTH, HeaderValue::from_static("0")),
        ])
    })
});

/// A response whose format depends on `Accept`.
fn formatted(format: Format, body: impl Into<Body>) -> Response<Body> {
    let body = body.into();
    let length = body.size_hint().exact().expect("documents have a length");
    let mut response = Response::new(body);
    response.headers_mut().clone_from(&HEADERS[format as usize]);
    if let Some(value) = response.headers_mut().get_mut(CONTENT_LENGTH) {
        *value = length.into();
    }
    response
}

/// The format of every endpoint but `/`: JSON for a client without a preference.
#[derive(Clone, Copy)]
pub struct ApiFormat(pub Format);

impl ApiFormat {
    /// The format that the `Accept` header prefers.
    pub fn of(headers: &HeaderMap) -> Self {
        Self(Format::accepted_or(Format::Json, headers))
    }
}

impl<S: Sync> FromRequestParts<S> for ApiFormat {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// A small document in the client's format. In HTML, it is the YAML as text.
fn rendered(format: ApiFormat, document: &impl Serialize) -> String {
    match format.0 {
        Format::Yaml => to_yaml(document),
        Format::Json => to_json(document) + "\n",
        Format::Html => page::short("shopfront", &html! { pre { (to_yaml(document)) } }),
    }
}

/// A response with a small document.
pub(crate) fn document(format: ApiFormat, document: &impl Serialize) -> Response<Body> {
    formatted(format.0, rendered(format, document))
}

/// The longest parameter, and the longest query, that has a meaning.
pub(crate) const MAX_PARAMETER_BYTES: usize = 64;

/// The parameter of a route, which is the last part of each that has one. One that is too long reads as none.
fn parameter(uri: &Uri) -> &str {
    let parameter = uri.path().rsplit('/').next().unwrap_or_default();
    if parameter.len() <= MAX_PARAMETER_BYTES { parameter } else { "" }
}

/// A number of digits alone, as in podinfo: Rust's own parser takes a `+` as well.
pub(crate) fn digits<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
