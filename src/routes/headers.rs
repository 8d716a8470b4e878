//! `GET /headers`: the request's headers, as they arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::header::{HOST, HeaderMap, HeaderName};
use http::{Request, Response};

use super::{ApiFormat, rendered};
use crate::app::App;
use crate::error::Rejection;
use crate::redact::REDACTED;

/// The headers whose values are shown: those that browsers and tools send, and those with which proxies, meshes and tracers say
/// where a request comes from. What identifies a user, or proves a proxy to the service, is not among them.
const SHOWN: [&str; 68] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "b3",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "dnt",
    "early-data",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "priority",
    "range",
    "save-data",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "uber-trace-id",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-canary",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-ot-span-context",
    "x-real-ip",
    "x-request-id",
    "x-scheme",
];

/// How the names of further ones begin, which only browsers set.
const SHOWN_PREFIXES: [&str; 2] = ["sec-ch-", "sec-fetch-"];

/// Every name, and the values of an allowed set: a proxy may have added some that the client, or a script in its browser, must
/// not see. No text is searched for secrets, because a stranger decides how long it is.
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
    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != HOST) {
        let shown = || String::from_utf8_lossy(value.as_bytes()).into_owned();
        let value = if is_shown(name.as_str()) { shown() } else { REDACTED.to_owned() };
        listed.entry(canonical(name)).or_default().push(value);
    }
    listed
}

fn is_shown(name: &str) -> bool {
    SHOWN.binary_search(&name).is_ok() || SHOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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
    fn names_are_in_order() {
        assert!(SHOWN.is_sorted());
    }

    #[test]
    fn values_of_an_allowed_set_are_shown_and_the_host_is_left_out() {
        let shown = [
            ("connection", "close"),
            ("traceparent", "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01"),
            ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
            ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
            ("if-none-match", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-canary", "insider"),
            ("sec-ch-ua-platform", "Linux"),
        ];
        let hidden = [
            ("authorization", "Basic dTpw"),
            ("proxy-authorization", "Basic dTpw"),
            ("cookie", "session=hidden"),
            ("x-forwarded-access-token", "hidden"),
            ("x-amzn-oidc-data", "hidden"),
            ("x-amzn-oidc-identity", "hidden"),
            ("x-origin-verify", "hidden"),
            ("x-azure-fdid", "hidden"),
            ("x-cloudfront-verify", "hidden"),
            ("x-forwarded-client-cert", "hidden"),
            ("x-ssl-client-cert", "hidden"),
            ("dpop", "hidden"),
            ("x-saml-response", "hidden"),
            ("x-userinfo", "hidden"),
            ("forwarded", "for=192.0.2.7;sig=hidden"),
            ("referer", "http://localhost/?token=hidden"),
            ("sec-websocket-protocol", "hidden"),
            ("anything-else", "hidden"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("host", "localhost"), ("accept", "a"), ("accept", "b")].iter().chain(&shown).chain(&hidden)
        {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let listed = listed(&headers);
        assert_eq!(listed["Accept"], ["a", "b"]);
        assert!(!listed.contains_key("Host"), "{listed:?}");
        for (name, value) in shown {
            assert_eq!(listed[&canonical(&HeaderName::from_static(name))], [value], "{name}");
        }
        for (name, _) in hidden {
            assert_eq!(listed[&canonical(&HeaderName::from_static(name))], [REDACTED], "{name}");
        }
    }
}
