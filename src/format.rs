//! The three formats of every document.

use http::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::accept;

/// The format of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For curl, wget, and clients without a preference.
    Yaml,
    /// For programs.
    Json,
    /// For browsers.
    Html,
}

impl Format {
    /// Every format, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Yaml, Self::Json, Self::Html];

    /// The format that the `Accept` header prefers; YAML for a client without a preference.
    pub fn accepted(headers: &HeaderMap) -> Self {
        Self::accepted_or(Self::Yaml, headers)
    }

    /// The format that the `Accept` header prefers; `default` for a client without a preference.
    pub fn accepted_or(default: Self, headers: &HeaderMap) -> Self {
        // The usual values need no parser.
        let has_one_of_each = headers.len() == headers.keys_len();
        if headers.get(ACCEPT).is_none_or(|value| has_one_of_each && value == "*/*") {
            return default;
        }
        accept::preferred(default, headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes))
    }

    /// The format that the values of all `Accept` lines prefer; YAML for a client without a preference.
    pub fn of_values<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        accept::preferred(Self::Yaml, values)
    }

    /// The value of `Content-Type` (for YAML, RFC 9512).
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        })
    }
}

/// A handler that extracts all headers instead would get a copy of them.
impl<S: Sync> axum::extract::FromRequestParts<S> for Format {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::accepted(&parts.headers))
    }
}
