//! Every setting: its flag, its variable, its default and its help.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::redact::environment::ShownVariable;
use crate::traces::TraceSettings;
use crate::url_prefix::UrlPrefix;

mod invalid_value;
mod lab;
mod tls;
pub use lab::LabSettings;
pub use tls::{TLS_PORT, TlsFiles, TlsSettings};

use invalid_value::InvalidValueError;

/// The end of `--help`.
const AFTER_HELP: &str = "\
Write durations as 500ms, 5s or 2m. A flag overrides its variable.

Examples:
  shopfront
  shopfront --address 127.0.0.1:0 --log-format json
  SHOPFRONT_DRAIN_DELAY=10s SHOPFRONT_ENVIRONMENT=none shopfront";

/// A small web service that reports its runtime and environment, and counts its requests for an autoscaler.
#[derive(Clone, Debug, Parser)]
#[command(name = "shopfront", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Config {
    /// Addresses to listen on, separated by commas. Port 0 picks a free port, which is logged. The default is every address in
    /// a Kubernetes pod, and loopback elsewhere
    #[arg(
        long,
        env = "SHOPFRONT_ADDRESS",
        value_name = "IP:PORT,…",
        value_parser = socket_address,
        value_delimiter = ',',
        default_values = default_addresses()
    )]
    pub address: Vec<SocketAddr>,

    /// Addresses that serve /metrics, /healthz and /readyz to the kubelet and Prometheus, even if clients use all connections
    /// [default: the IPs of --address, port 9797]
    #[arg(long, env = "SHOPFRONT_OPS_ADDRESS", value_name = "IP:PORT,…", value_parser = socket_address, value_delimiter = ',')]
    pub ops_address: Vec<SocketAddr>,

    /// Addresses that serve gRPC health checks and reflection. They answer as /readyz does [default: none]
    #[arg(long, env = "SHOPFRONT_GRPC_ADDRESS", value_name = "IP:PORT,…", value_parser = socket_address, value_delimiter = ',')]
    pub grpc_address: Vec<SocketAddr>,

    /// Whether --address also serves /metrics. Set it to false if --address is public
    #[arg(long, env = "SHOPFRONT_PUBLIC_METRICS", value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    pub public_metrics: bool,

    /// Serve everything below this path, such as /shop. The ops address has no prefix
    #[arg(long, env = "SHOPFRONT_URL_PREFIX", value_name = "/PATH")]
    pub url_prefix: Option<UrlPrefix>,

    /// Which environment variables and values `/` shows
    #[arg(long, env = "SHOPFRONT_ENVIRONMENT", value_enum, ignore_case = true, value_name = "MODE", default_value_t = EnvironmentMode::Redacted)]
    pub environment: EnvironmentMode,

    /// Show the values of these variables as well, such as COLOR,FEATURE_*. A name always shows its value. PREFIX* shows each
    /// variable whose name starts with PREFIX, unless it looks like a secret
    #[arg(long, env = "SHOPFRONT_ENVIRONMENT_SHOW", value_name = "NAME,PREFIX*", value_delimiter = ',')]
    pub environment_show: Vec<ShownVariable>,

    /// This machine's public address for `/`, or `imds` to request it once from the EC2 metadata service
    #[arg(long, env = "SHOPFRONT_EXTERNAL_IP", value_name = "IP|imds")]
    pub external_ip: Option<ExternalIp>,

    /// The URL of the EC2 metadata service, for `--external-ip imds`
    #[arg(
        long,
        env = "SHOPFRONT_IMDS_ENDPOINT",
        value_name = "URL",
        value_parser = http_endpoint,
        default_value = "http://169.254.169.254"
    )]
    pub imds_endpoint: SocketAddr,

    /// The autoscaler's target, in requests per second per pod, for the page at `/`. Without it, the page shows no target
    #[arg(long, env = "SHOPFRONT_TARGET", value_name = "RATE", value_parser = target)]
    pub target: Option<f64>,

    /// Beginnings of `User-Agent` values of health checks, separated by commas. Their requests count as probes, not as client
    /// requests
    #[arg(
        long,
        env = "SHOPFRONT_PROBE_USER_AGENTS",
        value_name = "PREFIX,…",
        value_parser = user_agent,
        value_delimiter = ',',
        default_value = "ELB-HealthChecker/,GoogleHC/,kube-probe/"
    )]
    pub probe_user_agents: Vec<String>,

    /// The minimum level of log lines
    #[arg(long, env = "SHOPFRONT_LOG_LEVEL", value_enum, ignore_case = true, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,

    /// The format of log lines
    #[arg(long, env = "SHOPFRONT_LOG_FORMAT", value_enum, ignore_case = true, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// How the service shuts down.
    #[command(flatten)]
    pub shutdown: Shutdown,

    /// Limits on clients.
    #[command(flatten)]
    pub limits: Limits,

    /// Https.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// Faults and load.
    #[command(flatten)]
    pub lab: LabSettings,

    /// How spans are exported, by the standard variables of OpenTelemetry. None turns it off.
    #[arg(skip)]
    pub traces: Option<TraceSettings>,
}

