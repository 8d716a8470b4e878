//! The target of a request: its bytes, and the form that its method requires (RFC 9112, section 3.2).

use http::uri::Scheme;
use http::{Method, Uri};

use super::host::Host;
use crate::error::Rejection;

/// Whether hyper would accept these bytes of an HTTP/1 request line as a target, and pass all of them on: it silently drops
/// a fragment, which a target must not have.
pub fn is_well_formed(target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return is_path_and_query(target);
    }
    !target.contains(&b'#') && Uri::try_from(target).is_ok()
}

/// Checks a target for its method. Returns its host, if it has one.
pub fn check<'a>(method: &Method, uri: &'a Uri) -> Result<Option<Host<'a>>, Rejection> {
    let host = match uri.authority() {
        // A user name in a target is only used to deceive (RFC 9110, section 4.2.4), and `@` is not valid in a host.
        Some(authority) => Some(Host::parse(authority.as_str()).ok_or(Rejection::InvalidTarget)?),
        None => None,
    };
    let is_allowed = match (uri.scheme(), host, uri.path_and_query()) {
        // Only CONNECT has the authority-form, and it has no other (RFC 9112, section 3.2.3).
        (None, Some(host), _) => method == Method::CONNECT && !host.is_empty() && host.has_port(),
        _ if method == Method::CONNECT => false,
        (_, _, Some(target)) if target == "*" => method == Method::OPTIONS,
        (None, None, Some(target)) => is_path_and_query(target.as_str().as_bytes()),
        // `https` too: a proxy that terminates TLS may pass the scheme on (RFC 9110, section 7.4).
        (Some(scheme), Some(host), Some(target)) => {
            (*scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
                && !host.is_empty()
                && is_path_and_query(target.as_str().as_bytes())
        }
        _ => false,
    };
    if is_allowed { Ok(host) } else { Err(Rejection::InvalidTarget) }
}

/// A path by RFC 3986, section 3.3, and a query as browsers send it: they do not escape `|`, `[`, a stray `%` and others,
/// which the grammar does not allow (URL Standard, query percent-encode set). Nothing here reads a query.
fn is_path_and_query(target: &[u8]) -> bool {
    let mut bytes = target.iter().copied();
    while let Some(byte) = bytes.next() {
        let is_allowed = match byte {
            b'/' | b':' | b'@' => true,
            b'%' => take_escape(&mut bytes),
            b'?' => return bytes.all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>')),
            other => is_unreserved_or_sub_delimiter(other),
        };
        if !is_allowed {
            return false;
        }
    }
    true
}

/// Reads what follows the `%` of `pct-encoded`.
pub(super) fn take_escape(bytes: &mut impl Iterator<Item = u8>) -> bool {
    [bytes.next(), bytes.next()].iter().all(|digit| digit.is_some_and(|byte| byte.is_ascii_hexdigit()))
}

/// `unreserved` and `sub-delims` of RFC 3986, section 2.
pub(super) fn is_unreserved_or_sub_delimiter(byte: u8) -> bool {
    UNRESERVED_OR_SUB_DELIMITERS[usize::from(byte)]
}

static UNRESERVED_OR_SUB_DELIMITERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < u8::MAX {
        table[byte as usize] = is_in_grammar(byte);
        byte += 1;
    }
    table
};

const fn is_in_grammar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(method: &Method, target: &str) -> bool {
        is_well_formed(target.as_bytes()) && check(method, &target.parse().unwrap()).is_ok()
    }

    #[test]
    fn each_target_form_is_allowed_for_its_methods() {
        for target in ["/", "//", "/a/../b", "/%00%fF", "/?", "/a:b@c;d=e", "/?a[]=1&b={c|d}^e`f&100%"] {
            assert!(is_accepted(&Method::GET, target), "{target:?}");
        }
        for target in ["http://else", "http://else/", "HTTP://else:80/x", "https://[::1]:443/", "http://else?x=y"] {
            assert!(is_accepted(&Method::GET, target), "{target:?}");
        }
        assert!(is_accepted(&Method::OPTIONS, "*"));
        assert!(is_accepted(&Method::CONNECT, "else:443"));
    }

    #[test]
    fn invalid_target_is_rejected() {
        for target in [
            "",
            "*",
            "healthz",
            "else:80",
            "ftp://else/",
            "http://",
            "http:///",
            "http://:80/",
            "http://u:p@else/",
            "http://u@else/",
            "http://else:x/",
            "http://else:65536/",
            "http://[::1/",
            "http:/else",
            "mailto:a@else",
            "?x",
            "/healthz#frag",
            "/#",
            "http://else/#frag",
            "http://else#frag",
            "/a b",
            "/\u{7f}",
            "/\t",
            "/caf\u{e9}",
            "/%",
            "/%4",
            "/%zz",
            "/a\"b",
            "/<",
            "/a\\b",
            "/{a}",
            "/a|b",
            "/a^b",
            "/`",
            "/[a]",
            "/?\"",
            "/?<",
            "/?\u{e9}",
            "http://else/{a}",
        ] {
            assert!(!is_accepted(&Method::GET, target), "{target:?}");
        }
        for target in ["/", "http://else/", "else", "else:", ":80", "*", "u@else:443"] {
            assert!(!is_accepted(&Method::CONNECT, target), "CONNECT {target:?}");
        }
        assert!(!is_accepted(&Method::OPTIONS, "else:80"));
    }
}
