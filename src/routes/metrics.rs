//! `GET /metrics`: the series, for Prometheus.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::Response;
use http::header::CONTENT_TYPE;

use crate::app::App;

/// All series in Prometheus' text format, not older than a second.
pub async fn show(State(app): State<Arc<App>>) -> Response<Body> {
    ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], app.metrics.render()).into_response()
}
