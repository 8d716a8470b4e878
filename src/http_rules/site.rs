//! Which requests a browser sends for a page of another site. Such a page must not load or change the service in the browser of
//! somebody who runs it.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use http::{Uri, uri};

/// The header in which browsers say which site a request is for (Fetch Metadata Request Headers, section 2.3).
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser sends the request for another site, or may do so. Browsers name the site only to localhost and over
/// https; elsewhere, a browser may have any reason to send it, so it counts as one.
pub fn is_other(uri: &Uri, headers: &HeaderMap) -> bool {
    if headers.get(ORIGIN).is_some_and(|origin| !is_own(origin, uri, headers)) {
        return true;
    }
    match headers.get(SEC_FETCH_SITE) {
        Some(site) => site != "same-origin" && site != "none",
        None => headers.get(USER_AGENT).is_some_and(is_browser),
    }
}

/// Whether an origin has the host that the request is for.
pub fn is_own(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    // HTTP/2 has the host in the target.
    let of_target = uri.authority().map(uri::Authority::as_str).map(str::as_bytes);
    let host = of_target.or_else(|| headers.get(HOST).map(HeaderValue::as_bytes));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// Whether a `User-Agent` is that of a browser. `PowerShell` has the beginning, too, and shows no pages.
fn is_browser(user_agent: &HeaderValue) -> bool {
    const SHELL: &[u8] = b"PowerShell/";
    let user_agent = user_agent.as_bytes();
    user_agent.starts_with(b"Mozilla/") && !user_agent.windows(SHELL.len()).any(|part| part == SHELL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(uri: &'static str, lines: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example:8080"));
        for (name, value) in lines {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        is_other(&Uri::from_static(uri), &headers)
    }

    #[test]
    fn request_of_another_site_is_known_with_and_without_fetch_metadata() {
        let browser = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0");
        for lines in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://shop.example")],
            &[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[browser],
            &[browser, ("origin", "http://shop.example:8080")],
        ] {
            assert!(is_refused("/burn/1", lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[("user-agent", "curl/8")],
            &[("user-agent", "Mozilla/5.0 (Windows NT 10.0; en-US) WindowsPowerShell/5.1")],
            &[("origin", "https://SHOP.example:8080")],
            &[browser, ("sec-fetch-site", "none")],
            &[browser, ("sec-fetch-site", "same-origin"), ("origin", "http://shop.example:8080")],
        ] {
            assert!(!is_refused("/burn/1", lines), "{lines:?}");
        }
        assert!(!is_refused("http://other.example/burn/1", &[("origin", "http://other.example")]));
        assert!(is_refused("http://other.example/burn/1", &[("origin", "http://shop.example:8080")]));
    }
}
