//! `GET /healthz` and `GET /readyz`, for the kubelet and for load balancers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Response, StatusCode};
use serde::Serialize;

use super::{ApiFormat, document};
use crate::app::App;
use crate::error::Rejection;

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// What podinfo says.
const OK: Status = Status { status: "OK" };

/// Liveness: a response shows that the service runs.
pub async fn live(format: ApiFormat) -> Response<Body> {
    document(format, &OK)
}

/// Readiness: 200 while connections are accepted, until a signal arrives.
pub async fn ready(State(app): State<Arc<App>>, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    app.check_ready().map(|()| document(format, &OK))
}

/// Makes readiness succeed from now on, while the service is ready.
pub async fn enable(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    set(&app, format, true)
}

/// Makes readiness fail from now on.
pub async fn disable(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    set(&app, format, false)
}

fn set(app: &App, format: ApiFormat, is_enabled: bool) -> Response<Body> {
    app.readiness.set(is_enabled);
    tracing::info!(is_enabled, "a request set readiness");
    let mut response = document(format, &OK);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
