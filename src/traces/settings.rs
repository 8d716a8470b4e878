//! The standard variables of OpenTelemetry, as far as they concern traces. An empty variable counts as not set.

use std::fmt;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;

/// How spans are exported. Only there if an endpoint is set, or `OTEL_TRACES_EXPORTER=otlp`.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector's URL.
    pub(super) endpoint: Uri,
    pub(super) protocol: Protocol,
    pub(super) headers: Headers,
    pub(super) timeout: Duration,
    pub(super) sampler: Sampler,
    /// Whether a request's `traceparent` makes its span part of the client's trace.
    pub(super) continues_traces: bool,
    /// Whether the variables name the service.
    pub(super) has_service_name: bool,
}

/// What the collector speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// `http/protobuf`: HTTP/1.1.
    Http,
    /// `grpc`: HTTP/2 with prior knowledge.
    Grpc,
}

/// What is sent with each export. The values may be credentials, so they are never printed.
#[derive(Clone, Default)]
pub(super) struct Headers(pub(super) HeaderMap);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The variables, by their names.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl TraceSettings {
    /// Reads this process's variables. An error is one line that names the variable, and never a value that may be secret.
    pub fn from_environment() -> Result<Option<Self>, String> {
        Self::from_variables(&|name| {
            let value = std::env::var_os(name)?.to_string_lossy().trim().to_owned();
            (!value.is_empty()).then_some(value)
        })
    }

