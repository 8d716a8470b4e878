//! `GET /metrics`, for Prometheus.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;

use crate::app::App;

/// All series in Prometheus' text format, at most a second old.
pub async fn show(State(app): State<Arc<App>>) -> Response<Body> {
    text(app.metrics.render_at_intervals())
}

/// The same at the ops address, as of now.
pub async fn show_now(State(app): State<Arc<App>>) -> Response<Body> {
    text(app.metrics.render())
}

fn text(series: Bytes) -> Response<Body> {
    ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], series).into_response()
}
