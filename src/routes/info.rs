//! `GET /api/info`: the runtime, with podinfo's keys.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde::Serialize;

use super::version::{REVISION, VERSION};
use super::{ApiFormat, document};
use crate::app::App;
use crate::document::{COMPILER, go_arch, go_os};

#[derive(Serialize)]
struct Info<'a> {
    hostname: &'a str,
    version: &'static str,
    revision: &'static str,
    /// The colour and the logo of podinfo's page, which this page does not have.
    color: &'static str,
    logo: &'static str,
    message: String,
    goos: &'static str,
    goarch: &'static str,
    runtime: &'static str,
    /// The live tasks of tokio, which are to it what goroutines are to Go.
    num_goroutine: String,
    num_cpu: &'a str,
}

/// The document that podinfo's clients parse.
pub async fn show(State(app): State<Arc<App>>, format: ApiFormat) -> Response<Body> {
    let info = Info {
        hostname: &app.hostname,
        version: VERSION,
        revision: REVISION,
        color: "",
        logo: "",
        message: format!("greetings from shopfront v{VERSION}"),
        goos: go_os(std::env::consts::OS),
        goarch: go_arch(std::env::consts::ARCH),
        runtime: COMPILER,
        num_goroutine: app.num_tasks().to_string(),
        num_cpu: app.num_cpu(),
    };
    document(format, &info)
}
