//! What is sent: the requests of a load, and their form on the wire.

use std::borrow::Cow;
use std::str::FromStr;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::Full;

use crate::generator::endpoint::Endpoint;
use crate::generator::template::{Numbers, Template};

const AGENT: &str = concat!("loadtest/", env!("CARGO_PKG_VERSION"));
/// Asks for the format whose lines name the pod, if there is a choice.
const FORMATS: &str = "application/yaml, */*;q=0.5";

/// Headers that decide where a message ends or how its connection is used, which is this tool's part.
const OWN: [&str; 8] =
    ["connection", "content-length", "transfer-encoding", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"];

/// A request of a load.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: Method,
    /// Its headers. One of the tool's own names replaces the tool's.
    pub headers: Vec<Header>,
    /// Its body, if it has one.
    pub body: Option<Template>,
    /// Its part of all requests, in relation to the others' weights.
    pub weight: u32,
}

impl Request {
    /// A GET request.
    pub fn get(endpoint: Endpoint) -> Self {
        Self { endpoint, method: Method::GET, headers: Vec::new(), body: None, weight: 1 }
    }

    /// Method and URL, for people.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.endpoint)
    }

    /// What of it may be a secret: credentials, the values of headers, and the body.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let credentials = self.endpoint.authorization().map(HeaderValue::as_bytes);
        let values = self.headers.iter().map(|header| &header.value).chain(&self.body);
        credentials.into_iter().chain(values.flat_map(Template::fixed))
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|header| header.name == name)
    }

    /// The value of a header `Host` that replaces the URL's.
    fn host(&self) -> Option<&Template> {
        self.headers.iter().find(|header| header.name == HOST).map(|header| &header.value)
    }

    /// The headers other than `Host`, those of the tool first.
    fn all(&self) -> impl Iterator<Item = (HeaderName, Cow<'_, Template>)> {
        let text = |text: &[u8]| Cow::Owned(Template::new(text));
        let mut own = vec![(USER_AGENT, text(AGENT.as_bytes())), (ACCEPT, text(FORMATS.as_bytes()))];
        own.extend(self.endpoint.authorization().map(|value| (AUTHORIZATION, text(value.as_bytes()))));
        own.retain(|(name, _)| !self.has(name));
        let given = self.headers.iter().filter(|header| header.name != HOST);
        own.into_iter().chain(given.map(|header| (header.name.clone(), Cow::Borrowed(&header.value))))
    }

    /// Whether nothing changes from one request to the next.
    fn is_fixed(&self) -> bool {
        let headers = self.headers.iter().all(|header| header.value.is_fixed());
        headers && self.endpoint.path().is_fixed() && self.body.as_ref().is_none_or(Template::is_fixed)
    }
}

/// A header of a request.
#[derive(Clone)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    value: Template,
}

impl std::fmt::Debug for Header {
    /// The value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// Why a text is not a header. The value may be a secret, and is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It has no colon.
    #[error("a header has the form 'NAME: VALUE', and this one has no colon")]
    Colon,
    /// The name is none.
    #[error(
        "what stands before the colon is not the name of a header, which may have letters, digits and hyphens; it begins with {0:?}"
    )]
    Name(String),
    /// The value is no host.
    #[error("the header host takes a HOST or HOST:PORT, without a placeholder")]
    Host,
    /// The value has a character that a header may not have.
    #[error("the value of the header {0} has a line break or another control character")]
    Value(HeaderName),
    /// This tool sets it.
    #[error("the header {0} is set by loadtest itself: leave it out")]
    Own(HeaderName),
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::Colon)?;
        let name: HeaderName = name.trim().parse().map_err(|_| HeaderError::Name(start_of_name(name)))?;
        if OWN.contains(&name.as_str()) {
            return Err(HeaderError::Own(name));
        }
        let value = Template::new(value.trim().as_bytes());
        let filled = value.fill(Numbers::default());
        if HeaderValue::from_bytes(&filled).is_err() {
            return Err(HeaderError::Value(name));
        }
        // HTTP/2 has the host as a part of the URL.
        if name == HOST && !(value.is_fixed() && Authority::try_from(filled.as_slice()).is_ok()) {
            return Err(HeaderError::Host);
        }
        Ok(Self { name, value })
    }
}

/// What of a text could be a name: behind it, a value may follow whose colon is missing.
fn start_of_name(text: &str) -> String {
    text.trim().chars().take_while(|one| one.is_ascii_alphanumeric() || "-_".contains(*one)).collect()
}

/// A request as HTTP/1.1.
pub(super) enum Message1 {
    /// The same bytes each time: those that keep a connection, and those of the last request on one.
    Fixed { kept: Vec<u8>, last: Vec<u8> },
    /// Filled in for each request: the head without its end, and the body.
    Filled { head: Template, body: Option<Template> },
}

/// A longer message is made for each request, instead of being held twice.
const HELD: usize = 64 * 1024;

/// The end of the last head on a connection: the server closes first, so that the ports in `TIME_WAIT` are on its side.
const LAST: &[u8] = b"connection: close\r\n\r\n";

