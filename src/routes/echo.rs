//! `POST /echo` and `/api/echo`: the body that was sent.

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};

/// 202 with the same bytes. They are text to a browser, or nothing that it shows, so nothing in them runs.
pub async fn show(body: Bytes) -> Response<Body> {
    let is_text = std::str::from_utf8(&body).is_ok();
    let content_type = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    (StatusCode::ACCEPTED, [(CONTENT_TYPE, content_type)], body).into_response()
}
