//! `GET /version`: what runs here.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::document;
use crate::facts::COMPILER;
use crate::format::Format;

#[derive(Serialize)]
struct Version {
    compiler: &'static str,
    version: &'static str,
}

/// The service's version and its compiler's.
pub async fn show(format: Format) -> Response<Body> {
    let version = Version { compiler: COMPILER, version: env!("CARGO_PKG_VERSION") };
    document(format, &version)
}
