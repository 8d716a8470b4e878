//! One file an endpoint.

pub mod activity;
pub mod health;
pub mod metrics;
pub mod page;
pub mod root;
pub mod version;

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::facts::{to_json, to_yaml};
use crate::format::{Format, HTML_HEAD, escape_html};

/// An answer whose form depends on `Accept`.
fn formatted(format: Format, body: impl Into<Body>) -> Response<Body> {
    let headers: [(HeaderName, HeaderValue); 2] =
        [(CONTENT_TYPE, format.content_type()), (VARY, HeaderValue::from_static("accept"))];
    (StatusCode::OK, headers, body.into()).into_response()
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
