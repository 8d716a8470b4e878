//! Prometheus: the Service that its URL names, the pods behind it, and what it is asked for the HPA's metric.

use http::Uri;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::{adapter, ports, requests};
use crate::autoscaling::adapter_rules::flags::{PROMETHEUS_URL, flag};
use crate::autoscaling::promql::{Matcher, Selector};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::trust::Trust;
use crate::doctor::objects::{Service, labels, leads_to, name, namespace};
use crate::kube::pod_http::{Place, PrometheusPods};
use crate::kube::read::Read;
use crate::kube::words::public;

/// The port where the operator's Prometheus listens.
const PORT: u16 = 9090;

/// The label that the operator gives the pods of its `Prometheus` objects.
pub const OF_OPERATOR: &str = "operator.prometheus.io/name";

/// A Service within the cluster, as a URL names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port's number.
    pub port: u16,
    /// What stands before each path.
    pub prefix: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

impl Endpoint {
    /// None where the URL leads out of the cluster, or nowhere.
    pub fn of(url: &str, evidence: &Evidence) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (service, namespace) = requests::service(evidence, uri.host()?)?;
        let tls = uri.scheme_str() == Some("https");
        Some(Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }
}

/// The URL that whoever asks Prometheus for the HPA was given.
pub fn url(evidence: &Evidence) -> Read<String> {
    if let Some(address) = requests::triggers(evidence).find_map(|trigger| trigger["serverAddress"].as_str()) {
        return Read::Seen(address.to_owned());
    }
    match &evidence.server.deployment {
        Read::Seen(deployment) => {
            let url = flag(deployment, PROMETHEUS_URL);
            url.map_or(Read::Absent, |url| Read::Seen(url.to_owned()))
        }
        Read::Unread(unread) => Read::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => Read::NotAsked,
    }
}

/// Whether a pod is a replica of the operator's object.
pub fn is_of(pod: &Value, object: &Value) -> bool {
    namespace(pod) == namespace(object) && labels(pod)[OF_OPERATOR] == *name(object)
}

/// The operator's object of the pods that are asked.
pub fn object(evidence: &Evidence) -> Option<&Value> {
    let pods = evidence.prometheus.pods.items();
    evidence.prometheuses.items().iter().find(|object| pods.iter().any(|pod| is_of(pod, object)))
}

