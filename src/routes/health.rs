//! `GET /healthz` and `GET /readyz`, for the kubelet and for load balancers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde::Serialize;

use super::document;
use crate::app::App;
use crate::error::Rejection;
use crate::format::Format;
use crate::lifecycle::Phase;

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// Liveness: a response shows that the service runs.
pub async fn live(format: Format) -> Response<Body> {
    document(format, &Status { status: "alive" })
}

/// Readiness: 200 while connections are accepted, until a signal arrives.
pub async fn ready(State(app): State<Arc<App>>, format: Format) -> Result<Response<Body>, Rejection> {
    match app.lifecycle.phase() {
        Phase::Ready => Ok(document(format, &Status { status: "ready" })),
        Phase::Starting | Phase::Draining | Phase::Stopping => Err(Rejection::NotReady),
    }
}
