//! `GET /burn/{ms}`, `GET /allocate/{MiB}` and `GET /panic`: load and failure of the process.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use http::{Response, Uri};
use serde::Serialize;

use super::{ApiFormat, MAX_PARAMETER_BYTES, digits, document, parameter};
use crate::app::App;
use crate::error::Rejection;

/// The exit code of podinfo.
const PANIC_EXIT_CODE: i32 = 255;

/// How long memory is held by default.
const DEFAULT_TIME: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Burned {
    cpu_ms: u64,
}

#[derive(Serialize)]
struct Allocation {
    allocated_mib: usize,
    /// By all requests.
    held_mib: usize,
    #[serde(rename = "for")]
    time: String,
}

/// Responds after this much CPU time.
pub async fn burn(State(app): State<Arc<App>>, uri: Uri, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    let cpu_ms = digits(parameter(&uri)).ok_or(Rejection::Invalid("expected milliseconds of CPU time"))?;
    app.lab.burner.burn(app.lab.checked(Duration::from_millis(cpu_ms))?).await?;
    Ok(document(format, &Burned { cpu_ms }))
}

/// Responds when the memory is resident, and holds it for the time that `for` says.
pub async fn allocate(State(app): State<Arc<App>>, uri: Uri, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    let allocated_mib = digits(parameter(&uri)).ok_or(Rejection::Invalid("expected MiB"))?;
    let time = match uri.query() {
        None | Some("") => DEFAULT_TIME,
        Some(query) => {
            let text = query.strip_prefix("for=").filter(|_| query.len() <= MAX_PARAMETER_BYTES);
            let time = text.and_then(|text| humantime::parse_duration(text).ok());
            time.ok_or(Rejection::Invalid("expected ?for= with a duration, such as ?for=30s"))?
        }
    };
    let held_mib = app.lab.allocations.hold(allocated_mib, time, app.lifecycle.clone()).await?;
    let time = humantime::format_duration(time).to_string();
    Ok(document(format, &Allocation { allocated_mib, held_mib, time }))
}

/// Ends the process at once, as a crash would.
pub async fn end_process() -> Rejection {
    tracing::error!("a request to /panic ends the process");
    std::process::exit(PANIC_EXIT_CODE)
}
