//! Which proxy leads to the API server: `proxy-url` of the kubeconfig, else the variables that kubectl obeys, by the rules of
//! Go's `golang.org/x/net/http/httpproxy`. kube's own reading of them compares `NO_PROXY` with the proxy's address instead
//! of the API server's, and takes a comma at its end for an error.

use std::net::IpAddr;

use http::Uri;
use percent_encoding::percent_decode_str;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `CONNECT`, in the clear.
    Http,
    /// `CONNECT`, through TLS.
    Https,
    /// SOCKS 5.
    Socks,
}

/// A proxy.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: Kind,
    /// Where it is: without a user.
    pub place: Uri,
    /// User and password.
    pub user: Option<(String, String)>,
}

impl Proxy {
    /// The proxy of a URL. The reason against it does not repeat it: it may hold a password.
    fn of(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it is no URL")?;
        let (kind, scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, "http", 80),
            "https" => (Kind::Https, "https", 443),
            "socks5" | "socks5h" => (Kind::Socks, "socks5", 1080),
            _ => return Err("its scheme must be http, https, socks5 or socks5h"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let host: http::uri::Authority = host.parse().map_err(|_| "it has no valid host")?;
        let has_port = host.as_str().len() > host.host().len() + ":".len();
        if has_port && host.port_u16().is_none() {
            return Err("its port is not valid");
        }
        let place = format!("{scheme}://{}:{}", host.host(), host.port_u16().unwrap_or(port));
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(name), decoded(password))
        });
        Ok(Self { kind, place: place.parse().map_err(|_| "it has no valid host")?, user })
    }
}

/// A proxy that cannot be used. The reason does not repeat its URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{of} cannot be used: {why}")]
pub struct Unusable {
    of: &'static str,
    why: &'static str,
}

/// The variables that name a proxy, each in the spellings that count.
pub struct Variables<'a> {
    /// Reads a variable.
    pub get: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn first(&self, names: [&'static str; 2]) -> Option<(&'static str, String)> {
        names.into_iter().find_map(|name| Some((name, (self.get)(name).filter(|value| !value.is_empty())?)))
    }

    /// The proxy for the API server at this URL; none where it is asked directly.
    pub fn proxy(&self, of_kubeconfig: Option<&str>, server: &Uri) -> Result<Option<Proxy>, Unusable> {
        if let Some(url) = of_kubeconfig.filter(|url| !url.is_empty()) {
            // It says of this cluster what the variables say of any: they are not asked.
            return Proxy::of(url).map(Some).map_err(|why| Unusable { of: "the kubeconfig's proxy-url", why });
        }
        let names = if server.scheme_str() == Some("http") {
            ["HTTP_PROXY", "http_proxy"]
        } else {
            ["HTTPS_PROXY", "https_proxy"]
        };
        let Some((name, url)) = self.first(names) else { return Ok(None) };
        let exempt = self.first(["NO_PROXY", "no_proxy"]).map(|(_, exempt)| exempt).unwrap_or_default();
        if is_exempt(&exempt, server) {
            return Ok(None);
        }
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        Proxy::of(&url).map(Some).map_err(|why| Unusable { of: name, why })
    }
}

/// Whether a server is asked directly: it is on this machine, or `NO_PROXY` names it.
fn is_exempt(no_proxy: &str, server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback()) {
        return true;
    }
    no_proxy.split(',').map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| names(&entry, host, address, port))
}

/// Whether an entry of `NO_PROXY` names a host: `*`, a block of addresses, an address or a domain, the last two with a port
/// or for any.
fn names(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some(block) = block(entry) {
        return address.is_some_and(|address| contains(block, address));
    }
    let (name, of_port) = with_port(entry);
    if of_port.is_some_and(|of_port| of_port != port.to_string()) || name.is_empty() {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return address.is_some_and(|address| address.to_canonical() == named.to_canonical());
    }
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|before| before.ends_with('.')),
    }
}

