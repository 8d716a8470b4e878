//! The prefix of every path for clients (`--url-prefix`), for a gateway that passes a part of its paths on as they are.

use std::fmt;
use std::str::FromStr;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{Request, Uri};
use tower::Service;

/// A prefix: one or more segments, such as `/shop` or `/apps/shop`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UrlPrefix(String);

/// More is no prefix that anybody types.
const MAX_BYTES: usize = 256;

/// In front of a path that is not below the prefix. No endpoint begins with it.
const ELSEWHERE: &str = "/-";

impl FromStr for UrlPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Gateways and charts write both.
        let prefix = text.strip_suffix('/').unwrap_or(text);
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_allowed);
        match prefix.strip_prefix('/') {
            Some(segments) if segments.split('/').all(is_segment) && prefix.len() <= MAX_BYTES => {
                Ok(Self(prefix.to_owned()))
            }
            _ => Err(
                "expected a path of letters, digits, -, ., _ and ~ that begins with a slash, such as /shop or /apps/shop",
            ),
        }
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UrlPrefix {
    /// The target without the prefix. The prefix itself is `/`. A path that is not below it becomes one that no endpoint has; it
    /// stays as invalid, or as long, as it was.
    fn stripped(&self, uri: &Uri) -> Option<Uri> {
        let target = uri.path_and_query().map(PathAndQuery::as_str).filter(|target| target.starts_with('/'))?;
        let own = match target.strip_prefix(self.0.as_str()) {
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("/{rest}"),
            _ => format!("{ELSEWHERE}{target}"),
        };
        let mut parts = uri.clone().into_parts();
        // One that is too long by what was put in front of it was not below the prefix either.
        parts.path_and_query = Some(own.parse().unwrap_or(PathAndQuery::from_static(ELSEWHERE)));
        Uri::from_parts(parts).ok()
    }
}

/// The target as the client sent it, of a request whose prefix was removed.
#[derive(Clone, Debug)]
pub struct SentUri(pub Uri);

/// Removes the prefix from each request before any other layer sees it: routes, labels and errors know nothing of it.
#[derive(Clone)]
pub struct StripPrefix<S> {
    prefix: Option<UrlPrefix>,
    inner: S,
}

impl<S> StripPrefix<S> {
    /// Wraps `inner`. Without a prefix, it gets each request as it is.
    pub fn new(prefix: Option<UrlPrefix>, inner: S) -> Self {
        Self { prefix, inner }
    }
}

impl<S, B> Service<Request<B>> for StripPrefix<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(uri) = self.prefix.as_ref().and_then(|prefix| prefix.stripped(request.uri())) {
            let sent = std::mem::replace(request.uri_mut(), uri);
            request.extensions_mut().insert(SentUri(sent));
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::Endpoint;

    #[test]
    fn prefix_is_one_or_more_segments() {
        for (text, prefix) in [
            ("/shop", "/shop"),
            ("/shop/", "/shop"),
            ("/apps/shop", "/apps/shop"),
            ("/v1.2_a-b~c", "/v1.2_a-b~c"),
            ("/-", "/-"),
        ] {
            assert_eq!(text.parse::<UrlPrefix>().unwrap().to_string(), prefix);
        }
        let long = format!("/{}", "x".repeat(MAX_BYTES));
        for text in [
            "",
            "/",
            "//",
            "shop",
            "shop/",
            "//shop",
            "/shop//",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a b",
            "/a%20b",
            "/a?b",
            "/a#b",
            "/{a}",
            "/caf\u{e9}",
            "http://x/shop",
            "/a\\b",
            "/a\n",
            &long,
        ] {
            assert!(text.parse::<UrlPrefix>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_prefix_is_removed() {
        let prefix: UrlPrefix = "/shop".parse().unwrap();
        let stripped = |uri: &str| prefix.stripped(&uri.parse().unwrap()).map(|uri| uri.to_string());
        for (uri, expected) in [
            ("/shop", "/"),
            ("/shop/", "/"),
            ("/shop?x=1", "/?x=1"),
            ("/shop/version", "/version"),
            ("/shop/allocate/1?for=1s", "/allocate/1?for=1s"),
            ("/shop/shop", "/shop"),
            ("/shop//", "//"),
            ("http://a.example:80/shop/version?x", "http://a.example:80/version?x"),
        ] {
            assert_eq!(stripped(uri).as_deref(), Some(expected), "{uri}");
        }
        for uri in
            ["/", "/version", "/shopping", "/shop.", "/Shop", "/%73hop/version", "/a/shop/version", "//shop/version"]
        {
            let path = prefix.stripped(&uri.parse().unwrap()).unwrap();
            assert_eq!((Endpoint::of_path(path.path()), path.path()), (None, &*format!("/-{uri}")), "{uri}");
        }
        for uri in ["*", "a.example:80"] {
            assert_eq!(stripped(uri), None, "it has no path");
        }
    }

    #[test]
    fn path_of_any_length_stays_one() {
        let prefix: UrlPrefix = "/shop".parse().unwrap();
        for length in [65_520, 65_531, 65_532, 65_533] {
            let uri: Uri = format!("/{}", "x".repeat(length)).parse().unwrap();
            assert!(prefix.stripped(&uri).unwrap().path().starts_with(ELSEWHERE), "{length}");
        }
    }
}