    fn from_variables(variables: Variables) -> Result<Option<Self>, String> {
        if variables("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
            .into_iter()
            .find_map(|name| Some((name, variables(name)?)));
        match variables("OTEL_TRACES_EXPORTER").as_deref() {
            Some("otlp") => {}
            None if endpoint.is_some() => {}
            None | Some("none") => return Ok(None),
            Some(other) => return Err(format!("OTEL_TRACES_EXPORTER: expected otlp or none, not {other:?}")),
        }
        let protocol = protocol(variables)?;
        if let Some((name, _)) = otlp(variables, "COMPRESSION").filter(|(_, value)| value != "none") {
            return Err(format!("{name}: exports are not compressed; unset it, or set it to none"));
        }
        check_batches(variables)?;
        Ok(Some(Self {
            endpoint: match endpoint {
                Some((name, url)) => endpoint_url(&url, protocol, name.contains("TRACES"))
                    .map_err(|expected| format!("{name}: expected {expected}"))?,
                None => protocol.default_endpoint(),
            },
            protocol,
            headers: headers(variables)?,
            timeout: timeout(variables)?,
            sampler: sampler(variables)?,
            continues_traces: continues_traces(variables)?,
            has_service_name: variables("OTEL_SERVICE_NAME").is_some()
                || variables("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| names_a_service(&attributes)),
        }))
    }
}

/// An exporter's variable: that for traces, or that for every signal. With its name.
fn otlp(variables: Variables, suffix: &str) -> Option<(String, String)> {
    ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|prefix| {
        let name = format!("{prefix}{suffix}");
        variables(&name).map(|value| (name, value))
    })
}

fn protocol(variables: Variables) -> Result<Protocol, String> {
    match otlp(variables, "PROTOCOL") {
        None => Ok(Protocol::Http),
        Some((_, value)) if value == "http/protobuf" => Ok(Protocol::Http),
        Some((_, value)) if value == "grpc" => Ok(Protocol::Grpc),
        Some((name, value)) => Err(format!("{name}: expected http/protobuf or grpc, not {value:?}")),
    }
}

impl Protocol {
    fn default_endpoint(self) -> Uri {
        match self {
            Self::Http => Uri::from_static("http://localhost:4318/v1/traces"),
            Self::Grpc => {
                Uri::from_static("http://localhost:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            }
        }
    }
}

/// The URL of an export. The URL for every signal is a base; that for traces is used as it is.
fn endpoint_url(url: &str, protocol: Protocol, is_for_traces: bool) -> Result<Uri, &'static str> {
    const EXPECTED: &str = "a URL, such as http://otel-collector:4318";
    let base: Uri = url.parse().map_err(|_| EXPECTED)?;
    let authority = base.authority().filter(|authority| !authority.host().is_empty()).ok_or(EXPECTED)?;
    if authority.as_str().contains('@') {
        return Err("a URL without a user; credentials belong into OTEL_EXPORTER_OTLP_HEADERS");
    }
    if base.scheme() != Some(&Scheme::HTTP) {
        return Err("a URL that begins with http://; send to a collector in the cluster, which can forward by https");
    }
    if base.query().is_some() && !(is_for_traces && protocol == Protocol::Http) {
        return Err("a URL without a query; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT may have one");
    }
    let path = base.path().trim_end_matches('/');
    let path = match protocol {
        Protocol::Grpc => "/opentelemetry.proto.collector.trace.v1.TraceService/Export".to_owned(),
        Protocol::Http if is_for_traces => base.path_and_query().map_or("/", PathAndQuery::as_str).to_owned(),
        Protocol::Http => format!("{path}/v1/traces"),
    };
    Uri::builder().scheme(Scheme::HTTP).authority(authority.clone()).path_and_query(path).build().map_err(|_| EXPECTED)
}

/// `name=value` pairs, separated by commas; values are percent-encoded.
fn headers(variables: Variables) -> Result<Headers, String> {
    let mut headers = HeaderMap::new();
    let Some((variable, list)) = otlp(variables, "HEADERS") else {
        return Ok(Headers(headers));
    };
    for (index, pair) in list.split(',').map(str::trim).enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let header = || {
            let (name, value) = pair.split_once('=')?;
            let name: HeaderName = name.trim().parse().ok()?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        };
        // The pair may be a secret.
        let header = header().ok_or_else(|| format!("{variable}: expected NAME=VALUE,…; check pair {}", index + 1))?;
        headers.append(header.0, header.1);
    }
    Ok(Headers(headers))
}

/// The SDK reads these itself, and allocates as much as they say.
fn check_batches(variables: Variables) -> Result<(), String> {
    for (name, most) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", 16_384),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 16_384),
        ("OTEL_BSP_SCHEDULE_DELAY", 3_600_000),
    ] {
        let Some(value) = variables(name) else { continue };
        if !value.parse::<u64>().is_ok_and(|number| (1..=most).contains(&number)) {
            return Err(format!("{name}: expected a number from 1 to {most}, not {value:?}"));
        }
    }
    Ok(())
}

fn timeout(variables: Variables) -> Result<Duration, String> {
    let Some((name, value)) = otlp(variables, "TIMEOUT") else {
        return Ok(Duration::from_secs(10));
    };
    let milliseconds = value.parse().ok().filter(|milliseconds| (1..=600_000).contains(milliseconds));
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{name}: expected milliseconds, from 1 to 600000, not {value:?}"))
}

