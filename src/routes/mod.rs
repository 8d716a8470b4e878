//! A file for each endpoint.

pub mod activity;
pub mod health;
pub mod metrics;
pub mod page;
pub mod root;
pub mod version;

use std::sync::LazyLock;

use axum::body::Body;
use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
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

/// A small document in the client's format. In HTML, it is the YAML as text.
fn document(format: Format, document: &impl Serialize) -> Response<Body> {
    match format {
        Format::Yaml => formatted(format, to_yaml(document)),
        Format::Json => formatted(format, to_json(document) + "\n"),
        Format::Html => formatted(format, page::short("shopfront", &html! { pre { (to_yaml(document)) } })),
    }
}
