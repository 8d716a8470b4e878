//! `GET /env`: the environment in podinfo's form, redacted as `/` is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;

use super::{ApiFormat, document};
use crate::app::App;

/// A list of `NAME=VALUE`, sorted by name.
pub async fn show(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    let variables: Vec<_> = app.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
    document(format, &variables)
}
