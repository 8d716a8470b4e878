//! The headers that tell browsers and caches what they may do with a response.

use http::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

/// The headers of every response. Only the page has a policy of its own.
pub static HEADERS: [(HeaderName, HeaderValue); 5] = [
    // Each response is true only when it is made.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // Browsers must not guess another type.
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Except for the page, no response loads, runs or submits anything, and none is shown in a frame. `default-src` does not
    // cover the last three. `X-Frame-Options` would only repeat the last one for browsers that are gone.
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Other sites must not embed a response as a script, style or image, and read it from there.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// A map of [`HEADERS`] and `others`. Cloning such a map is cheaper than inserting each header.
pub fn with(others: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    HEADERS.iter().chain(others).cloned().collect()
}

/// Whether the map begins with all of [`HEADERS`], as a map from [`with`] does.
fn has_all(headers: &HeaderMap) -> bool {
    headers.keys().take(HEADERS.len()).eq(HEADERS.iter().map(|(name, _)| name))
}

/// Adds [`HEADERS`] to a response.
pub fn add<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    if !has_all(headers) {
        headers.reserve(HEADERS.len());
        for (name, value) in &HEADERS {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    response
}
