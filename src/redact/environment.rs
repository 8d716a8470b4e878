//! The variables whose values `/` shows: those that are known to be harmless, and those that the operator names.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{REDACTED, is_clean, is_secret_name, shapes};

/// Variables that most processes have, and that describe where they run.
const KNOWN: [&str; 5] = ["HOME", "HOSTNAME", "LANG", "PATH", "TZ"];

/// The service's own settings. A test compares them with those that the command line has. Other variables with the same
/// prefix are the operator's, and may hold anything.
pub(crate) const OWN: [&str; 30] = [
    "SHOPFRONT_ADDRESS",
    "SHOPFRONT_DRAIN_DELAY",
    "SHOPFRONT_ENVIRONMENT",
    "SHOPFRONT_ENVIRONMENT_SHOW",
    "SHOPFRONT_EXTERNAL_IP",
    "SHOPFRONT_HEADER_TIMEOUT",
    "SHOPFRONT_IDLE_TIMEOUT",
    "SHOPFRONT_IMDS_ENDPOINT",
    "SHOPFRONT_LAB",
    "SHOPFRONT_LOG_FORMAT",
    "SHOPFRONT_LOG_LEVEL",
    "SHOPFRONT_MAX_ALLOCATE_MIB",
    "SHOPFRONT_MAX_BODY_BYTES",
    "SHOPFRONT_MAX_CONNECTIONS",
    "SHOPFRONT_MAX_HEADER_BYTES",
    "SHOPFRONT_MAX_URI_BYTES",
    "SHOPFRONT_OPS_ADDRESS",
    "SHOPFRONT_PROBE_USER_AGENTS",
    "SHOPFRONT_PUBLIC_METRICS",
    "SHOPFRONT_RANDOM_DELAY",
    "SHOPFRONT_RANDOM_ERROR",
    "SHOPFRONT_READY_AFTER",
    "SHOPFRONT_REQUEST_TIMEOUT",
    "SHOPFRONT_SHUTDOWN_TIMEOUT",
    "SHOPFRONT_TARGET",
    "SHOPFRONT_TLS_ADDRESS",
    "SHOPFRONT_TLS_CERT",
    "SHOPFRONT_TLS_KEY",
    "SHOPFRONT_URL_PREFIX",
    "SHOPFRONT_WORK",
];

/// The longest name that is shown.
const LONGEST_NAME: usize = 200;

/// The protocols of a Service's port.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// A variable, or a prefix of variables, whose values the operator shows: `COLOR`, `FEATURE_*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ShownVariable {
    /// A whole name: the value is shown as it is.
    Name(String),
    /// A prefix of names: values are shown unless they look like secrets.
    Prefix(String),
}

impl FromStr for ShownVariable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        match name {
            "" if is_prefix => Err("`*` alone would show everything: use --environment all"),
            "" => Err("a name is missing: separate names with single commas, such as COLOR,FEATURE_*"),
            name if !name.chars().all(is_name) => {
                Err("expected a variable's name, or a prefix with a `*` at its end, such as COLOR or FEATURE_*")
            }
            name if is_prefix => Ok(Self::Prefix(name.to_owned())),
            name => Ok(Self::Name(name.to_owned())),
        }
    }
}

/// A variable's value as `/` shows it: the value itself if it is known to be harmless or the operator shows it, otherwise
/// [`REDACTED`].
pub fn shown_value(name: &str, value: String, by_operator: &[ShownVariable]) -> String {
    let is_named = |shown: &ShownVariable| matches!(shown, ShownVariable::Name(known) if known == name);
    let begins =
        |shown: &ShownVariable| matches!(shown, ShownVariable::Prefix(start) if name.starts_with(start.as_str()));
    let is_allowed = || KNOWN.contains(&name) || OWN.contains(&name) || by_operator.iter().any(begins);
    let is_shown = by_operator.iter().any(is_named)
        || is_service_link(name, &value)
        || is_pod_name(name, &value)
        || is_allowed() && !is_secret_name(name) && is_clean(&value);
    if is_shown { value } else { REDACTED.to_owned() }
}

