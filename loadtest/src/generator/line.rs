//! A line of `--targets`, and the names of methods.

use std::str::FromStr;

use http::Method;

use crate::generator::endpoint::UrlError;
use crate::journal::without_credentials;

/// A line of `--targets`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its weight.
    pub weight: u32,
    /// Its method.
    pub method: Method,
    /// Its URL, or a path that follows the load's target.
    pub url: String,
    /// The file of its body.
    pub body: Option<String>,
}

/// Why a line of `--targets` is none.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It has too few or too many parts.
    #[error("a line is WEIGHT METHOD URL [@BODYFILE], and this one has {0} part{s}", s = if *.0 == 1 { "" } else { "s" })]
    Parts(usize),
    /// The weight is none.
    #[error("{0:?} is not a weight: give a whole number from 1 to 1000000")]
    Weight(String),
    /// The method is none.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The body's file has no @.
    #[error("the fourth part is not @FILE: a body is given as the name of its file, such as @cart.json")]
    Body,
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let ([weight, method, url] | [weight, method, url, _]) = parts[..] else {
            return Err(LineError::Parts(parts.len()));
        };
        let number = weight.parse().ok().filter(|weight| (1..=1_000_000).contains(weight));
        let body = match parts.get(3) {
            None => None,
            Some(file) => Some(file.strip_prefix('@').ok_or(LineError::Body)?.to_owned()),
        };
        Ok(Self {
            weight: number.ok_or_else(|| LineError::Weight(without_credentials(weight)))?,
            method: method_of(method)?,
            url: url.to_owned(),
            body,
        })
    }
}

/// Why a text is not a method.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// It is not one.
    #[error("{0:?} is not a method: give one such as GET or POST")]
    Form(String),
    /// Methods are case-sensitive.
    #[error("{0:?} is not a method: methods are written in capitals, so give {1}")]
    Case(String, String),
    /// It would turn the connection into a tunnel.
    #[error("CONNECT opens a tunnel, and is not a request that load can be sent with")]
    Tunnel,
}

/// The method of this name.
pub fn method_of(text: &str) -> Result<Method, MethodError> {
    let capitals = text.to_ascii_uppercase();
    let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS, Method::PATCH];
    match text.parse() {
        Ok(Method::CONNECT) => Err(MethodError::Tunnel),
        Ok(_) if capitals != text && known.iter().any(|known| known == capitals.as_str()) => {
            Err(MethodError::Case(text.to_owned(), capitals))
        }
        Ok(method) => Ok(method),
        Err(_) => Err(MethodError::Form(without_credentials(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_weight_a_method_a_url_and_maybe_a_body() {
        let line: Line = " 3  POST /cart @cart.json ".parse().unwrap();
        let expected =
            Line { weight: 3, method: Method::POST, url: "/cart".to_owned(), body: Some("cart.json".to_owned()) };
        assert_eq!(line, expected);
        for (text, part) in [
            ("GET /", "2 parts"),
            ("1 GET / @a b", "5 parts"),
            ("0 GET /", "weight"),
            ("-1 GET /", "weight"),
            ("1 get /", "give GET"),
            ("1 G@T /", "method"),
            ("1 CONNECT /", "tunnel"),
            ("1 POST / cart.json", "@FILE"),
            ("1 POST /login {\"pw\":\"secret\"}", "@FILE"),
            ("1 http://user:secret@h/ GET", "method"),
            ("http://user:secret@h/ GET 1", "weight"),
        ] {
            let error = text.parse::<Line>().unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
