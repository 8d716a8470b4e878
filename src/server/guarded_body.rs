//! A response body that keeps something until it has been sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A response body. What it guards is dropped with it: when all of it has been sent, or the client has left.
struct GuardedBody<G> {
    body: Body,
    _guard: G,
}

/// The body, which keeps the guard.
pub fn guarded<G: Send + Unpin + 'static>(body: Body, guard: G) -> Body {
    Body::new(GuardedBody { body, _guard: guard })
}

impl<G: Unpin> http_body::Body for GuardedBody<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
