//! `GET /version`: the version of the service.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::{ApiFormat, document};
use crate::document::COMPILER;

/// The version of the service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, if the build says so.
pub const REVISION: &str = env!("SHOPFRONT_REVISION");

#[derive(Serialize)]
struct Versions {
    commit: &'static str,
    compiler: &'static str,
    version: &'static str,
}

/// The versions of the service and of its compiler.
pub async fn show(format: ApiFormat) -> Response<Body> {
    document(format, &Versions { commit: REVISION, compiler: COMPILER, version: VERSION })
}