/// `host:port`, `[address]:port`; an address of version 6 without brackets has no port.
fn with_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((inner, after)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (inner, after.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn block(entry: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    Some((address, bits.parse().ok().filter(|bits| *bits <= most)?))
}

fn contains((first, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let shifted = |address: u128, length: u8| address.checked_shr(u32::from(length - bits)).unwrap_or(0);
    match (first, address.to_canonical()) {
        (IpAddr::V4(first), IpAddr::V4(address)) => {
            shifted(first.to_bits().into(), 32) == shifted(address.to_bits().into(), 32)
        }
        (IpAddr::V6(first), IpAddr::V6(address)) => shifted(first.to_bits(), 128) == shifted(address.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(of_kubeconfig: Option<&str>, set: &[(&str, &str)], server: &str) -> Result<Option<Proxy>, Unusable> {
        let get = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Variables { get: &get }.proxy(of_kubeconfig, &server.parse().unwrap())
    }

    fn place(set: &[(&str, &str)], server: &str) -> Option<String> {
        chosen(None, set, server).unwrap().map(|proxy| proxy.place.to_string())
    }

    #[test]
    fn the_variable_of_the_servers_scheme_counts_and_the_upper_case_first() {
        let api = "https://api.example:6443/";
        let both = [("HTTP_PROXY", "http://a:1"), ("https_proxy", "b:2"), ("HTTPS_PROXY", "")];
        assert_eq!(place(&both, api).as_deref(), Some("http://b:2/"), "without a scheme it is http");
        assert_eq!(place(&both, "http://api.example/").as_deref(), Some("http://a:1/"));
        assert_eq!(place(&[("ALL_PROXY", "http://a:1")], api), None, "Go does not know it");
        let upper = [("HTTPS_PROXY", "socks5h://a"), ("https_proxy", "b:2")];
        assert_eq!(place(&upper, api).as_deref(), Some("socks5://a:1080/"));
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        for (no_proxy, server, direct) in [
            ("*", "https://api.example", true),
            ("a, * ,b", "https://api.example", true),
            ("example", "https://api.example", true),
            ("example", "https://example", true),
            ("example", "https://counterexample", false),
            (".example", "https://api.example", true),
            (".example", "https://example", false),
            ("*.example", "https://api.example", true),
            ("*.example", "https://example", false),
            ("API.Example", "https://api.example:6443", true),
            ("api.example:6443", "https://api.example:6443", true),
            ("api.example:6443", "https://api.example", false),
            ("api.example:443", "https://api.example", true),
            ("10.0.0.0/8", "https://10.9.8.7:6443", true),
            ("10.0.0.0/8", "https://11.9.8.7:6443", false),
            ("10.0.0.0/8", "https://ten.example", false),
            ("0.0.0.0/0", "https://11.9.8.7", true),
            ("10.1.2.3", "https://10.1.2.3:6443", true),
            ("10.1.2.3:1", "https://10.1.2.3:6443", false),
            ("fd00::/8", "https://[fd00::7]:6443", true),
            ("[fd00::7]:6443", "https://[fd00::7]:6443", true),
            ("fd00::7", "https://[fd00::8]:6443", false),
            ("localhost,,127.0.0.1,", "https://api.example", false),
            ("", "https://api.example", false),
            ("", "https://localhost:6443", true),
            ("", "https://127.0.0.1:6443", true),
            ("", "https://[::1]:6443", true),
            (":80,/,10.0.0.0/99", "https://10.0.0.1", false),
        ] {
            let set = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)];
            assert_eq!(place(&set, server).is_none(), direct, "{no_proxy:?} and {server}");
        }
    }

    #[test]
    fn the_kubeconfigs_own_proxy_counts_whatever_the_variables_say() {
        let set = [("HTTPS_PROXY", "http://other:1"), ("NO_PROXY", "*")];
        let proxy = chosen(Some("https://a%40b:p%3Aq@proxy.example"), &set, "https://127.0.0.1:6443").unwrap().unwrap();
        assert_eq!((proxy.kind, proxy.place.to_string().as_str()), (Kind::Https, "https://proxy.example:443/"));
        assert_eq!(proxy.user, Some(("a@b".to_owned(), "p:q".to_owned())));
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_repeated() {
        for url in ["ftp://bob:hunter2@x", "bob:hunter2@x y", "http://bob:hunter2@", "http://bob:hunter2@x:99999999"] {
            let why =
                chosen(None, &[("HTTPS_PROXY", url)], "https://api.example").err().expect("it is refused").to_string();
            assert!(why.starts_with("HTTPS_PROXY cannot be used: ") && !why.contains("hunter2"), "{why}");
            let why = chosen(Some(url), &[], "https://api.example").err().expect("it is refused").to_string();
            assert!(why.starts_with("the kubeconfig's proxy-url") && !why.contains("hunter2"), "{why}");
        }
    }
}