impl Message1 {
    pub fn new(request: &Request) -> Self {
        let mut head = Template::default();
        head.push(format!("{} ", request.method));
        head.append(request.endpoint.path());
        head.push(" HTTP/1.1\r\nhost: ");
        match request.host() {
            Some(host) => head.append(host),
            None => head.push(request.endpoint.host_header()),
        }
        head.push("\r\n");
        for (name, value) in request.all() {
            head.push(format!("{name}: "));
            head.append(&value);
            head.push("\r\n");
        }
        let mut body = request.body.clone();
        if body.is_none() && [Method::POST, Method::PUT, Method::PATCH].contains(&request.method) {
            // RFC 9110, 8.6: a method that usually has a body says that there is none.
            body = Some(Template::default());
        }
        let message = Self::Filled { head, body };
        if !request.is_fixed() || request.body.as_ref().is_some_and(|body| body.fixed_bytes() > HELD) {
            return message;
        }
        let of = |last| message.bytes(last, Numbers::default()).into_owned();
        Self::Fixed { kept: of(false), last: of(true) }
    }

    /// Whether the numbers of a request matter.
    pub fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }

    /// The bytes of a request, which may be the last on its connection.
    pub fn bytes(&self, is_last: bool, numbers: Numbers) -> Cow<'_, [u8]> {
        match self {
            Self::Fixed { last, .. } if is_last => last.into(),
            Self::Fixed { kept, .. } => kept.into(),
            Self::Filled { head, body } => {
                let mut bytes = head.fill(numbers);
                let body = body.as_ref().map(|body| body.filled(numbers));
                if let Some(body) = &body {
                    bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
                }
                bytes.extend_from_slice(if is_last { LAST } else { b"\r\n" });
                bytes.extend_from_slice(body.as_deref().unwrap_or_default());
                bytes.into()
            }
        }
    }
}

/// A request as HTTP/2.
pub(super) struct Message2 {
    fixed: Option<http::Request<Bytes>>,
    request: Request,
    host: Option<Authority>,
}

impl Message2 {
    pub fn new(request: &Request) -> Self {
        let host = request.host().map(|host| host.fill(Numbers::default()));
        let host = host.map(|host| Authority::try_from(host.as_slice()).expect("the header was checked"));
        let mut message = Self { fixed: None, request: request.clone(), host };
        message.fixed = request.is_fixed().then(|| message.fill(Numbers::default()));
        message
    }

    /// Whether the numbers of a request matter.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// A request.
    pub fn make(&self, numbers: Numbers) -> http::Request<Full<Bytes>> {
        self.fixed.clone().unwrap_or_else(|| self.fill(numbers)).map(Full::new)
    }

    fn fill(&self, numbers: Numbers) -> http::Request<Bytes> {
        let body = self.request.body.as_ref().map(|body| body.filled(numbers)).unwrap_or_default();
        let mut made = http::Request::new(body);
        *made.method_mut() = self.request.method.clone();
        *made.uri_mut() = self.request.endpoint.uri(numbers, self.host.as_ref()).expect("digits are part of any path");
        for (name, value) in self.request.all() {
            let value = HeaderValue::from_bytes(&value.fill(numbers)).expect("the header was checked");
            made.headers_mut().append(name, value);
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_a_value_and_other_texts_are_refused() {
        let header: Header = "X-Request: {{counter}}".parse().unwrap();
        assert_eq!(format!("{header:?}"), "x-request: …");
        assert!("Host: shop.example:8080".parse::<Header>().is_ok() && "x-empty:".parse::<Header>().is_ok());
        for (text, part) in [
            ("Authorization Bearer secret", "no colon"),
            ("X Y: secret", "not the name"),
            (": secret", "not the name"),
            ("x: a\nb: secret", "line break"),
            ("Content-Length: 5", "itself"),
            ("transfer-encoding: chunked", "itself"),
            ("Host: a b", "header host"),
            ("Host: {{counter}}.x", "placeholder"),
            ("Host:", "HOST:PORT"),
            ("Authorization=Bearer secret:x", "\"Authorization\""),
        ] {
            let error = text.parse::<Header>().unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_message_has_its_own_length_each_time() {
        let mut request = Request::get("http://u:p@a/{{counter}}".parse().unwrap());
        request.method = Method::POST;
        request.headers = vec!["X-Id: {{counter}}".parse().unwrap(), "accept: x/y".parse().unwrap()];
        request.body = Some(Template::new(b"n={{counter}}"));
        let message = Message1::new(&request);
        let text = |counter| {
            let bytes = message.bytes(false, Numbers { counter, random: 0 }).into_owned();
            String::from_utf8(bytes).unwrap()
        };
        let expected = |number: &str, length| {
            format!(
                "POST /{number} HTTP/1.1\r\nhost: a\r\nuser-agent: {AGENT}\r\nauthorization: Basic dTpw\r\nx-id: {number}\r\n\
                 accept: x/y\r\ncontent-length: {length}\r\n\r\nn={number}"
            )
        };
        assert_eq!((text(9), text(10)), (expected("9", 3), expected("10", 4)));
        let http2 = Message2::new(&request).fill(Numbers { counter: 10, random: 0 });
        assert_eq!(
            (http2.uri().to_string(), http2.headers()["x-id"].as_bytes()),
            ("http://a/10".to_owned(), &b"10"[..])
        );
        assert_eq!((http2.headers().get_all("accept").iter().count(), http2.body().as_ref()), (1, &b"n=10"[..]));
    }

    #[test]
    fn a_host_header_replaces_that_of_the_url() {
        let mut request = Request::get("https://a/".parse().unwrap());
        request.headers = vec!["Host: shop.example".parse().unwrap()];
        let text = Message1::new(&request).bytes(true, Numbers::default()).into_owned();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\r\nhost: shop.example\r\n") && text.matches("host:").count() == 1, "{text}");
        let http2 = Message2::new(&request).fill(Numbers::default());
        assert_eq!(
            (http2.uri().to_string(), http2.headers().contains_key("host")),
            ("https://shop.example/".to_owned(), false)
        );
    }
}