/// How the service shuts down: readiness fails, `drain_delay` passes, the listener closes, requests in flight finish.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Shutdown")]
pub struct Shutdown {
    /// How long to serve after SIGTERM, until load balancers notice that readiness fails
    #[arg(long, env = "SHOPFRONT_DRAIN_DELAY", value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub drain_delay: Duration,

    /// How long requests in flight then have to finish
    #[arg(long, env = "SHOPFRONT_SHUTDOWN_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "20s")]
    pub shutdown_timeout: Duration,
}

/// Limits on clients.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How long the head of a request may take, from its first byte (for the first request, from the connect). While 7/8 of
    /// the connections are in use, this and the next two are at most 1s
    #[arg(long, env = "SHOPFRONT_HEADER_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "5s")]
    pub header_timeout: Duration,

    /// How long the body of a request and its response may take
    #[arg(long, env = "SHOPFRONT_REQUEST_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "10s")]
    pub request_timeout: Duration,

    /// How long a keep-alive connection may be idle. Must exceed the idle timeout of the load balancer (AWS: 60 s)
    #[arg(long, env = "SHOPFRONT_IDLE_TIMEOUT", value_name = "DURATION", value_parser = positive_duration, default_value = "75s")]
    pub idle_timeout: Duration,

    /// Concurrent connections; fewer if the memory limit or the open-file limit requires it. Further ones get 503
    #[arg(long, env = "SHOPFRONT_MAX_CONNECTIONS", value_name = "COUNT", value_parser = count(1, 1_000_000), default_value = "6000")]
    pub max_connections: usize,

    /// Maximum target of a request, in bytes. A longer one gets 414, or 431 if the head is too long
    #[arg(long, env = "SHOPFRONT_MAX_URI_BYTES", value_name = "BYTES", value_parser = count(1, 65_534), default_value = "2048")]
    pub max_uri_bytes: usize,

    /// Maximum head of a request (target and headers), in bytes. A longer one gets 431
    #[arg(long, env = "SHOPFRONT_MAX_HEADER_BYTES", value_name = "BYTES", value_parser = count(1024, 1_048_576), default_value = "16384")]
    pub max_header_bytes: usize,

    /// Maximum body of a request, in bytes. A longer one gets 413
    #[arg(long, env = "SHOPFRONT_MAX_BODY_BYTES", value_name = "BYTES", value_parser = count(0, 1_048_576), default_value = "65536")]
    pub max_body_bytes: usize,
}

/// What `/` shows of the environment variables.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum EnvironmentMode {
    /// Every name. The values of HOME, HOSTNAME, LANG, PATH, TZ, these settings, Kubernetes' Service links, and those that
    /// --environment-show adds. Other values are `[redacted]`
    Redacted,
    /// Every name and value. Anyone who can reach the port can read the secrets
    All,
    /// No variable
    None,
}

/// The level of log lines. Each level includes those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogLevel {
    /// Errors only
    Error,
    /// Also warnings
    Warn,
    /// Also startup, drain and stop
    Info,
    /// Also each request
    Debug,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// Text
    Text,
    /// A JSON object in each line
    Json,
}

/// The source of the public address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExternalIp {
    /// The setting itself.
    Address(IpAddr),
    /// The EC2 instance metadata service.
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

