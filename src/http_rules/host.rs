//! The host of a request: its `Host` field, or the authority of its target (RFC 9110, sections 4.2 and 7.2).

use std::net::{IpAddr, Ipv6Addr};

use super::target::{is_unreserved_or_sub_delimiter, take_escape};

/// `uri-host [ ":" port ]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Host<'a> {
    /// A registered name, an IPv4 address, or an IPv6 address in brackets.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Parses a host by RFC 3986, sections 3.2.2 and 3.2.3, with three decisions:
    ///
    /// - An empty value is valid: a client sends it if its target has no authority (RFC 9112, section 3.2). An empty name with
    ///   a port is not (RFC 9110, section 4.2.1).
    /// - A port may be empty, as in the grammar, but must not exceed 65535.
    /// - An address in brackets is IPv6 without a zone. The grammar allows later versions, but there are none.
    pub fn parse(value: &'a str) -> Option<Self> {
        let end = if value.starts_with('[') { value.find(']')? + 1 } else { registered_name_length(value.as_bytes()) };
        let (name, rest) = value.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let is_named = !name.starts_with('[') || ipv6(name).is_some();
        let is_empty_with_port = name.is_empty() && !rest.is_empty();
        (is_named && !is_empty_with_port).then_some(Self { name, port })
    }

    /// Whether the name is empty.
    pub fn is_empty(self) -> bool {
        self.name.is_empty()
    }

    /// Whether it has a port.
    pub fn has_port(self) -> bool {
        self.port.is_some()
    }

    /// Whether both are the same origin of `scheme`. Case and the scheme's default port make no difference (RFC 3986, section
    /// 6.2).
    pub fn is_same_origin(self, other: Self, scheme: Option<&str>) -> bool {
        let default_port = if scheme == Some("https") { 443 } else { 80 };
        self.name.eq_ignore_ascii_case(other.name)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }

    /// Whether it is always this machine: a loopback address, `localhost`, or a name below it (RFC 6761, section 6.3). DNS does
    /// not resolve these, so a web page cannot change where they lead.
    pub fn is_local(self) -> bool {
        // The usual names need no parser.
        if matches!(self.name, "localhost" | "127.0.0.1") {
            return true;
        }
        if let Some(address) = self.address() {
            return address.to_canonical().is_loopback();
        }
        let name = self.name.strip_suffix('.').unwrap_or(self.name).as_bytes();
        let Some(parent) = name.len().checked_sub(LOCALHOST.len()) else {
            return false;
        };
        let (below, last) = name.split_at(parent);
        last.eq_ignore_ascii_case(LOCALHOST) && below.last().is_none_or(|byte| *byte == b'.')
    }

    fn address(self) -> Option<IpAddr> {
        if self.name.starts_with('[') { ipv6(self.name).map(IpAddr::V6) } else { self.name.parse().ok() }
    }
}

const LOCALHOST: &[u8] = b"localhost";

fn ipv6(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn parse_port(digits: &str) -> Option<u16> {
    // `parse` would accept a sign.
    digits.bytes().try_fold(0_u16, |port, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        port.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The length of the `reg-name` at the front; IPv4 addresses match it, too.
fn registered_name_length(value: &[u8]) -> usize {
    let mut bytes = value.iter().copied();
    loop {
        let rest = bytes.len();
        let is_allowed = bytes
            .next()
            .is_some_and(|byte| is_unreserved_or_sub_delimiter(byte) || byte == b'%' && take_escape(&mut bytes));
        if !is_allowed {
            return value.len() - rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_parsed_by_the_grammar() {
        let valid = [
            "",
            "x",
            "X.example",
            "x:",
            "x:0",
            "x:80",
            "x:00080",
            "x:65535",
            "127.0.0.1",
            "127.0.0.1:9898",
            "[::1]",
            "[::1]:",
            "[::1]:80",
            "[2001:db8::192.0.2.1]",
            "a_b",
            "a,b",
            "%41%7a",
            "1.2.3.4.5",
            "localhost.",
        ];
        for value in valid {
            assert!(Host::parse(value).is_some(), "{value:?} is valid");
        }
        let invalid = [
            "a b",
            "a@b",
            "a/b",
            "a:b",
            "a:80:80",
            "a:+1",
            "a:65536",
            "a: 1",
            "a?b",
            "a#b",
            "a\\b",
            "a\"b",
            "a<b",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[::1]x",
            "[::1]:x",
            "[::g]",
            "[::1%25lo]",
            "[v1.x]",
            "[127.0.0.1]",
            ":",
            ":80",
            "%4",
            "%zz",
            "%",
            "caf\u{e9}",
            "a\tb",
            "x, y",
            "http://x",
            "{x}",
            "x|y",
            "[[::1]]",
        ];
        for value in invalid {
            assert_eq!(Host::parse(value), None, "{value:?} is invalid");
        }
    }

    #[test]
    fn only_loopback_and_localhost_are_local() {
        let local = [
            "localhost",
            "LOCALHOST:9898",
            "localhost.",
            "shop.localhost",
            "a.b.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[0:0::1]:9898",
            "[::ffff:127.0.0.1]",
        ];
        for value in local {
            assert!(Host::parse(value).unwrap().is_local(), "{value:?} is local");
        }
        let elsewhere = [
            "x",
            "evil.example",
            "notlocalhost",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[2001:db8::1]",
            "128.0.0.1",
            "2130706433",
            "0x7f.1",
            "127.1",
            "",
        ];
        for value in elsewhere {
            assert!(!Host::parse(value).unwrap().is_local(), "{value:?} is not local");
        }
    }

    #[test]
    fn same_origin_ignores_case_and_default_port() {
        let same = |one, other, scheme| Host::parse(one).unwrap().is_same_origin(Host::parse(other).unwrap(), scheme);
        assert!(same("Shop.example", "shop.EXAMPLE:80", Some("http")));
        assert!(same("shop.example:", "shop.example:443", Some("https")));
        assert!(!same("shop.example", "shop.example:443", Some("http")));
        assert!(!same("shop.example", "shop.example.evil", Some("http")));
    }
}
