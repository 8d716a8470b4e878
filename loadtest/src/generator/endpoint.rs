//! Where requests go: the parts of a URL that a client needs.

use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, InvalidUri, PathAndQuery};

/// An `http` URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
}

const EXAMPLE: &str = "a URL looks like http://shop.example/path?query";

/// Why a text is not a URL that load can be sent to.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL.
    #[error("{0:?} is not a URL ({1}): {EXAMPLE}")]
    NotUrl(String, http::Error),
    /// It is an `https` URL.
    #[error("{0:?}: TLS is not supported: give the http:// address behind whatever terminates TLS")]
    Tls(String),
    /// It has another scheme, or none.
    #[error("{0:?} does not start with http://: {EXAMPLE}")]
    Scheme(String),
    /// It has no host.
    #[error("{0:?} has no host: {EXAMPLE}")]
    NoHost(String),
    /// It has a user, and maybe a password.
    #[error("{0:?}: a user and a password are not supported: {EXAMPLE}")]
    Credentials(String),
    /// The port is not one.
    #[error("{0:?}: {1:?} is not a port from 1 to 65535: {EXAMPLE}")]
    Port(String, String),
}

impl From<UrlError> for crate::error::Error {
    fn from(error: UrlError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let not_url = |error: http::Error| UrlError::NotUrl(text.to_owned(), error);
        let mut uri: Uri = text.parse().map_err(|error: InvalidUri| not_url(error.into()))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(UrlError::Tls(text.to_owned()));
            }
            _ => return Err(UrlError::Scheme(text.to_owned())),
        }
        let authority = uri.authority().ok_or_else(|| UrlError::NoHost(text.to_owned()))?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials(text.to_owned()));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => 80,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| UrlError::Port(text.to_owned(), port.to_owned()))?,
        };
        if host.is_empty() {
            return Err(UrlError::NoHost(text.to_owned()));
        }
        // A request line's path starts with a slash, even if the URL has only a query.
        if let Some(query) = uri.path_and_query().map(PathAndQuery::as_str).filter(|path| path.starts_with('?')) {
            let path = format!("/{query}");
            let mut parts = uri.into_parts();
            parts.path_and_query = Some(path.parse().map_err(|error: InvalidUri| not_url(error.into()))?);
            uri = Uri::from_parts(parts).map_err(|error| not_url(error.into()))?;
        }
        Ok(Self { uri, host, port })
    }
}

impl Endpoint {
    /// The host's name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as an address, if it is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The value of the header `Host`: without the port if it is the scheme's default.
    pub(super) fn host_header(&self) -> &str {
        let authority = self.uri.authority().map_or("", Authority::as_str);
        if self.port == 80 { authority.strip_suffix(":80").unwrap_or(authority) } else { authority }
    }

    /// Path and query, as the request line has them.
    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// The whole URL, as HTTP/2 needs it.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_parts() {
        for (url, host, port, header, path) in [
            ("http://shop.example", "shop.example", 80, "shop.example", "/"),
            ("http://shop.example:80/", "shop.example", 80, "shop.example", "/"),
            ("http://127.0.0.1:9898/a/b?c=d&e", "127.0.0.1", 9898, "127.0.0.1:9898", "/a/b?c=d&e"),
            ("http://[::1]:8080?q=1", "::1", 8080, "[::1]:8080", "/?q=1"),
            ("http://[::1]/", "::1", 80, "[::1]", "/"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            let parts = (endpoint.host(), endpoint.port(), endpoint.host_header(), endpoint.path());
            assert_eq!(parts, (host, port, header, path), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, part) in [
            ("https://shop.example/", "TLS"),
            ("shop.example/", "URL"),
            ("ftp://shop.example/", "http://"),
            ("/path", "http://"),
            ("http://", "URL"),
            ("http://user:secret@shop.example/", "password"),
            ("http://shop.example:0/", "port"),
            ("http://shop.example:99999/", "port"),
            ("", "URL"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