/// Only addresses: the metadata service has the same one on every machine, and a static binary needs no resolver then.
fn http_endpoint(text: &str) -> Result<SocketAddr, &'static str> {
    let host = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let address = host.and_then(|host| {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.parse().ok().or_else(|| Some((bare.parse::<IpAddr>().ok()?, 80).into()))
    });
    address.ok_or("expected http://IP or http://IP:PORT")
}

/// Every address in a pod, where the cluster's network controls access. Elsewhere, only loopback: a developer's environment must
/// not be visible to others. Both families in both cases: `localhost` is `::1` first on most systems, and pods may have only one.
fn default_addresses() -> &'static [&'static str] {
    let in_a_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if in_a_pod { &["0.0.0.0:9898", "[::]:9898"] } else { &["127.0.0.1:9898", "[::1]:9898"] }
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected IP:PORT, such as 127.0.0.1:9898 or [::]:9898")
}

fn target(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or("expected requests per second, such as 2 or 0.5")
}

/// An empty beginning would match every client.
fn user_agent(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("a beginning is missing: separate them with single commas") } else { Ok(text.to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_hours(24);
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= MAX => Ok(duration),
        Ok(_) => Err("must be at most 24h".to_owned()),
        Err(_) => Err("expected a duration, such as 500ms, 5s or 2m".to_owned()),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be greater than 0".to_owned()),
        duration => Ok(duration),
    }
}

fn count(min: u64, max: u64) -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<u64>::new()
        .range(min..=max)
        .map(|value| usize::try_from(value).expect("the range fits a usize"))
}

/// The default port of the ops address.
pub const OPS_PORT: u16 = 9797;

/// The IPs of these addresses with another port, but 0 where theirs is 0.
fn beside(addresses: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        let other = SocketAddr::new(address.ip(), if address.port() == 0 { 0 } else { port });
        if other.port() == 0 || !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

impl Config {
    /// The ops addresses: those that are set, or the IPs of `address` with port 9797. If a port of `address` is 0, so is its
    /// ops port.
    pub fn ops_addresses(&self) -> Vec<SocketAddr> {
        if self.ops_address.is_empty() { beside(&self.address, OPS_PORT) } else { self.ops_address.clone() }
    }

    /// Reads the variables and the flags, of which the first is the program's name.
    ///
    /// Prints an error, or the help, and returns the exit code for it: 2 for invalid use, 0 for help.
    pub fn from_args(args: impl Iterator<Item = OsString>) -> Result<Self, ExitCode> {
        // An empty variable, as templates leave behind, counts as not set.
        let is_blank = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let command = Self::command().mut_args(|arg| if is_blank(&arg) { arg.env(None::<&str>) } else { arg });
        let parsed = command.try_get_matches_from(args).and_then(|matches| Self::from_arg_matches(&matches));
        let config = parsed.map_err(|error| {
            if error.kind() == ErrorKind::ValueValidation || error.kind() == ErrorKind::InvalidValue {
                eprintln!("error: {}", InvalidValueError(&error));
            } else {
                // A closed pipe under `--help` is not an error.
                let _ = error.print();
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })?;
        let fail = |message: &str| {
            eprintln!("error: {message}");
            ExitCode::from(2)
        };
        config.tls.files().map_err(fail)?;
        let traces = TraceSettings::from_environment().map_err(|message| fail(&message))?;
        Ok(Self { traces, ..config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::is_secret_name;

    #[test]
    fn command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn settings_do_not_look_like_secrets() {
        let command = Config::command();
        let names: Vec<_> =
            command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy()).collect();
        assert!(names.len() > 10, "{names:?}");
        // Otherwise `/` would hide its value. The one of the key should be a path, and might be the key.
        let hidden: Vec<_> = names.iter().filter(|name| is_secret_name(name)).collect();
        assert_eq!(hidden, ["SHOPFRONT_TLS_KEY"]);
    }

    #[test]
    fn environment_shows_the_settings_and_no_others_of_their_prefix() {
        let command = Config::command();
        let mut names: Vec<_> =
            command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy()).collect();
        names.sort();
        assert_eq!(names, crate::redact::environment::OWN);
    }

    #[test]
    fn imds_endpoint_is_an_address_with_an_optional_port() {
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
