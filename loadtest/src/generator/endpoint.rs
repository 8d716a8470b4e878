//! Where requests go: the parts of a URL that a client needs.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// An `http` URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    /// An error says what about the URL is wrong and what it should look like.
    fn from_str(text: &str) -> Result<Self, String> {
        let example = "a URL is written like http://shop.example/path?query";
        let mut uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL ({error}): {example}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!("{text:?}: TLS is not spoken here; give the http:// address behind what ends it"));
            }
            _ => return Err(format!("{text:?} does not start with http://: {example}")),
        }
        let authority = uri.authority().ok_or_else(|| format!("{text:?} names no host: {example}"))?;
        if authority.as_str().contains('@') {
            return Err(format!("{text:?}: a user and a password are not sent: {example}"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => 80,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("{text:?}: {port:?} is no port between 1 and 65535: {example}"))?,
        };
        if host.is_empty() {
            return Err(format!("{text:?} names no host: {example}"));
        }
        // A request line's path starts with a slash, also where the URL has a query only.
        if let Some(query) = uri.path_and_query().map(PathAndQuery::as_str).filter(|path| path.starts_with('?')) {
            let path = format!("/{query}");
            let mut parts = uri.into_parts();
            parts.path_and_query = Some(path.parse().map_err(|error| format!("{text:?} is no URL ({error})"))?);
            uri = Uri::from_parts(parts).map_err(|error| format!("{text:?} is no URL ({error})"))?;
        }
        Ok(Self { uri, host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl Endpoint {
    /// The host's name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as an address, where it needs no looking up.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The value of the header `Host`: without the port where it is the scheme's own.
    pub(super) fn host_header(&self) -> &str {
        let authority = self.uri.authority().map_or("", Authority::as_str);
        if self.port == 80 { authority.strip_suffix(":80").unwrap_or(authority) } else { authority }
    }

    /// Path and query, as the request line has them.
    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// The whole URL, as HTTP/2 wants it.
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
    fn what_is_no_http_url_is_told() {
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
            let error = url.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
