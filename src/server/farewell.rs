//! What a client is told for which there is no room.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::connection::LAST_WORD;
use super::transport::{HTTP2_PREFACE, last_word};
use crate::error::{Reader, Refusal};
use crate::metrics::Metrics;

/// How long to wait for a client's first bytes, which tell HTTP/2 from HTTP/1.
const FIRST_BYTES: Duration = Duration::from_millis(100);

/// An empty SETTINGS, which an HTTP/2 server says first, and GOAWAY with no stream handled and no error: the client may
/// try again, anywhere (RFC 9113, sections 3.4 and 6.8).
const HTTP2_GOAWAY: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, // SETTINGS
    0, 0, 8, 7, 0, 0, 0, 0, 0, // GOAWAY
    0, 0, 0, 0, // the last stream that was handled
    0, 0, 0, 0, // NO_ERROR
];

/// Turns clients away, a bounded number at a time.
#[derive(Clone)]
pub(super) struct Farewells {
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    http1: Arc<[u8]>,
}

impl Farewells {
    pub(super) fn new(places: usize, metrics: Arc<Metrics>) -> Self {
        let http1 = Refusal::Overloaded.last_word(Reader::default()).into_bytes().into();
        Self { places: Arc::new(Semaphore::new(places)), metrics, http1 }
    }

    /// Answers 503 and closes. Where many are being told so already, without waiting for the client to take it,
    /// and whichever version it speaks.
    pub(super) fn turn_away(&self, stream: TcpStream) {
        self.metrics.observe_broken_head(Refusal::Overloaded.status());
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            let http1 = Arc::clone(&self.http1);
            tokio::spawn(async move {
                let words = if speaks_http2(&stream).await { HTTP2_GOAWAY } else { &*http1 };
                last_word(stream, words).await;
                drop(place);
            });
        } else {
            // Into the socket's empty buffer: it takes it whole, or the client is gone. Not by tokio's `try_write`, which
            // knows of no room before the socket's first event, and would write nothing.
            let _ = stream.into_std().and_then(|mut stream| stream.write(&self.http1));
        }
    }

    /// Tells a client whose HTTP/2 preface has been read.
    pub(super) async fn turn_http2_away(&self, stream: TcpStream) {
        self.metrics.observe_broken_head(Refusal::Overloaded.status());
        last_word(stream, HTTP2_GOAWAY).await;
    }
}

/// Whether what the client says begins as an HTTP/2 preface. What has not been said in time is HTTP/1.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut first = [0; HTTP2_PREFACE.len()];
    let peeked = tokio::time::timeout(FIRST_BYTES.min(LAST_WORD), stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(count)) if count >= 4 && HTTP2_PREFACE.starts_with(&first[..count]))
}
