//! `PUT /fault`, and podinfo's `/fault_injection`: faults that client requests get.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::{ApiFormat, document};
use crate::app::App;
use crate::error::Rejection;
use crate::lab::Fault;

#[derive(Serialize)]
struct Injection {
    fault_injection: &'static str,
}

fn state(format: ApiFormat, is_enabled: bool, status: StatusCode) -> Response<Body> {
    let fault_injection = if is_enabled { "enabled" } else { "disabled" };
    let mut response = document(format, &Injection { fault_injection });
    *response.status_mut() = status;
    response
}

/// Sets the fault in the body.
pub async fn set(State(app): State<Arc<App>>, format: ApiFormat, body: Bytes) -> Result<Response<Body>, Rejection> {
    let fault = Fault::from_json(&body, |delay| app.lab.checked(delay))?;
    app.lab.faults.set(fault, Instant::now());
    tracing::info!(?fault, "client requests get faults");
    Ok(document(format, &fault.to_document()))
}

/// Every client request gets 500.
pub async fn enable(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    app.lab.faults.set(Fault::EVERY_REQUEST, Instant::now());
    tracing::info!("every client request gets 500");
    state(format, true, StatusCode::ACCEPTED)
}

/// Ends faults, whichever request set them.
pub async fn disable(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    app.lab.faults.clear();
    tracing::info!("client requests get no faults");
    state(format, false, StatusCode::ACCEPTED)
}

/// Whether there are faults.
pub async fn status(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    state(format, app.lab.faults.current(Instant::now()).is_some(), StatusCode::OK)
}
