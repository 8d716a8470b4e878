//! Prometheus: the Service that its URL names, the pods behind it, and what each of them answers.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::Uri;
use serde_json::Value;

use super::objects::{first_port, name, port, target_port};
use super::reader::Reader;
use super::replica::{Asked, replica};
use super::way::{Place, Way};
use super::workload::{behind, pods};
use crate::doctor::evidence::{Evidence, Prometheus, Read};
use crate::doctor::questions;

/// The port where the operator's Prometheus listens.
const PORT: u16 = 9090;

/// What is known of Prometheus before it is asked anything.
pub async fn found(reader: &Reader, evidence: &Evidence) -> Prometheus {
    let mut prometheus = Prometheus { url: url(evidence), ..Prometheus::default() };
    let place = prometheus.url.seen().and_then(|url| Endpoint::of(url, evidence));
    if let Some(Endpoint { namespace, service, .. }) = &place {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
        prometheus.service = reader.one(&path, &format!("Service {namespace}/{service}")).await;
        if let Some(service) = prometheus.service.seen() {
            prometheus.pods = behind(reader, namespace, service).await;
        }
    }
    if prometheus.pods.items().is_empty() {
        prometheus.pods = of_the_operator(reader, evidence).await;
    }
    let namespace = prometheus.pods.items().first().and_then(|pod| pod["metadata"]["namespace"].as_str());
    if let Some(namespace) = namespace.or(place.as_ref().map(|place| place.namespace.as_str())) {
        let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
        prometheus.policies = reader.all(&path, &format!("the NetworkPolicies of {namespace}")).await;
    }
    prometheus
}

/// Asks each replica.
pub async fn asked(reader: &Reader, evidence: &Evidence) -> Vec<crate::doctor::evidence::Replica> {
    let prometheus = &evidence.prometheus;
    let place = prometheus.url.seen().and_then(|url| Endpoint::of(url, evidence));
    let asked = Asked {
        namespace: evidence.namespace.clone(),
        prefix: place.as_ref().map(|place| place.prefix.clone()).unwrap_or_default(),
        series: questions::series(evidence),
        queries: questions::queries(evidence),
    };
    let (asked, place) = (&asked, &place);
    let running = prometheus.pods.items().iter().filter(|pod| pod["status"]["phase"] == "Running");
    join_all(running.map(|pod| async move {
        let service = prometheus.service.seen();
        let wanted = place.as_ref().and_then(|place| target_port(service?, &Value::from(place.port)));
        let number = wanted.and_then(|wanted| port(pod, wanted)).or_else(|| port(pod, &Value::from("web")));
        let place = Place {
            namespace: pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
            pod: name(pod).to_owned(),
            port: number.or_else(|| first_port(pod)).unwrap_or(PORT),
            tls: place.as_ref().is_some_and(|place| place.tls),
        };
        replica(Way::open(reader, place.clone()).await, &place.pod, asked).await
    }))
    .await
}

/// The URL that whoever asks Prometheus for the HPA was given.
fn url(evidence: &Evidence) -> Read<String> {
    if let Some(address) = questions::triggers(evidence).find_map(|trigger| trigger["serverAddress"].as_str()) {
        return Read::Seen(address.to_owned());
    }
    match &evidence.server.deployment {
        Read::Seen(deployment) => {
            let url = questions::flag(deployment, "prometheus-url");
            url.map_or(Read::Absent, |url| Read::Seen(url.to_owned()))
        }
        Read::Unread(unread) => Read::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => Read::NotAsked,
    }
}

/// The pods of the operator's `Prometheus` objects.
async fn of_the_operator(reader: &Reader, evidence: &Evidence) -> Read<Vec<Value>> {
    let objects = evidence.prometheuses.items();
    if objects.is_empty() {
        return Read::NotAsked;
    }
    let all = join_all(objects.iter().map(|object| async move {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        pods(reader, namespace, &format!("operator.prometheus.io/name={}", name(object))).await
    }))
    .await;
    let unread = all.iter().find(|one| one.unread().is_some()).cloned();
    let found: Vec<Value> = all.iter().flat_map(|one| one.items()).cloned().collect();
    if found.is_empty() { unread.unwrap_or(Read::Absent) } else { Read::Seen(found) }
}

/// A Service within the cluster, as a URL names it.
struct Endpoint {
    namespace: String,
    service: String,
    port: u16,
    prefix: String,
    tls: bool,
}

impl Endpoint {
    /// None where the URL leads out of the cluster, or nowhere.
    fn of(url: &str, evidence: &Evidence) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?;
        let labels: Vec<&str> = host.split('.').collect();
        if host.parse::<std::net::IpAddr>().is_ok() || labels.len() > 2 && labels[2] != "svc" {
            return None;
        }
        // A name alone is one of the namespace of whoever asks.
        let server = &evidence.server.service.seen().map(|service| &service["metadata"]["namespace"]);
        let own = server.and_then(Value::as_str).unwrap_or_default();
        let tls = uri.scheme_str() == Some("https");
        Some(Self {
            namespace: (*labels.get(1).unwrap_or(&own)).to_owned(),
            service: labels[0].to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }
}

/// Sets of labels, as `/api/v1/series` answers them.
pub type Labels = BTreeMap<String, String>;
