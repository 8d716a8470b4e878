//! Turns a panic into an error, so that the connection and the service live on.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower::Service;

/// A layer that answers 500 when the service below it panics. tower-http's own layer boxes the body of each answer twice.
#[derive(Clone)]
pub struct CatchPanic<S>(S);

impl<S> CatchPanic<S> {
    /// Catches the panics of `inner`.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = CaughtFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match catch_unwind(AssertUnwindSafe(|| self.0.call(request))) {
            Ok(answer) => CaughtFuture { outcome: Outcome::Called { answer } },
            Err(panic) => CaughtFuture { outcome: Outcome::Panicked { panic } },
        }
    }
}

pin_project! {
    /// The answer to come.
    pub struct CaughtFuture<F> {
        #[pin]
        outcome: Outcome<F>,
    }
}

pin_project! {
    #[project = OutcomeProjection]
    enum Outcome<F> {
        Called { #[pin] answer: F },
        Panicked { panic: Box<dyn Any + Send> },
    }
}

impl<F, E> Future for CaughtFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().outcome.project() {
            // An answer that has panicked is not polled again.
            OutcomeProjection::Called { answer } => catch_unwind(AssertUnwindSafe(|| answer.poll(cx)))
                .unwrap_or_else(|panic| Poll::Ready(Ok(panicked(&*panic)))),
            OutcomeProjection::Panicked { panic } => Poll::Ready(Ok(panicked(&**panic))),
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
