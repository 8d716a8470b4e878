//! How HTTP/2's streams are run: each for so long and no longer.

use std::future::Future;
use std::time::Duration;

/// Runs the streams of HTTP/2 connections. A stream has `time` from its head to the last byte of its answer; one that
/// takes longer, because its client does not take the answer, is dropped, and the client is sent `RST_STREAM`. Whatever
/// else the connection does renews nothing.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) time: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let time = self.time;
        tokio::spawn(async move {
            // A stream that runs out of time has nobody to tell.
            let _ = tokio::time::timeout(time, stream).await;
        });
    }
}
