//! Where requests go: the parts of a URL that a client needs.

use std::fmt::{Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::Uri;
use http::uri::{Authority, InvalidUri, Parts, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::generator::template::{Numbers, Template};
use crate::journal::without_credentials;

/// What a URL may not contain as it is, besides what is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// A host and a port that connections are made to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// The host's name or address, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why a text does not name a place.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a host and a port: give HOST:PORT, such as ingress.example:443 or [2001:db8::1]:443")]
pub struct PlaceError(String);

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError(without_credentials(text));
        let authority: Authority = text.parse().map_err(|_| wrong())?;
        let port = authority.port_u16().filter(|port| *port > 0 && !text.contains('@')).ok_or_else(wrong)?;
        let host = bare(authority.host()).to_owned();
        if host.is_empty() { Err(wrong()) } else { Ok(Self { host, port }) }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Place {
    /// The host as an address, if it is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// An `http` or `https` URL. A user and a password in it become a header, and are not part of its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// As it was given, without a user and a password.
    shown: String,
    tls: bool,
    authority: Authority,
    place: Place,
    path: Template,
    authorization: Option<HeaderValue>,
}

const EXAMPLE: &str = "a URL looks like http://shop.example/path?query";

/// Why a text is not a URL that load can be sent to. Users and passwords are removed from the text.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL.
    #[error("{0:?} is not a URL ({1}): {EXAMPLE}")]
    NotUrl(String, http::Error),
    /// Its host has characters that are not ASCII.
    #[error("{0:?}: give the host in its ASCII form (xn--…), which `idn2 HOST` prints")]
    Host(String),
    /// It has another scheme, or none.
    #[error("{0:?} does not start with http:// or https://: {EXAMPLE}")]
    Scheme(String),
    /// It has no host.
    #[error("{0:?} has no host: {EXAMPLE}")]
    NoHost(String),
    /// The port is not one.
    #[error("{0:?}: {1:?} is not a port from 1 to 65535: {EXAMPLE}")]
    Port(String, String),
    /// It has a line break or another control character.
    #[error("{0:?} has a line break or another control character: {EXAMPLE}")]
    Control(String),
    /// Its address has a zone, which is a matter of one machine.
    #[error("{0:?}: an address with a zone (%…) is not part of a URL: give an address without one, or a name")]
    Zone(String),
    /// It may be the end of a password.
    #[error(
        "{0:?}: an @ follows the port: if it belongs to the path, write %40; if it ends a password, write %2F for a slash \
         in it"
    )]
    At(String),
}

impl From<UrlError> for crate::error::Error {
    fn from(error: UrlError) -> Self {
        Self::Usage(error.to_string())
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let endpoint = Self::parsed(text)?;
        // http://user:12/secret@shop.example/ would show the password's end as a path.
        let Self { authority, authorization, place, .. } = &endpoint;
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let may_be_user = authorization.is_none() && place.ip().is_none() && place.host != "localhost";
        if may_be_user && authority.port_u16().is_some() && path.contains('@') {
            return Err(UrlError::At(without_credentials(text)));
        }
        Ok(endpoint)
    }
}

/// A request line's path starts with a slash, even if the URL has only a query. Its fragment is not sent.
fn path_of(text: &str) -> Template {
    let text = text.split('#').next().unwrap_or_default();
    let slash = if text.starts_with('/') { "" } else { "/" };
    let path = Template::new(format!("{slash}{text}").as_bytes());
    path.map(|fixed| percent_encode(fixed, ENCODED).to_string().into_bytes())
}

