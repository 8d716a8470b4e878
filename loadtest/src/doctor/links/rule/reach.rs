//! Whether the adapter's or the trigger's URL leads to Prometheus.

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Prometheus};
use crate::doctor::facts::prometheus::{self, Endpoint};
use crate::doctor::facts::{ports, requests, server};
use crate::doctor::objects::{Service, labels, leads_to, name, namespace, titled};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// The end of the year 9999: later years cannot be formatted.
const LAST: std::time::Duration = std::time::Duration::from_secs(253_402_300_799);
/// Why the adapter does not reach Prometheus.
pub fn adapter(evidence: &Evidence, deployment: &Value) -> Option<Finding> {
    let place = format!("{}: {}", titled(deployment), server::URL);
    if let Some(Prefix { url, why, right }) = wrong_prefix(evidence) {
        let seen = format!("{place} is {url}; {why}");
        // No command: every HPA that reads a metric from the adapter depends on this Deployment.
        let advice = format!("Set {} of {} to {right}.", server::URL, titled(deployment));
        return Some(Finding::new(Cause::PrefixWrong, seen, advice, None));
    }
    let why = wrong(evidence).or_else(|| {
        let line = last_failure(evidence)?;
        Some(format!("its log: {line}"))
    })?;
    let url = evidence.prometheus.url.seen().map_or("(none)", String::as_str);
    let seen = format!("{place} is {url}; {why}");
    // For a host outside of the cluster, the URL is wrong only if there is no such host.
    if leads_outside(evidence) && !why.contains("no such host") {
        let advice = "Check the path from the cluster to that host: proxies, network policies, its certificate, and the host itself.";
        return Some(Finding::new(Cause::PrometheusUnreachable, seen, advice, None));
    }
    // No command: every HPA that reads a metric from the adapter depends on this Deployment.
    let url = without_user(evidence).map(|url| format!(" It should be {url}."));
    let advice = format!(
        "Set {} of {} to Prometheus' Service and port. Keep its user and path.{}",
        server::URL,
        titled(deployment),
        url.unwrap_or_default()
    );
    Some(Finding::new(Cause::PrometheusUnreachable, seen, advice, None))
}

fn leads_outside(evidence: &Evidence) -> bool {
    let uri: Option<http::Uri> = evidence.prometheus.url.seen().and_then(|url| url.parse().ok());
    uri.is_some_and(|uri| uri.host().is_some_and(|host| requests::service(evidence, host).is_none()))
}

/// What is wrong with the URL: its Service does not exist, or does not have its port.
pub fn wrong(evidence: &Evidence) -> Option<String> {
    let Endpoint { port, .. } = Endpoint::of(evidence.prometheus.url.seen()?, evidence)?;
    let service = match &evidence.prometheus.service {
        Read::Absent => return Some("that Service does not exist".to_owned()),
        Read::Seen(service) => service,
        _ => return None,
    };
    let ports: Vec<u64> = Service(service).ports().iter().filter_map(|port| port["port"].as_u64()).collect();
    (!has_the_pods_ports(service) && !ports.contains(&u64::from(port)))
        .then(|| format!("{} has the ports {ports:?}, not {port}", titled(service)))
}

/// A URL whose path is not where Prometheus answers.
pub struct Prefix<'a> {
    /// The URL.
    pub url: &'a str,
    /// What is wrong with it.
    pub why: String,
    /// The right one.
    pub right: String,
}

/// The URL's path, if Prometheus answers without it, or if the operator's object names another one.
pub fn wrong_prefix(evidence: &Evidence) -> Option<Prefix<'_>> {
    let url = evidence.prometheus.url.seen()?.as_str();
    let Endpoint { prefix, .. } = Endpoint::of(url, evidence)?;
    let base = url.trim_end_matches('/').strip_suffix(prefix.as_str())?;
    if !prefix.is_empty() && evidence.prometheus.replicas.iter().any(|replica| replica.unprefixed) {
        let why = format!("Prometheus answers 404 below {prefix}, and answers without it");
        return Some(Prefix { url, why, right: base.to_owned() });
    }
    let object = prometheus::object(evidence)?;
    let told = object["spec"]["routePrefix"].as_str()?.trim_end_matches('/');
    // Somebody between them may take the path away, or add it.
    let pod = evidence.prometheus.pods.items().first()?;
    let is_direct = evidence.prometheus.service.seen().is_some_and(|service| leads_to(service, labels(pod)));
    if told == prefix || !is_direct {
        return None;
    }
    let shown = if told.is_empty() { "/" } else { told };
    let why = format!("{} has routePrefix {shown}", titled(object));
    Some(Prefix { url, why, right: format!("{base}{told}") })
}

