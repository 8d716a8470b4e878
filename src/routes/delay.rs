//! `GET /delay/{seconds}` and `GET /chunked/{seconds}`: responses that take time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use http::{Response, Uri};
use serde::Serialize;
use serde_json::Number;

use super::{ApiFormat, document, parameter, rendered};
use crate::app::App;
use crate::error::Rejection;
use crate::lab::wait;

#[derive(Serialize)]
struct Delay {
    /// Seconds: a whole number as in podinfo, unless it is none.
    delay: Number,
}

impl Delay {
    fn of(delay: Duration) -> Self {
        let whole = || Number::from(delay.as_secs());
        let is_whole = delay.subsec_nanos() == 0;
        Self { delay: if is_whole { whole() } else { Number::from_f64(delay.as_secs_f64()).unwrap_or_else(whole) } }
    }
}

/// Responds after the delay. A drain ends it early, so that nothing is cut off.
pub async fn show(State(app): State<Arc<App>>, uri: Uri, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    let delay = app.lab.delay_of(parameter(&uri))?;
    let _place = app.lab.place_to_wait()?;
    wait(delay, &app.lifecycle).await;
    Ok(document(format, &Delay::of(delay)))
}

/// Sends the headers at once, and the body after the delay.
pub async fn stream(State(app): State<Arc<App>>, uri: Uri, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    let delay = app.lab.delay_of(parameter(&uri))?;
    let place = app.lab.place_to_wait()?;
    let lifecycle = app.lifecycle.clone();
    let text = rendered(format, &Delay::of(delay));
    let late = async move {
        wait(delay, &lifecycle).await;
        drop(place);
        Ok::<_, Infallible>(text)
    };
    let mut response = super::formatted(format.0, "");
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from_stream(stream::once(late));
    Ok(response)
}
