//! Every setting: its flag, its variable, its default, and what it is for.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::redact::environment::ShownVariable;

/// What `--help` says after the settings.
const AFTER_HELP: &str = "\
Durations are written like 500ms, 5s or 2m. A flag wins over its variable.

Examples:
  shopfront
  shopfront --address 127.0.0.1:0 --log-format json
  SHOPFRONT_DRAIN_DELAY=10s SHOPFRONT_ENVIRONMENT=none shopfront";

/// A small web service that shows its runtime and environment, and counts its requests for an autoscaler.
#[derive(Clone, Debug, Parser)]
#[command(name = "shopfront", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Config {
    /// Addresses to listen on, separated by commas; port 0 takes a free port and logs it. Without the setting: every
    /// address in a Kubernetes pod, loopback elsewhere
    #[arg(
        long,
        env = "SHOPFRONT_ADDRESS",
        value_name = "IP:PORT,…",
        value_parser = socket_address,
        value_delimiter = ',',
        default_values = default_addresses()
    )]
    pub address: Vec<SocketAddr>,

    /// Addresses that serve /metrics, /healthz and /readyz to the kubelet and Prometheus, however many clients there are
    /// [default: the IPs of --address, port 9797]
    #[arg(long, env = "SHOPFRONT_OPS_ADDRESS", value_name = "IP:PORT,…", value_parser = socket_address, value_delimiter = ',')]
    pub ops_address: Vec<SocketAddr>,

    /// Whether /metrics is also served at --address; choose false where --address is public
    #[arg(long, env = "SHOPFRONT_PUBLIC_METRICS", value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    pub public_metrics: bool,

    /// Which environment variables `/` shows, and which of their values
    #[arg(long, env = "SHOPFRONT_ENVIRONMENT", value_enum, ignore_case = true, value_name = "MODE", default_value_t = EnvironmentMode::Redacted)]
    pub environment: EnvironmentMode,

    /// Also show the values of these variables, such as COLOR,FEATURE_*. A name is shown as it is; PREFIX* shows each
    /// variable whose name starts with PREFIX, unless it looks like a secret
    #[arg(long, env = "SHOPFRONT_ENVIRONMENT_SHOW", value_name = "NAME,PREFIX*", value_delimiter = ',')]
    pub environment_show: Vec<ShownVariable>,

    /// This machine's public address for `/`, or `imds` to ask the EC2 metadata service once
    #[arg(long, env = "SHOPFRONT_EXTERNAL_IP", value_name = "IP|imds")]
    pub external_ip: Option<ExternalIp>,

    /// Where `--external-ip imds` finds the EC2 metadata service
    #[arg(
        long,
        env = "SHOPFRONT_IMDS_ENDPOINT",
        value_name = "URL",
        value_parser = http_endpoint,
        default_value = "http://169.254.169.254"
    )]
    pub imds_endpoint: SocketAddr,

    /// How much to log
    #[arg(long, env = "SHOPFRONT_LOG_LEVEL", value_enum, ignore_case = true, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,

    /// How log lines are written
    #[arg(long, env = "SHOPFRONT_LOG_FORMAT", value_enum, ignore_case = true, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Time the lifecycle gives clients to leave
    #[command(flatten)]
    pub shutdown: Shutdown,

    /// Bounds on what one client may ask for
    #[command(flatten)]
    pub limits: Limits,
}

/// How the service leaves: readiness fails, `drain_delay` passes, the listener closes, what is in flight ends.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Shutdown")]
pub struct Shutdown {
    /// Time to go on serving after SIGTERM, while load balancers notice that readiness fails
    #[arg(long, env = "SHOPFRONT_DRAIN_DELAY", value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub drain_delay: Duration,

    /// Time that requests in flight then have to finish
    #[arg(long, env = "SHOPFRONT_SHUTDOWN_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "20s")]
    pub shutdown_timeout: Duration,
}

/// Bounds on what one client may ask for.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Time for the whole head of a request to arrive, from its first byte (from the connect for a first request).
    /// While 7/8 of the connections are in use, this and the next two are at most 1s
    #[arg(long, env = "SHOPFRONT_HEADER_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "5s")]
    pub header_timeout: Duration,

    /// Time for a request's body to arrive and its answer to be made
    #[arg(long, env = "SHOPFRONT_REQUEST_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "10s")]
    pub request_timeout: Duration,

    /// Time that a kept-alive connection may be silent; longer than a load balancer's own (AWS: 60 s)
    #[arg(long, env = "SHOPFRONT_IDLE_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "75s")]
    pub idle_timeout: Duration,

    /// Connections open at once, or fewer where the memory limit or the limit of open files has no room for them;
    /// further ones are answered 503
    #[arg(long, env = "SHOPFRONT_MAX_CONNECTIONS", value_name = "COUNT", value_parser = count(1, 1_000_000), default_value = "6000")]
    pub max_connections: usize,

    /// Bytes in a request's target, else 414 (beyond the limit of the head, 431)
    #[arg(long, env = "SHOPFRONT_MAX_URI_BYTES", value_name = "BYTES", value_parser = count(1, 65_534), default_value = "2048")]
    pub max_uri_bytes: usize,

    /// Bytes in a request's head (target and headers), else 431
    #[arg(long, env = "SHOPFRONT_MAX_HEADER_BYTES", value_name = "BYTES", value_parser = count(1024, 1_048_576), default_value = "16384")]
    pub max_header_bytes: usize,

    /// Bytes in a request's body, else 413
    #[arg(long, env = "SHOPFRONT_MAX_BODY_BYTES", value_name = "BYTES", value_parser = count(0, 1_048_576), default_value = "65536")]
    pub max_body_bytes: usize,
}

