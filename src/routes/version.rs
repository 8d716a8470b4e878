//! `GET /version`: the version of the service.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::document;
use crate::document::COMPILER;
use crate::format::Format;

#[derive(Serialize)]
struct Version {
    compiler: &'static str,
    version: &'static str,
}

/// The versions of the service and of its compiler.
pub async fn show(format: Format) -> Response<Body> {
    let version = Version { compiler: COMPILER, version: env!("CARGO_PKG_VERSION") };
    document(format, &version)
}
