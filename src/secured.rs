//! The outermost word on each answer: what browsers, caches and other sites may do with it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

/// The headers of every answer, whatever its form; only the page has a policy of its own.
pub static HEADERS: [(HeaderName, HeaderValue); 5] = [
    // Each answer is of its moment.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // What is text stays text, whatever it holds.
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // No answer but the page loads, runs or submits anything, and none is shown in a frame. The last three have no
    // default in `default-src`. `X-Frame-Options` would say the last again, for browsers that are gone.
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // No other site embeds an answer as its own script, style or image, and reads it from there.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// A map of [`HEADERS`] and `others`. Cloning such a map is cheaper than inserting each header.
pub fn with(others: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    HEADERS.iter().chain(others).cloned().collect()
}

/// Whether these headers begin with all of [`HEADERS`], as those of [`with`] do.
fn are_there(headers: &HeaderMap) -> bool {
    headers.keys().take(HEADERS.len()).eq(HEADERS.iter().map(|(name, _)| name))
}

/// A layer that adds [`HEADERS`] to the answers below it.
#[derive(Clone)]
pub struct Secured<S>(S);

impl<S> Secured<S> {
    /// Secures the answers of `inner`.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S, B, R> Service<Request<B>> for Secured<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SecuredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        SecuredFuture { answer: self.0.call(request) }
    }
}

pin_project! {
    /// The answer to come.
    pub struct SecuredFuture<F> {
        #[pin]
        answer: F,
    }
}

impl<F, R, E> Future for SecuredFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut response = std::task::ready!(self.project().answer.poll(cx))?;
        let headers = response.headers_mut();
        if are_there(headers) {
            return Poll::Ready(Ok(response));
        }
        headers.reserve(HEADERS.len());
        for (name, value) in &HEADERS {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        Poll::Ready(Ok(response))
    }
}
