//! `GET /headers`: the request's headers, as they arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, PROXY_AUTHORIZATION};
use http::{Request, Response};

use super::{ApiFormat, rendered};
use crate::app::App;
use crate::error::Rejection;
use crate::redact::{REDACTED, is_clean, is_secret_name};

/// Names and their values, without credentials: a proxy may have added some that the client, or a script in its browser, must
/// not see.
pub async fn show(
    State(app): State<Arc<App>>,
    format: ApiFormat,
    request: Request<Body>,
) -> Result<Response<Body>, Rejection> {
    let listed = listed(request.headers());
    let text = rendered(format, &listed);
    let room = app.held.take(text.len())?;
    Ok(super::formatted(format.0, room.fill(text.into_bytes())))
}

/// The headers, with names as Go writes them. `Host` is not among them, as in Go.
fn listed(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let shown = |name: &HeaderName, value: &str| {
        let is_credential =
            [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name) || is_secret_name(name.as_str());
        if is_credential || !is_clean(value) { REDACTED.to_owned() } else { value.to_owned() }
    };
    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != HOST) {
        let values = listed.entry(canonical(name)).or_default();
        values.push(shown(name, &String::from_utf8_lossy(value.as_bytes())));
    }
    listed
}

/// The name with each of its parts capitalised: `User-Agent`.
fn canonical(name: &HeaderName) -> String {
    let mut is_first = true;
    let mut capitalise = |character: char| {
        let written = if is_first { character.to_ascii_uppercase() } else { character };
        is_first = character == '-';
        written
    };
    name.as_str().chars().map(&mut capitalise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_the_host_are_left_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "localhost"),
            ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
            ("accept", "a"),
            ("accept", "b"),
            ("authorization", "Basic dTpw"),
            ("cookie", "session=hidden"),
            ("x-forwarded-access-token", "hidden"),
            (
                "x-amzn-oidc-data",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJoaWRkZW4ifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            ),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let listed = listed(&headers);
        assert_eq!(listed["Accept"], ["a", "b"]);
        assert!(listed.contains_key("X-B3-Traceid") && !listed.contains_key("Host"), "{listed:?}");
        for name in ["Authorization", "Cookie", "X-Forwarded-Access-Token", "X-Amzn-Oidc-Data"] {
            assert_eq!(listed[name], [REDACTED], "{name}");
        }
    }
}
