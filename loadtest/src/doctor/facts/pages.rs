//! The pods' own pages of metrics.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::{pods, ports};
use crate::doctor::evidence::{Evidence, Page};
use crate::doctor::facts::monitors::Served;
use crate::doctor::facts::targets::with_counter;
use crate::doctor::objects::{Monitor, Service, name};
use crate::kube::pod_http::PodPage;

/// Where Prometheus looks where nothing says otherwise.
pub const PATH: &str = "/metrics";

/// A page as it was read last.
pub fn last(page: &Page) -> Option<&String> {
    page.second.seen().or(page.first.seen())
}

/// The counters that the pods' pages declare.
pub fn counters(evidence: &Evidence) -> BTreeSet<&str> {
    let lines = evidence.pages.iter().filter_map(last).flat_map(|page| page.lines());
    lines.filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect()
}

/// Where pods with these labels have their page, the likeliest first: where the monitors that select them have it scraped,
/// then at each port of the Services before them. Not every pod has each of these ports.
pub fn served_at(evidence: &Evidence, labels: &Value) -> Vec<PodPage> {
    let pods = Served::of(evidence, labels);
    let monitored =
        pods.monitors(evidence).flat_map(|(monitor, services)| scraped_at(monitor, services.first().copied()));
    let ports = pods.services.iter().flat_map(|service| Service(service).ports()).filter_map(ports::target);
    monitored.chain(ports.map(|port| PodPage { port, path: PATH.to_owned(), tls: false })).collect()
}

/// The same for the workload's pods, beginning with the place where a pod's page has the counter.
pub fn counter_at(evidence: &Evidence, series: &str) -> Vec<PodPage> {
    let mut places = served_at(evidence, pods::labels(evidence));
    let found = with_counter(evidence, series).into_iter().find_map(|page| {
        let mut pods = evidence.pods.items().iter();
        Some((page, pods.find(|pod| name(pod) == page.pod)?))
    });
    if let Some((page, pod)) = found {
        let port = |place: &PodPage| ports::of_pod(pod, &json!(place.port));
        places.sort_by_key(|place| port(place) != Some(page.port) || place.path != page.path);
    }
    places
}

/// Where a monitor has pods scraped that it selects, by a Service or by themselves.
fn scraped_at(monitor: Monitor, service: Option<&Value>) -> Vec<PodPage> {
    let named = |endpoint: &Value| -> Option<IntOrString> {
        let name = &endpoint["port"];
        let Some(service) = service else { return ports::named(name) };
        let mut ports = Service(service).ports().iter().filter(|_| !name.is_null());
        ports.find(|port| port["name"] == *name || port["port"] == *name).and_then(ports::target)
    };
    let places = monitor.endpoints().iter().flat_map(|endpoint| {
        let path = endpoint["path"].as_str().filter(|path| !path.is_empty()).unwrap_or(PATH);
        let tls = endpoint["scheme"].as_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let ports = [named(endpoint), ports::named(ports::of_endpoint(endpoint))].into_iter().flatten();
        ports.map(move |port| PodPage { port, path: path.to_owned(), tls })
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::read::Read;

    fn evidence(endpoint: &Value) -> Evidence {
        let ports = json!([{"name": "web", "port": 80, "targetPort": "http"},
                           {"name": "metrics", "port": 8080, "targetPort": 9000}]);
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]});
        let monitor = |selector: Value, endpoint: &Value| {
            json!({"kind": "ServiceMonitor", "metadata": {"namespace": "shops"},
                   "spec": {"selector": selector, "endpoints": [endpoint]}})
        };
        let service = json!({"kind": "Service", "metadata": {"name": "shop", "labels": {"app": "shop"}},
                             "spec": {"selector": {"app": "shop"}, "ports": ports}});
        let other = monitor(json!({"matchLabels": {"app": "other"}}), &json!({"port": "web", "path": "/not/ours"}));
        Evidence {
            namespace: "shops".to_owned(),
            services: Read::Seen(vec![service]),
            monitors: Read::Seen(vec![other, monitor(selector, endpoint)]),
            ..Evidence::default()
        }
    }

    fn first(evidence: &Evidence) -> Option<(Value, String, bool)> {
        let place = served_at(evidence, &json!({"app": "shop"})).into_iter().next()?;
        Some((json!(place.port), place.path, place.tls))
    }

    #[test]
    fn a_page_is_where_the_monitor_of_the_pods_service_has_it_scraped() {
        for (endpoint, port, path, tls) in [
            (json!({"port": "web"}), json!("http"), "/metrics", false),
            (json!({"port": "metrics", "path": "/stats"}), json!(9000), "/stats", false),
            (json!({"targetPort": "http", "scheme": "HTTPS"}), json!("http"), "/metrics", true),
            (json!({"targetPort": 9001}), json!(9001), "/metrics", false),
        ] {
            assert_eq!(first(&evidence(&endpoint)), Some((port, path.to_owned(), tls)), "{endpoint}");
        }
    }

    /// As `k8s/ops` has it, whose Service is listed before the clients' own.
    #[test]
    fn a_headless_service_for_scrapes_says_where_the_page_is() {
        let mut evidence = evidence(&json!({"port": "ops"}));
        let Read::Seen(monitors) = &mut evidence.monitors else { unreachable!() };
        monitors[1]["spec"]["selector"] = json!({"matchLabels": {"app": "shop-ops"}});
        let spec = json!({"clusterIP": "None", "selector": {"app": "shop"},
                          "ports": [{"name": "ops", "port": 9797, "targetPort": 9797}]});
        let service = json!({"metadata": {"name": "ops", "labels": {"app": "shop-ops"}}, "spec": spec});
        let Read::Seen(services) = &mut evidence.services else { unreachable!() };
        services.insert(0, service);
        assert_eq!(first(&evidence), Some((json!(9797), "/metrics".to_owned(), false)));
    }

    #[test]
    fn without_a_monitor_the_first_port_of_the_service_is_taken() {
        let mut evidence = evidence(&json!({}));
        evidence.monitors = Read::Absent;
        assert_eq!(first(&evidence), Some((json!("http"), "/metrics".to_owned(), false)));
        evidence.services = Read::Absent;
        assert_eq!(first(&evidence), None);
    }
}