/// The header for a user and a password, which a URL has percent-encoded.
fn basic(credentials: &str) -> HeaderValue {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut text: Vec<u8> = percent_decode_str(user).collect();
    text.push(b':');
    text.extend(percent_decode_str(password));
    let mut value: HeaderValue = format!("Basic {}", BASE64_STANDARD.encode(text)).parse().expect("base64 is a value");
    value.set_sensitive(true);
    value
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Endpoint {
    /// The parts of a URL.
    fn parsed(text: &str) -> Result<Self, UrlError> {
        let redacted = || without_credentials(text);
        if text.chars().any(char::is_control) {
            return Err(UrlError::Control(redacted()));
        }
        let not_url = |error: http::Error| UrlError::NotUrl(redacted(), error);
        let invalid = |error: InvalidUri| not_url(error.into());
        let Some((scheme, rest)) = text.split_once("://") else {
            // Whatever it is, it has its reason.
            text.parse::<Uri>().map_err(invalid)?;
            return Err(UrlError::Scheme(redacted()));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Scheme(redacted())),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, authority),
        };
        if !authority.is_ascii() {
            return Err(UrlError::Host(redacted()));
        }
        if authority.is_empty() {
            return Err(UrlError::NoHost(redacted()));
        }
        if let Some((_, port)) = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            let known = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
            if !known {
                // A part of a password that should have been encoded may stand here.
                let port = if text.contains('@') { "…" } else { port };
                return Err(UrlError::Port(redacted(), port.to_owned()));
            }
        }
        if authority.starts_with('[') && authority.contains('%') {
            return Err(UrlError::Zone(redacted()));
        }
        let authority: Authority = authority.parse().map_err(invalid)?;
        let host = bare(authority.host()).to_owned();
        if host.is_empty() {
            return Err(UrlError::NoHost(redacted()));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = path_of(path);
        let endpoint = Self {
            shown: format!("{scheme}://{}", &rest[credentials.map_or(0, |credentials| credentials.len() + 1)..]),
            tls,
            authority,
            place: Place { host, port },
            path,
            authorization: credentials.map(basic),
        };
        endpoint.uri(Numbers::default(), None).map_err(not_url)?;
        Ok(endpoint)
    }

    /// The URL of another path on the same server, with the same user and password.
    pub fn with_path(&self, path: &str) -> Result<Self, UrlError> {
        let scheme = if self.tls { "https" } else { "http" };
        let other = Self::parsed(&format!("{scheme}://{}{path}", self.authority))?;
        Ok(Self { authorization: self.authorization.clone(), ..other })
    }

    /// The host's name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.place.host
    }

    /// The port; if the URL has none, 80 for `http` and 443 for `https`.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Whether it is an `https` URL.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Where its connections go.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The header for the user and the password, if the URL has them.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The value of the header `Host`: without the port if it is the scheme's default.
    pub(super) fn host_header(&self) -> &str {
        let authority = self.authority.as_str();
        let default = if self.tls { ":443" } else { ":80" };
        authority.strip_suffix(default).unwrap_or(authority)
    }

    /// Path and query, as the request line has them.
    pub(super) fn path(&self) -> &Template {
        &self.path
    }

    /// The whole URL, as HTTP/2 needs it, with another host if one is given.
    pub(super) fn uri(&self, numbers: Numbers, host: Option<&Authority>) -> Result<Uri, http::Error> {
        let mut parts = Parts::default();
        parts.scheme = Some(if self.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(host.unwrap_or(&self.authority).clone());
        parts.path_and_query = Some(PathAndQuery::try_from(self.path.fill(numbers))?);
        Ok(Uri::from_parts(parts)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(endpoint: &Endpoint) -> String {
        String::from_utf8(endpoint.path().fill(Numbers { counter: 5, random: 6 })).unwrap()
    }

    #[test]
    fn a_url_has_its_parts() {
        for (url, host, port, header, expected) in [
            ("http://shop.example", "shop.example", 80, "shop.example", "/"),
            ("http://shop.example:80/", "shop.example", 80, "shop.example", "/"),
            ("http://127.0.0.1:9898/a/b?c=d&e", "127.0.0.1", 9898, "127.0.0.1:9898", "/a/b?c=d&e"),
            ("http://[::1]:8080?q=1", "::1", 8080, "[::1]:8080", "/?q=1"),
            ("http://[::1]/", "::1", 80, "[::1]", "/"),
            (" http://shop.example/ok ", "shop.example", 80, "shop.example", "/ok"),
            ("http://127.0.0.1:80/@me", "127.0.0.1", 80, "127.0.0.1", "/@me"),
            ("https://shop.example/", "shop.example", 443, "shop.example", "/"),
            ("HTTPS://shop.example:443/#a", "shop.example", 443, "shop.example", "/"),
            ("https://shop.example:80/", "shop.example", 80, "shop.example:80", "/"),
            (
                "http://shop.example/größe?q=a b&r=%41\"",
                "shop.example",
                80,
                "shop.example",
                "/gr%C3%B6%C3%9Fe?q=a%20b&r=%41%22",
            ),
            ("http://shop.example/{{counter}}?{{random}}={x}", "shop.example", 80, "shop.example", "/5?6=%7Bx%7D"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            let path = path(&endpoint);
            let parts = (endpoint.host(), endpoint.port(), endpoint.host_header(), path.as_str());
            assert_eq!(parts, (host, port, header, expected), "{url}");
            assert_eq!(endpoint.is_tls(), url.to_lowercase().starts_with("https"), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, part) in [
            ("shop.example/", "URL"),
            ("ftp://shop.example/", "http://"),
            ("/path", "http://"),
            ("http://", "host"),
            ("http://shop.example:0/", "port"),
            ("http://shop.example:99999/", "port"),
            ("http://shop.example:{{counter}}/", "port"),
            ("http://größe.example/", "xn--"),
            ("http://:80/", "host"),
            ("", "URL"),
            ("http://[fe80::1%eth0]/", "zone"),
            ("http://shop.example/a\nb", "line break"),
            ("http://shop:80/@me", "%40"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn a_user_and_a_password_become_a_header_and_are_shown_nowhere() {
        for (url, header, shown) in [
            ("http://user:secret@shop.example/a", "Basic dXNlcjpzZWNyZXQ=", "http://shop.example/a"),
            ("https://us%3Aer:s%40cret@shop.example", "Basic dXM6ZXI6c0BjcmV0", "https://shop.example"),
            ("http://user@shop.example/@me", "Basic dXNlcjo=", "http://shop.example/@me"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!(endpoint.authorization().unwrap(), header);
            assert_eq!((endpoint.to_string(), endpoint.host()), (shown.to_owned(), "shop.example"));
            assert!(!format!("{endpoint:?}").contains("cret"), "{endpoint:?}");
            assert!(endpoint.with_path("/@me").is_ok());
            let other = endpoint.with_path("/other").unwrap();
            assert_eq!(
                (path(&other).as_str(), other.authorization().unwrap()),
                ("/other", endpoint.authorization().unwrap())
            );
        }
        for url in [
            "http://user:secret@/",
            "ftp://user:secret@shop.example/",
            "user:secret@shop.example",
            "http://user:sec/ret@shop.example/",
            "http://user:12/secret@shop.example/",
            "http://user:secret@shop.example:0/",
            "http://user:secret@größe.example/",
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("sec") && !error.contains("user"), "{error}");
        }
    }

    #[test]
    fn a_place_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("ingress.example:443", "ingress.example", 443),
            ("10.0.0.1:80", "10.0.0.1", 80),
            ("[::1]:8443", "::1", 8443),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.host.as_str(), place.port, place.to_string()), (host, port, text.to_owned()));
        }
        for text in ["", "ingress.example", ":443", "a:0", "a:99999", "::1:80", "http://a:80", "a:80/", "u@a:80"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
        let error = "user:secret@a:80".parse::<Place>().unwrap_err().to_string();
        assert!(!error.contains("secret") && !error.contains("user"), "{error}");
    }
}