/// Whether `/` shows a variable's name: unless it has another form than names have, or a part with the form of a token, as when
/// a line of an environment file begins with the value. The operator may show any.
pub fn is_shown_name(name: &str, by_operator: &[ShownVariable]) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_name = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || "_-.".contains(c))
        && name.chars().all(is_of_name);
    // Words in capitals, of which some begin like a token, are what most names are made of.
    let has_words = !name.contains(|c: char| c.is_ascii_lowercase());
    let is_plain = |part: &str| shapes::without_tokens(part, "") == part;
    let has_token = || if has_words { !name.split(['_', '-', '.']).all(is_plain) } else { !is_plain(name) };
    by_operator.iter().any(|shown| matches!(shown, ShownVariable::Name(known) if known == name))
        || is_name && !has_token()
}

/// Whether this is the pod's name, which may start like a credential and which the load tool reads.
fn is_pod_name(name: &str, value: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    name == "HOSTNAME" && value.len() <= 253 && value.chars().all(is_of_name)
}

/// Whether this is one of the variables that Kubernetes sets in each pod for each Service of its namespace. Programs use
/// such names too, so the value must be what the name promises: an address, a port, a protocol, or a URL of all three.
fn is_service_link(name: &str, value: &str) -> bool {
    if !name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
        return false;
    }
    let of_a_service = |end: &str| name.strip_suffix(end).is_some_and(|service| !service.is_empty());
    if of_a_service("_SERVICE_HOST") {
        return is_address(value);
    }
    if let Some((service, port)) = name.split_once("_SERVICE_PORT")
        && !service.is_empty()
        && (port.is_empty() || port.len() > 1 && port.starts_with('_'))
    {
        return port_of(value).is_some() && !is_secret_name(port);
    }
    if let Some((protocol, port, part)) = of_a_port(name) {
        return match part {
            "" => of_url(value).is_some_and(|url| url == (protocol, port)),
            "_PROTO" => value == protocol,
            "_PORT" => port_of(value) == Some(port),
            _ => is_address(value),
        };
    }
    of_a_service("_PORT") && (of_url(value).is_some() || port_of(value).is_some())
}

/// Protocol, number and part of a name such as `SHOP_PORT_443_TCP_ADDR`.
fn of_a_port(name: &str) -> Option<(&'static str, u16, &'static str)> {
    PROTOCOLS.into_iter().find_map(|protocol| {
        ["_PROTO", "_PORT", "_ADDR", ""].into_iter().find_map(|part| {
            let rest = name.strip_suffix(part)?.strip_suffix(&protocol.to_ascii_uppercase())?.strip_suffix('_')?;
            let (service, number) = rest.rsplit_once("_PORT_")?;
            Some((protocol, port_of(number).filter(|_| !service.is_empty())?, part))
        })
    })
}

/// Protocol and port of `tcp://172.20.0.1:443`.
fn of_url(value: &str) -> Option<(&str, u16)> {
    let (protocol, address) = value.split_once("://").filter(|(protocol, _)| PROTOCOLS.contains(protocol))?;
    let (_, number) = address.rsplit_once(':')?;
    // Kubernetes writes no leading zeros.
    address.parse::<SocketAddr>().ok().and(port_of(number)).map(|port| (protocol, port))
}

fn is_address(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok()
}