fn sampler(variables: Variables) -> Result<Sampler, String> {
    let by_parent = |sampler| Sampler::ParentBased(Box::new(sampler));
    let ratio = || match variables("OTEL_TRACES_SAMPLER_ARG") {
        None => Ok(1.0),
        Some(value) => {
            let ratio = value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| format!("OTEL_TRACES_SAMPLER_ARG: expected a share from 0 to 1, not {value:?}"))
        }
    };
    match variables("OTEL_TRACES_SAMPLER").as_deref() {
        None | Some("parentbased_always_on") => Ok(by_parent(Sampler::AlwaysOn)),
        Some("parentbased_always_off") => Ok(by_parent(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => Ok(by_parent(Sampler::TraceIdRatioBased(ratio()?))),
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => Ok(Sampler::TraceIdRatioBased(ratio()?)),
        Some(other) => Err(format!(
            "OTEL_TRACES_SAMPLER: expected always_on, always_off, traceidratio, parentbased_always_on, \
             parentbased_always_off or parentbased_traceidratio, not {other:?}"
        )),
    }
}

/// Whether `tracecontext` is among the propagators. Those of other formats are ignored: they are often set for a whole
/// namespace.
fn continues_traces(variables: Variables) -> Result<bool, String> {
    const KNOWN: [&str; 8] = ["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "ottrace", "none"];
    let Some(list) = variables("OTEL_PROPAGATORS") else {
        return Ok(true);
    };
    let names: Vec<_> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    match names.iter().find(|name| !KNOWN.contains(name)) {
        Some(other) => Err(format!("OTEL_PROPAGATORS: expected tracecontext or none, not {other:?}")),
        None => Ok(names.contains(&"tracecontext")),
    }
}

fn names_a_service(attributes: &str) -> bool {
    attributes.split(',').any(|pair| pair.split_once('=').is_some_and(|(name, _)| name.trim() == "service.name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, String> {
        TraceSettings::from_variables(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty())
        })
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn traces_are_off_until_an_endpoint_or_the_exporter_is_set() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "shop"), ("OTEL_TRACES_SAMPLER", "nonsense")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
            &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SDK_DISABLED", "TRUE")],
        ] {
            assert!(settings(variables).unwrap().is_none(), "{variables:?}");
        }
        for variables in [&[ENDPOINT][..], &[("OTEL_TRACES_EXPORTER", "otlp")], &[ENDPOINT, ("OTEL_SDK_DISABLED", "1")]]
        {
            assert!(settings(variables).unwrap().is_some(), "{variables:?}");
        }
    }

    #[test]
    fn endpoint_follows_the_specification() {
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        for (variables, endpoint) in [
            (&[("OTEL_TRACES_EXPORTER", "otlp")][..], "http://localhost:4318/v1/traces".to_owned()),
            (&[("OTEL_TRACES_EXPORTER", "otlp"), grpc], format!("http://localhost:4317{export}")),
            (&[ENDPOINT], "http://collector:4318/v1/traces".to_owned()),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c/base/")], "http://c/base/v1/traces".to_owned()),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/own")], "http://t:1/own".to_owned()),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/own?key=a")], "http://c/own?key=a".to_owned()),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:1")], "http://[::1]:1/".to_owned()),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4317"), grpc], format!("http://c:4317{export}")),
        ] {
            assert_eq!(settings(variables).unwrap().unwrap().endpoint.to_string(), endpoint, "{variables:?}");
        }
    }

    #[test]
    fn headers_are_decoded_and_never_printed() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2, x-key = hunter3=,");
        let settings = settings(&[ENDPOINT, headers]).unwrap().unwrap();
        assert_eq!(settings.headers.0["authorization"], "Bearer hunter2");
        assert_eq!(settings.headers.0["x-key"], "hunter3=");
        let printed = format!("{settings:?}");
        assert!(printed.contains("x-key") && !printed.contains("hunter"), "{printed}");
    }

    #[test]
    fn invalid_value_is_one_line_without_secrets() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318/hunter2"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://hunter2.example"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/?key=hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hunter2@collector"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2%0d"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_PROPAGATORS", "tracecontexts"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10000000000"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ] {
            let error = settings(&[(name, value), ENDPOINT]).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert!(!error.contains('\n') && !error.contains("hunter2"), "{error}");
        }
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert_eq!(settings(&ratio).unwrap_err(), "OTEL_TRACES_SAMPLER_ARG: expected a share from 0 to 1, not \"2\"");
    }

    #[test]
    fn other_propagators_are_ignored() {
        for (list, continues) in [("tracecontext,baggage,b3", true), ("b3", false), ("none", false)] {
            let settings = settings(&[ENDPOINT, ("OTEL_PROPAGATORS", list)]).unwrap().unwrap();
            assert_eq!(settings.continues_traces, continues, "{list}");
        }
    }
}