/// What stands before each path: as the operator has Prometheus started, else as the URL has it, which may lead through
/// somebody who takes it away.
pub fn prefix(evidence: &Evidence, endpoint: Option<&Endpoint>) -> String {
    let told = object(evidence).and_then(|object| object["spec"]["routePrefix"].as_str());
    let of_url = || endpoint.map(|endpoint| endpoint.prefix.as_str());
    told.or_else(of_url).unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The port of a replica: the one behind the URL's, else the one that the operator gives it.
pub fn place(pod: &Value, service: Option<&Value>, endpoint: Option<&Endpoint>) -> Place {
    let behind = endpoint.and_then(|endpoint| ports::behind(pod, service?, &Value::from(endpoint.port)));
    let number = behind.or_else(|| ports::of_pod(pod, &Value::from("web")));
    Place {
        namespace: namespace(pod).to_owned(),
        pod: name(pod).to_owned(),
        port: number.or_else(|| ports::numbers(pod).next()).unwrap_or(PORT),
        tls: endpoint.is_some_and(|endpoint| endpoint.tls),
    }
}

/// The pods of Prometheus, for who asks them over time: they come and go, and a selector stays. An error says why they are
/// not known, or not asked.
pub fn pods(evidence: &Evidence, trust: Trust) -> Result<PrometheusPods, String> {
    let prometheus = &evidence.prometheus;
    let url = prometheus.url.seen();
    let endpoint = url.and_then(|url| Endpoint::of(url, evidence));
    let first = prometheus.pods.items().first();
    let of_service = endpoint.as_ref().zip(prometheus.service.seen()).and_then(|(endpoint, service)| {
        let selector = requests::selector(&json!({"matchLabels": Service(service).selector()}));
        let ports = Service(service).ports().iter();
        let port = ports.filter(|port| port["port"] == endpoint.port).find_map(ports::target);
        let is_asked = first.is_none_or(|pod| leads_to(service, labels(pod)));
        (is_asked && !selector.is_empty()).then(|| (endpoint.namespace.clone(), selector, port))
    });
    let of_operator = || {
        let pod = first?;
        let object = labels(pod)[OF_OPERATOR].as_str()?;
        Some((namespace(pod).to_owned(), format!("{OF_OPERATOR}={object}"), None))
    };
    let found = of_service.or_else(of_operator);
    let (namespace, selector, port) = found.ok_or_else(|| match (url, &endpoint) {
        (None, _) if evidence.scaled_object.seen().is_some() => "the ScaledObject has no serverAddress".to_owned(),
        (None, _) if evidence.server.deployment.seen().is_some() => "the adapter has no --prometheus-url".to_owned(),
        (None, _) => format!("its address is not known: {}", adapter::unknown(evidence)),
        (Some(url), None) => format!("{} is not the address of a Service", public(url)),
        (_, Some(Endpoint { namespace, service, .. })) => match &prometheus.service {
            Read::Unread(unread) => unread.reason(),
            Read::Seen(_) => format!("Service {service} in namespace {namespace} has no selector"),
            Read::Absent | Read::NotAsked => format!("there is no Service {service} in namespace {namespace}"),
        },
    })?;
    if let Some(why) = trust.refuses_all_in(evidence, &namespace) {
        return Err(why);
    }
    let usual = || first.map_or(PORT, |pod| place(pod, None, endpoint.as_ref()).port);
    Ok(PrometheusPods {
        namespace,
        selector,
        port: port.unwrap_or_else(|| IntOrString::Int(usual().into())),
        prefix: prefix(evidence, endpoint.as_ref()),
        tls: endpoint.is_some_and(|endpoint| endpoint.tls),
    })
}

/// The query for the sum over the pods, whichever they are at the time; or why it is not known. `window` is in seconds.
pub fn sum(evidence: &Evidence, scaling: &ScalingMetric, window: f64) -> Result<String, String> {
    if let Some(query) = scaling.query.as_ref().filter(|_| !scaling.is_of_each_pod()) {
        return Ok(query.clone());
    }
    let series = scaling.series_or_why()?;
    // The adapter asks for the pods that there are, by their names.
    let names = scaling.pods.join("|");
    let wanted = scaling.selector.iter().flat_map(|wanted| &wanted.matchers);
    let mut matchers: Vec<Matcher> = wanted.filter(|(.., value)| *value != names).cloned().collect();
    if matchers.iter().all(|(.., value)| *value != evidence.namespace) {
        matchers.push(("namespace".to_owned(), "=".to_owned(), evidence.namespace.clone()));
    }
    let selector = Selector { name: series.to_owned(), matchers }.text();
    Ok(format!("sum(rate({selector}[{window:.0}s]))"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::evidence::Prometheus;

    fn evidence(url: &str) -> Evidence {
        let service = json!({"metadata": {"name": "prometheus-k8s", "namespace": "monitoring"}, "spec": {
            "selector": {"app": "prometheus"},
            "ports": [{"name": "reload", "port": 8080, "targetPort": "reloader"},
                      {"name": "web", "port": 80, "targetPort": "web"},
                      {"name": "plain", "port": 9091, "targetPort": 9090}]}});
        let containers = json!([{"name": "reloader", "ports": [{"name": "reloader", "containerPort": 8081}]},
                                {"name": "prometheus", "ports": [{"name": "web", "containerPort": 9090}]}]);
        let pod = json!({"metadata": {"name": "prometheus-k8s-0", "namespace": "monitoring", "labels": {"app": "prometheus"}},
                         "spec": {"containers": containers}});
        let (service, pods) = (Read::Seen(service), Read::Seen(vec![pod]));
        let prometheus = Prometheus { url: Read::Seen(url.to_owned()), service, pods, ..Prometheus::default() };
        Evidence { namespace: "shop".to_owned(), prometheus, ..Evidence::default() }
    }

    #[test]
    fn the_way_to_prometheus_ends_at_the_port_of_its_pod() {
        for (url, port) in [
            ("http://prometheus-k8s.monitoring.svc", IntOrString::String("web".to_owned())),
            ("http://prometheus-k8s.monitoring.svc:9091/", IntOrString::Int(9090)),
            // No port of the Service: the one that the operator gives the pod.
            ("http://prometheus-k8s.monitoring.svc:9090/", IntOrString::Int(9090)),
        ] {
            let found = pods(&evidence(url), Trust::OfTheCluster).unwrap();
            assert_eq!((found.port, found.selector.as_str()), (port, "app=prometheus"), "{url}");
        }
    }

    #[test]
    fn an_address_within_the_cluster_names_a_service() {
        let of = |url: &str| {
            let Endpoint { namespace, service, port, prefix, tls } = Endpoint::of(url, &evidence(url))?;
            Some((namespace, service, port, prefix, tls))
        };
        let service =
            |port, prefix: &str, tls| Some(("observed".to_owned(), "prom".to_owned(), port, prefix.to_owned(), tls));
        assert_eq!(of("http://prom.observed.svc:9090/"), service(9090, "", false));
        assert_eq!(of("http://prom.observed.svc/base/"), service(80, "/base", false));
        assert_eq!(of("https://prom.observed.svc/prometheus"), service(443, "/prometheus", true));
        assert_eq!(of("http://prometheus.example.com/"), None);
    }

    #[test]
    fn an_address_that_leads_nowhere_says_why() {
        let mut unknown = evidence("http://prometheus.example.com/");
        unknown.prometheus.pods = Read::NotAsked;
        let told = pods(&unknown, Trust::OfTheCluster).unwrap_err();
        assert_eq!(told, "http://prometheus.example.com/ is not the address of a Service");
        unknown.prometheus.url = Read::NotAsked;
        let told = pods(&unknown, Trust::OfTheCluster).unwrap_err();
        assert!(told.starts_with("its address is not known: there is no APIService"), "{told}");
    }
}
