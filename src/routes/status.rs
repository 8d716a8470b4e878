//! `GET /status/{code}`: a response with the requested status.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode, Uri};
use serde::Serialize;

use super::{ApiFormat, digits, document, parameter};
use crate::error::{Deliberate, Rejection};

#[derive(Serialize)]
struct Status {
    status: u16,
}

/// Any final status.
pub async fn show(uri: Uri, format: ApiFormat) -> Result<Response<Body>, Rejection> {
    let status = digits(parameter(&uri)).filter(|status| (200..=599).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or(Rejection::Invalid("expected a status from 200 to 599"))?;
    let mut response = document(format, &Status { status: status.as_u16() });
    // These have no body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
    if [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&status) {
        response = Response::new(Body::empty());
    } else if status == StatusCode::NOT_MODIFIED {
        // Without a length, which would be that of the document which has not changed.
        response = Response::new(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()));
    }
    *response.status_mut() = status;
    response.extensions_mut().insert(Deliberate);
    Ok(response)
}