/// What `/` shows of the environment variables.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum EnvironmentMode {
    /// Every name. Values of HOME, HOSTNAME, LANG, PATH, TZ, SHOPFRONT_*, Kubernetes' Service links, and of what
    /// --environment-show adds; other values read `[redacted]`
    Redacted,
    /// Every name and value: anyone who can reach the port can read the secrets
    All,
    /// No variable
    None,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogLevel {
    /// Only what went wrong
    Error,
    /// Also what may go wrong soon
    Warn,
    /// Also start, drain and stop
    Info,
    /// Also each request
    Debug,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Where the public address comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExternalIp {
    /// The operator knows it.
    Address(IpAddr),
    /// The EC2 instance metadata service knows it.
    Imds,
}

impl FromStr for ExternalIp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "imds" {
            return Ok(Self::Imds);
        }
        let address = text.parse().map_err(|_| "expected an IP address or `imds`")?;
        Ok(Self::Address(address))
    }
}

/// By address alone: the metadata service has one on every machine, and a static binary is better off without a resolver.
fn http_endpoint(text: &str) -> Result<SocketAddr, &'static str> {
    let host = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let address = host.and_then(|host| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.parse().ok().or_else(|| Some((bare.parse::<IpAddr>().ok()?, 80).into()))
    });
    address.ok_or("expected http://IP or http://IP:PORT")
}

/// In a pod, where the cluster's network decides who gets in: every address. Elsewhere, as on a developer's machine, whose
/// environment is nobody else's business: this machine alone.
fn default_addresses() -> &'static [&'static str] {
    let in_a_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if in_a_pod { &["0.0.0.0:9898", "[::]:9898"] } else { &["127.0.0.1:9898"] }
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected IP:PORT, such as 127.0.0.1:9898 or [::]:9898")
}

fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(24);
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("must be a day at most".to_owned()),
        Err(_) => Err("expected a duration, such as 500ms, 5s or 2m".to_owned()),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

fn count(least: u64, most: u64) -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<u64>::new()
        .range(least..=most)
        .map(|value| usize::try_from(value).expect("the range fits a usize"))
}

/// The port of the ops address where none is set.
pub const OPS_PORT: u16 = 9797;

impl Config {
    /// The ops addresses: those that are set, or else the IPs of `address` with port 9797; a free port where `address` asks
    /// for one.
    pub fn ops_addresses(&self) -> Vec<SocketAddr> {
        if !self.ops_address.is_empty() {
            return self.ops_address.clone();
        }
        let port = |port| if port == 0 { 0 } else { OPS_PORT };
        self.address.iter().map(|address| (address.ip(), port(address.port())).into()).collect()
    }

    /// Reads flags, of which the first is the program's name, and variables.
    ///
    /// Where they cannot be used, or ask for help, prints what is to be said and returns the exit code: 2 for bad
    /// use, 0 for help.
    pub fn from_args(args: impl Iterator<Item = OsString>) -> Result<Self, ExitCode> {
        // A variable that is set to nothing, as templates leave behind, is a variable that is not set.
        let is_blank = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let command = Self::command().mut_args(|arg| if is_blank(&arg) { arg.env(None::<&str>) } else { arg });
        command.try_get_matches_from(args).and_then(|matches| Self::from_arg_matches(&matches)).map_err(|error| {
            if error.kind() == ErrorKind::ValueValidation || error.kind() == ErrorKind::InvalidValue {
                eprintln!("error: {}", BadValue(&error));
            } else {
                // A closed pipe under `--help` is nothing to report.
                let _ = error.print();
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })
    }
}

/// One line for a bad value, which names the flag and the variable: clap's own names the flag alone, although the
/// value may have come from the variable.
struct BadValue<'a>(&'a clap::Error);

impl fmt::Display for BadValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |kind| match self.0.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let argument = text(ContextKind::InvalidArg);
        let flag = argument.split_whitespace().next().unwrap_or_default();
        write!(f, "{flag}")?;
        let command = Config::command();
        let variable = command
            .get_arguments()
            .find(|known| known.get_long() == flag.strip_prefix("--"))
            .and_then(clap::Arg::get_env);
        if let Some(variable) = variable {
            write!(f, " (or the variable {})", variable.display())?;
        }
        write!(f, ": invalid value {:?}", text(ContextKind::InvalidValue))?;
        if let Some(source) = std::error::Error::source(self.0) {
            write!(f, ": {source}")?;
        } else if let Some(ContextValue::Strings(valid)) = self.0.get(ContextKind::ValidValue) {
            match valid.as_slice() {
                [] => write!(f, ": a value is missing")?,
                valid => write!(f, ": choose one of {}", valid.join(", "))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::is_secret_name;

    #[test]
    fn the_command_line_is_sound() {
        Config::command().debug_assert();
    }

    #[test]
    fn no_setting_has_the_name_of_a_secret() {
        let command = Config::command();
        let names: Vec<_> =
            command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy()).collect();
        assert!(names.len() > 10, "{names:?}");
        // `/` would hide its value.
        let hidden: Vec<_> = names.iter().filter(|name| is_secret_name(name)).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }

    #[test]
    fn an_endpoint_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("http://169.254.169.254", "169.254.169.254:80"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://[fd00:ec2::254]", "[fd00:ec2::254]:80"),
            ("http://[fd00:ec2::254]:8080", "[fd00:ec2::254]:8080"),
        ] {
            assert_eq!(http_endpoint(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["169.254.169.254", "https://169.254.169.254", "http://metadata.example", "http://", ""] {
            assert!(http_endpoint(text).is_err(), "{text}");
        }
    }
}
