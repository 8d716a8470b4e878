//! Where the load goes, how, and what counts as a success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the load goes, and how. Values of headers, users and passwords are not part of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The URL of the requests, without a user and a password.
    pub url: String,
    /// Requests on one connection before it is closed: 1 is a new connection for each, and 9007199254740991 is no limit.
    pub requests_per_connection: u64,
    /// HTTP/2: with prior knowledge, or by ALPN for `https`.
    pub http2: bool,
    /// The maximum number of requests in flight; beyond that, a due request is dropped.
    pub max_in_flight: u64,
    /// Where connections go instead of the URL's host (`--connect-to`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<String>,
    /// Whether certificates are not verified (`--insecure`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// The method, if it is not GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The names of the headers that were given (`--header`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The length of the body in bytes, if there is one, with its placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The lines of `--targets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<Part>,
    /// The statuses that are a success (`--expect-status`); absent means 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<Statuses>,
    /// The regular expression that bodies must match (`--expect-body`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_body: Option<String>,
    /// The header of an answer that names its pod (`--pod-header`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_header: Option<String>,
}

impl Target {
    /// Whether an answer with this status is a success, as far as its status goes.
    pub fn expects(&self, status: u16) -> bool {
        self.expect_status.as_ref().map_or_else(|| is_success(status), |statuses| statuses.contains(status))
    }
}

/// A line of `--targets`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its part of the requests, in relation to the other lines' weights.
    pub weight: u32,
    /// The method.
    pub method: String,
    /// The URL, without a user and a password.
    pub url: String,
}

/// Statuses, as ranges from the first to the last.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Statuses(pub Vec<(u16, u16)>);

impl Statuses {
    /// Whether a status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                99 if first % 100 == 0 => write!(f, "{comma}{}xx", first / 100)?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Why a text does not name statuses.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a status: give statuses and classes, such as 200,204 or 2xx,304")]
pub struct StatusError(String);

impl std::str::FromStr for Statuses {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let range = |one: &str| {
            let wrong = || StatusError(one.to_owned());
            if let Some(class) = one.strip_suffix("xx").or_else(|| one.strip_suffix("XX")) {
                let class: u16 = class.parse().ok().filter(|class| (2..=5).contains(class)).ok_or_else(wrong)?;
                return Ok((100 * class, 100 * class + 99));
            }
            let digits = one.len() == 3 && one.bytes().all(|byte| byte.is_ascii_digit());
            let status = one.parse().ok().filter(|status| digits && (200..=599).contains(status)).ok_or_else(wrong)?;
            Ok((status, status))
        };
        text.split(',').map(str::trim).map(range).collect::<Result<_, _>>().map(Self)
    }
}

/// A URL, or what is meant to be one, without its user and password.
pub fn without_credentials(text: &str) -> String {
    let start = if text.starts_with("//") { 2 } else { text.find("://").map_or(0, |at| at + 3) };
    // A password may contain a slash that should have been encoded; the last @ ends it whatever it contains.
    let end = text[start..].rfind('@').map_or(start, |at| start + at + 1);
    format!("{}{}", &text[..start], &text[end..])
}

/// Whether a status is a success unless the user names others: 2xx. A redirect is not followed, so its page was not answered.
pub const fn is_success(status: u16) -> bool {
    matches!(status, 200..300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_codes_and_classes() {
        for (text, shown, contained, not) in [
            ("200,204", "200, 204", 204, 201),
            ("2xx,304", "2xx, 304", 304, 301),
            (" 5XX , 200 ", "5xx, 200", 503, 404),
        ] {
            let statuses: Statuses = text.parse().unwrap();
            assert_eq!(statuses.to_string(), shown);
            assert!(statuses.contains(contained) && !statuses.contains(not), "{text}");
        }
        for text in ["", "200,", "99", "600", "2x", "1xx", "xx", "+20", "two hundred", "200-204"] {
            let error = text.parse::<Statuses>().unwrap_err().to_string();
            assert!(error.contains("is not a status"), "{text}: {error}");
        }
    }
}