fn port_of(value: &str) -> Option<u16> {
    let port: u16 = value.parse().ok()?;
    (port > 0 && value == port.to_string()).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::{REDACTED, ShownVariable, is_shown_name, shown_value};

    fn is_shown(name: &str, value: &str, by_operator: &[ShownVariable]) -> bool {
        shown_value(name, value.to_owned(), by_operator) != REDACTED
    }

    #[test]
    fn service_link_is_shown_if_its_value_has_the_form_of_one() {
        for (name, value) in [
            ("KUBERNETES_SERVICE_HOST", "172.20.0.1"),
            ("AUTH_TOKEN_SERVICE_HOST", "fd00::1"),
            ("KEYCLOAK_SERVICE_PORT", "443"),
            ("KEYCLOAK_SERVICE_PORT_HTTPS_METRICS", "8443"),
            ("MONKEY_PORT", "tcp://172.20.0.1:443"),
            ("MONKEY_PORT", "8080"),
            ("TURKEY_PORT_53_UDP", "udp://[fd00::1]:53"),
            ("TURKEY_PORT_53_UDP_PROTO", "udp"),
            ("TURKEY_PORT_53_UDP_PORT", "53"),
            ("TURKEY_PORT_9_SCTP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_shown(name, value, &[]), "{name}={value}");
        }
        for (name, value) in [
            ("FOO_PORT", "hunter2"),
            ("FOO_PORT", "99999"),
            ("FOO_PORT", "0042"),
            ("FOO_PORT", "tcp://u:hunter2@10.0.0.1:443"),
            ("FOO_PORT", "tcp://10.0.0.1:443/hunter2"),
            ("FOO_PORT", "http://10.0.0.1:443"),
            ("FOO_SERVICE_HOST", "hunter2.example"),
            ("FOO_SERVICE_PORT_PIN", "hunter2"),
            ("FOO_SERVICE_PORTAL", "443"),
            ("FOO_PORT_53_UDP", "tcp://10.0.0.1:53"),
            ("FOO_PORT_53_UDP", "udp://10.0.0.1:54"),
            ("FOO_PORT_53_UDP_PORT", "54"),
            ("FOO_PORT_53_UDP_PROTO", "tcp"),
            ("FOO_PORT_443_TCP_ADDR", "hunter2"),
            ("_SERVICE_HOST", "10.0.0.1"),
            ("foo_service_host", "10.0.0.1"),
            ("KUBERNETES_PASSWORD", "10"),
        ] {
            assert!(!is_shown(name, value, &[]), "{name}={value}");
        }
    }

    #[test]
    fn allowed_variable_is_shown_unless_its_value_is_a_secret() {
        for (name, value) in [
            ("HOME", "/root"),
            ("PATH", "/usr/local/bin:/usr/bin"),
            ("TZ", "Europe/Berlin"),
            ("HOSTNAME", "xapp-7d94b56f44-fblvd"),
            ("SHOPFRONT_DRAIN_DELAY", "5s"),
            ("SHOPFRONT_IMDS_ENDPOINT", "http://169.254.169.254"),
        ] {
            assert!(is_shown(name, value, &[]), "{name}={value}");
        }
        for (name, value) in [
            ("HOME", "ghp_hunter2hunter2"),
            ("SHOPFRONT_IMDS_ENDPOINT", "http://u:hunter2@169.254.169.254"),
            ("SHOPFRONT_DB_PW", "hunter2"),
            ("SHOPFRONT_NOTE", "hunter two"),
            ("SHOPFRONT_ADDRESS_2", "hunter two"),
            ("SHOPFRONT_LOG_LEVEL", "password=hunter2"),
            ("COLOR", "blue"),
            ("home", "/root"),
        ] {
            assert!(!is_shown(name, value, &[]), "{name}={value}");
        }
    }

    #[test]
    fn name_is_shown_unless_it_holds_a_token_or_has_another_form() {
        let long = "A".repeat(300);
        for name in
            ["PATH", "_", "npm_config_cache", "SKYWALKING_OAP_SERVICE_PORT_11800_TCP_ADDR", "my.setting-2", "ASIA_HOST"]
        {
            assert!(is_shown_name(name, &[]), "{name}");
        }
        for name in [
            "AKIAIOSFODNN7EXAMPLE",
            "X_AKIAIOSFODNN7EXAMPLE",
            "ghp_hunter2hunter2hunter2",
            "sk_live_hunter2hunter2",
            "wJalrXUtnFEMIk7MDENGbPxRfiCYzz0k",
            "0123456789abcdef0123456789abcdef",
            "hunter two",
            "password:hunter2",
            "BASH_FUNC_which%%",
            "é",
            "",
            long.as_str(),
        ] {
            assert!(!is_shown_name(name, &[]), "{name}");
        }
        let by_operator: Vec<ShownVariable> = vec!["ghp_hunter2hunter2hunter2".parse().unwrap()];
        assert!(is_shown_name("ghp_hunter2hunter2hunter2", &by_operator));
    }

    #[test]
    fn variables_are_shown_by_name_or_by_prefix() {
        let by_operator: Vec<ShownVariable> = ["COLOR", "API_KEY", "FEATURE_*"].map(|one| one.parse().unwrap()).into();
        for (name, value) in [("COLOR", "blue"), ("API_KEY", "as it is"), ("FEATURE_CART", "on"), ("FEATURE_", "x")] {
            assert!(is_shown(name, value, &by_operator), "{name}={value}");
        }
        for (name, value) in [("COLORS", "blue"), ("FEATURE_API_KEY", "hunter2"), ("FEATURE_URL", "http://u:p@h/")] {
            assert!(!is_shown(name, value, &by_operator), "{name}={value}");
        }
        for text in ["*", "", "A*B", "A B", "A=b", "**"] {
            assert!(text.parse::<ShownVariable>().is_err(), "{text}");
        }
    }
}
