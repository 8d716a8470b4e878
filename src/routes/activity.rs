//! `GET /activity`: this pod's request rate in the last minute, as JSON, which the page polls.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::Response;
use http::header::{CONNECTION, CONTENT_TYPE};
use serde::Serialize;

use crate::app::App;

#[derive(Serialize)]
struct ActivityDocument<'a> {
    /// Which pod this is.
    hostname: &'a str,
    /// Client requests since the start.
    requests_total: u64,
    /// Client requests in each of the last 60 seconds, the latest last.
    requests_per_second: Vec<u64>,
}

/// The rate. `Connection: close` makes the load balancer choose a pod for the next poll again, so the page sees all of them.
pub async fn show(State(app): State<Arc<App>>) -> Response<Body> {
    let body = ActivityDocument {
        hostname: &app.hostname,
        requests_total: app.metrics.client_requests(),
        requests_per_second: app.activity.per_second(),
    };
    let json = serde_json::to_string(&body).expect("numbers and strings");
    ([(CONTENT_TYPE, "application/json"), (CONNECTION, "close")], json).into_response()
}
