//! `GET /`: the runtime and the environment.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::{formatted, page};
use crate::app::App;
use crate::format::Format;

/// The document as YAML, as JSON, or as a page that also shows the live request rate.
pub async fn show(State(app): State<Arc<App>>, format: Format) -> Response<Body> {
    let mut response = formatted(format, app.document(format));
    if format == Format::Html {
        let policy = HeaderValue::from_static(page::CONTENT_SECURITY_POLICY);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
