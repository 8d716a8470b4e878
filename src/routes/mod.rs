//! One file an endpoint.

pub mod activity;
pub mod health;
pub mod metrics;
pub mod page;
pub mod root;
pub mod version;

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::facts::{to_json, to_yaml};
use crate::format::{Format, HTML_HEAD, escape_html};

/// An answer that depends on the moment and on `Accept`: no cache may keep it.
fn fresh(format: Format, body: impl Into<Body>) -> Response<Body> {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, format.content_type()),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("accept")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (StatusCode::OK, headers, body.into()).into_response()
}

/// A small document in the form that the client asked for; a browser gets the YAML as text.
fn document(format: Format, document: &impl Serialize) -> Response<Body> {
    match format {
        Format::Yaml => fresh(format, to_yaml(document)),
        Format::Json => fresh(format, to_json(document) + "\n"),
        Format::Html => {
            let yaml = escape_html(&to_yaml(document));
            fresh(format, format!("{HTML_HEAD}<title>shopfront</title>\n<pre>{yaml}</pre>\n"))
        }
    }
}
