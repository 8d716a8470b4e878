//! What the lab does to client requests before a route sees them. Probes, scrapes, health checks and the lab's own endpoints are
//! spared.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::IntoResponse;
use http::{Response, StatusCode};
use serde::Serialize;
use tokio::time::Instant;

use super::{Lab, wait};
use crate::app::App;
use crate::endpoints::{Endpoint, Reads};
use crate::error::{Deliberate, Rejection};
use crate::http_rules::site;
use crate::limits::minimal_request;
use crate::metrics::HealthCheck;
use crate::routes::{ApiFormat, document};

/// The maximum of `--random-delay`.
const MAX_RANDOM_DELAY: Duration = Duration::from_secs(5);

/// The statuses of `--random-error`.
const RANDOM_ERRORS: [StatusCode; 3] =
    [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST, StatusCode::CONFLICT];

#[derive(Serialize)]
struct Injected {
    status: &'static str,
}

/// Delays or fails a client request, or has it use CPU time, as the settings and the current fault say. A web page of another
/// site may not use the lab in the browser of somebody who runs the service.
pub async fn interfere(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let endpoint = Endpoint::of_path(request.uri().path());
    if endpoint.is_some_and(Endpoint::needs_lab) && site::is_other(request.uri(), request.headers()) {
        return Rejection::CrossSite.into_response();
    }
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint.is_for_clients() && !endpoint.needs_lab()) else {
        return next.run(request).await;
    };
    if request.extensions().get::<HealthCheck>().is_some() {
        return next.run(request).await;
    }
    let format = ApiFormat::of(request.headers());
    // It may wait, and should not keep what its client has made large.
    let request = if endpoint.reads() == Reads::Nothing {
        minimal_request(request.into_parts().0, Some(endpoint))
    } else {
        request
    };
    match disturb(&app).await {
        Ok(None) => next.run(request).await,
        Ok(Some(status)) => {
            let mut response = document(format, &Injected { status: "fault injection enabled" });
            *response.status_mut() = status;
            response.extensions_mut().insert(Deliberate);
            response
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// Waits on a place for that, if there is something to wait for.
async fn pause(app: &App, time: Duration) -> Result<(), Rejection> {
    if !time.is_zero() {
        let _place = app.lab.place_to_wait()?;
        wait(time, &app.lifecycle).await;
    }
    Ok(())
}

/// Uses CPU time and waits. Returns the status with which the request ends, if it does.
async fn disturb(app: &App) -> Result<Option<StatusCode>, Rejection> {
    let Lab { settings, faults, burner, max_delay, .. } = &app.lab;
    burner.burn(settings.work).await?;
    if settings.random_delay {
        pause(app, MAX_RANDOM_DELAY.min(*max_delay).mul_f64(fastrand::f64())).await?;
    }
    if let Some((delay, status)) = faults.current(Instant::now()).and_then(super::Fault::next) {
        pause(app, delay).await?;
        if status.is_some() {
            return Ok(status);
        }
    }
    let fails = settings.random_error && fastrand::u8(..3) == 0;
    Ok(fails.then(|| RANDOM_ERRORS[fastrand::usize(..RANDOM_ERRORS.len())]))
}
