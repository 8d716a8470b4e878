//! One file an endpoint.

pub mod activity;
pub mod health;
pub mod metrics;
pub mod page;
pub mod root;
pub mod version;

use axum::body::Body;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue, VARY};
use serde::Serialize;

use crate::facts::{to_json, to_yaml};
use crate::format::{Format, HTML_HEAD, escape_html};
use crate::secured;

/// An answer whose form depends on `Accept`.
fn formatted(format: Format, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    // With room for those that every answer gets, which saves each a second allocation.
    headers.reserve(2 + secured::HEADERS.len());
    headers.insert(CONTENT_TYPE, format.content_type());
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// A small document in the form that the client asked for; a browser gets the YAML as text.
fn document(format: Format, document: &impl Serialize) -> Response<Body> {
    match format {
        Format::Yaml => formatted(format, to_yaml(document)),
        Format::Json => formatted(format, to_json(document) + "\n"),
        Format::Html => {
            let yaml = escape_html(&to_yaml(document));
            formatted(format, format!("{HTML_HEAD}<title>shopfront</title>\n<pre>{yaml}</pre>\n"))
        }
    }
}