/// Whether a Service has more ports than it lists: a headless one has the pods' ports, an external name those of its host.
fn has_the_pods_ports(service: &Value) -> bool {
    service["spec"]["clusterIP"] == "None" || service["spec"]["type"] == "ExternalName"
}

/// The correct URL, for a command. None if the URL has a user: the evidence does not contain the password.
pub fn right(evidence: &Evidence) -> Option<String> {
    let url = evidence.prometheus.url.seen().map_or("", String::as_str);
    if url.contains('@') { None } else { without_user(evidence) }
}

/// The correct URL, without a user: the same Service and path with a port that the Service has, or else the Service of the
/// operator's only Prometheus.
fn without_user(evidence: &Evidence) -> Option<String> {
    let url = evidence.prometheus.url.seen().map_or("", String::as_str);
    if let Some(service) = evidence.prometheus.service.seen() {
        let ports = Service(service).ports();
        let web = ports.iter().find(|port| matches!(port["name"].as_str(), Some("web" | "http-web" | "http")));
        let port = web.or(ports.first())?["port"].as_u64()?;
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let path = rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'));
        return Some(format!("{scheme}://{}.{}.svc:{port}{path}", name(service), namespace(service)));
    }
    let [prometheus] = evidence.prometheuses.items() else { return None };
    let scheme = if prometheus.pointer("/spec/web/tlsConfig").is_some() { "https" } else { "http" };
    let path = prometheus.pointer("/spec/routePrefix").and_then(Value::as_str).unwrap_or_default();
    let of = namespace(prometheus);
    // The operator itself creates this one.
    let (service, port) = with_address(evidence, of).unwrap_or(("prometheus-operated", 9090));
    Some(format!("{scheme}://{service}.{of}.svc:{port}{}", path.trim_end_matches('/')))
}

/// The Service with an address of its own that leads to all pods of Prometheus in this namespace, and its port for them.
fn with_address<'a>(evidence: &'a Evidence, of: &str) -> Option<(&'a str, u64)> {
    let Prometheus { pods, services, .. } = &evidence.prometheus;
    let pods: Vec<&Value> = pods.items().iter().filter(|pod| namespace(pod) == of).collect();
    let web = ports::of_pod(pods.first()?, &json!("web")).unwrap_or(9090);
    let leads = |service: &&Value| pods.iter().all(|pod| leads_to(service, &pod["metadata"]["labels"]));
    services.items().iter().filter(|service| !has_the_pods_ports(service)).filter(leads).find_map(|service| {
        let port = Service(service).ports().iter().find(|port| ports::of_service(pods[0], port) == Some(web))?;
        Some((name(service), port["port"].as_u64()?))
    })
}

/// The last line of the adapter's log that reports that Prometheus was unreachable, if it is recent.
fn last_failure(evidence: &Evidence) -> Option<&str> {
    let line = evidence.server.log.seen()?.lines().rev().find(|line| server::is_failure(line))?;
    age(line, evidence.taken).is_none_or(|age| age < timing::ADAPTER_LOG_IS_CURRENT).then_some(line)
}

/// Seconds since klog wrote a line: `E1125 07:26:11.123456       1 provider.go:230] …`, which has no year. None if the line
/// has no time.
fn age(line: &str, taken: f64) -> Option<f64> {
    let (day, rest) = line.get(1..)?.split_once(' ')?;
    let clock = rest.split_whitespace().next()?;
    let (month, day) = (day.get(..2)?, day.get(2..)?);
    let now = std::time::UNIX_EPOCH + std::time::Duration::try_from_secs_f64(taken).ok()?.min(LAST);
    let now = humantime::format_rfc3339_seconds(now).to_string();
    let year: i32 = now.get(..4)?.parse().ok()?;
    let moment = |year: i32| {
        let written = format!("{year}-{month}-{day}T{clock}Z");
        crate::doctor::objects::time(&Value::from(written)).map(|moment| taken - moment)
    };
    // It is from last year if it would otherwise be in the future.
    moment(year).filter(|age| *age > -86_400.0).or_else(|| moment(year - 1))
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn the_age_of_a_line() {
        // 2026-01-01T00:00:10Z.
        let taken = 1_767_225_610.0;
        assert_eq!(age("E0101 00:00:05.500000       1 provider.go:230] unable", taken).map(f64::round), Some(5.0));
        assert_eq!(age("E1231 23:59:50.000000       1 provider.go:230] unable", taken), Some(20.0));
        assert_eq!(age("panic: no", taken), None);
    }
}
