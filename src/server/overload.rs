//! The response to clients that exceed the connection limits.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::stream::ClientStream;
use super::tls::INTERNAL_ERROR;
use super::transport::{HTTP2_PREFACE, respond_and_close};
use crate::error::{ErrorFormat, Rejection};
use crate::metrics::Metrics;

/// How long to wait for a client's first bytes, which distinguish HTTP/2 from HTTP/1.
const PREFACE_TIMEOUT: Duration = Duration::from_millis(100);

/// An empty SETTINGS, which is an HTTP/2 server's first frame, and a GOAWAY that says that no stream was processed, without
/// an error: the client may retry anywhere (RFC 9113, sections 3.4 and 6.8).
const HTTP2_GOAWAY: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, // SETTINGS
    0, 0, 8, 7, 0, 0, 0, 0, 0, // GOAWAY
    0, 0, 0, 0, // the last stream that was processed
    0, 0, 0, 0, // NO_ERROR
];

/// Rejects clients; it waits for a limited number of them at a time.
#[derive(Clone)]
pub(super) struct OverloadResponder {
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    http1_response: Arc<[u8]>,
}

impl OverloadResponder {
    pub(super) fn new(max_pending: usize, metrics: Arc<Metrics>) -> Self {
        let http1_response = Rejection::Overloaded.http1_response(ErrorFormat::default()).into_bytes().into();
        Self { permits: Arc::new(Semaphore::new(max_pending)), metrics, http1_response }
    }

    /// Responds with 503 or GOAWAY, and closes. At the TLS address, it sends an alert instead: a handshake takes more CPU time
    /// than any response. If too many rejections are pending, it sends the 503 without waiting for the
    /// client to read it, whichever version the client speaks.
    pub(super) fn reject(&self, stream: TcpStream, is_tls: bool) {
        self.metrics.observe_rejected_head(Rejection::Overloaded.status());
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let http1_response = Arc::clone(&self.http1_response);
            tokio::spawn(async move {
                let response = match is_tls {
                    true => INTERNAL_ERROR,
                    false if speaks_http2(&stream).await => HTTP2_GOAWAY,
                    false => &*http1_response,
                };
                respond_and_close(stream, response).await;
                drop(permit);
            });
        } else {
            // The socket's buffer is empty, so it takes the whole response unless the client has gone. tokio's `try_write`
            // would write nothing: it sees no room before the socket's first event.
            let response = if is_tls { INTERNAL_ERROR } else { &*self.http1_response };
            let _ = stream.into_std().and_then(|mut stream| stream.write(response));
        }
    }

    /// Responds to a client whose HTTP/2 preface has been read.
    pub(super) async fn reject_http2(&self, stream: ClientStream) {
        self.metrics.observe_rejected_head(Rejection::Overloaded.status());
        respond_and_close(stream, HTTP2_GOAWAY).await;
    }
}

/// Whether the client's first bytes begin an HTTP/2 preface. A client that has sent nothing in time gets HTTP/1.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut first = [0; HTTP2_PREFACE.len()];
    let peeked = tokio::time::timeout(PREFACE_TIMEOUT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(count)) if count >= 4 && HTTP2_PREFACE.starts_with(&first[..count]))
}
