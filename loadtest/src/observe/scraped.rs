//! Where Prometheus reads the pods' counters.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use serde::Deserialize;
use serde_json::Value;

use crate::kube::cluster::Watched;
use crate::kube::forward::{container_ports, port_of};
use crate::observe::service::{ports, selects, target_port};

/// A port and a path of each pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    port: IntOrString,
    path: String,
    secure: bool,
}

impl Scraped {
    /// As the `ServiceMonitor` of the pods' Service has it.
    pub fn of(objects: &[Value], watched: &Watched) -> Option<Self> {
        let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
        let services = of_kind("Service").filter_map(|object| Service::deserialize(object).ok());
        services.filter(|service| selects(service, &watched.labels)).find_map(|service| {
            of_kind("ServiceMonitor").filter(|monitor| is_for(monitor, &service)).find_map(|monitor| {
                monitor["spec"]["endpoints"].as_array()?.iter().find_map(|endpoint| Self::at(endpoint, &service))
            })
        })
    }

    fn at(endpoint: &Value, service: &Service) -> Option<Self> {
        // An endpoint names a port of the Service, or else one of the pods.
        let port = match endpoint["port"].as_str() {
            Some(name) => target_port(ports(service).iter().find(|port| port.name.as_deref() == Some(name))?),
            None => IntOrString::deserialize(&endpoint["targetPort"]).ok()?,
        };
        let path = endpoint["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("/metrics").to_owned();
        Some(Self { port, path, secure: endpoint["scheme"].as_str().is_some_and(|s| s.eq_ignore_ascii_case("https")) })
    }
}

fn is_for(monitor: &Value, service: &Service) -> bool {
    let selector = LabelSelector::deserialize(&monitor["spec"]["selector"]).ok();
    selector.and_then(|selector| Selector::try_from(selector).ok()).is_some_and(|all| all.matches(service.labels()))
}

/// The path at which the API server passes on what a pod's counters say; where no `ServiceMonitor` tells, at the first
/// port that the pod declares.
pub fn counters_path(pod: &Pod, scraped: Option<&Scraped>) -> Option<String> {
    let (secure, port, path) = match scraped {
        Some(Scraped { secure, port, path }) => (*secure, port_of(pod, port)?, path.as_str()),
        None => (false, u16::try_from(container_ports(pod).next()?.container_port).ok()?, "/metrics"),
    };
    let (scheme, namespace) = (if secure { "https:" } else { "" }, pod.namespace()?);
    let path = path.trim_start_matches('/');
    Some(format!("/api/v1/namespaces/{namespace}/pods/{scheme}{}:{port}/proxy/{path}", pod.name_any()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(endpoint: &Value) -> Vec<Value> {
        let ports = json!([{"name": "web", "port": 80, "targetPort": "http"},
                           {"name": "metrics", "port": 8080, "targetPort": 9000}]);
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]});
        vec![
            json!({"kind": "Service", "metadata": {"name": "shop", "labels": {"app": "shop"}},
                   "spec": {"selector": {"app": "shop"}, "ports": ports}}),
            json!({"kind": "ServiceMonitor", "spec": {"selector": {"matchLabels": {"app": "other"}},
                   "endpoints": [{"port": "web", "path": "/not/ours"}]}}),
            json!({"kind": "ServiceMonitor", "spec": {"selector": selector, "endpoints": [endpoint]}}),
        ]
    }

    /// A sidecar's port comes first.
    fn pod() -> Pod {
        let containers = json!([
            {"name": "sidecar", "ports": [{"name": "admin", "containerPort": 15000}]},
            {"name": "shop", "ports": [{"containerPort": 9898, "name": "http"}, {"containerPort": 9000}]},
        ]);
        let metadata = json!({"name": "shop-1", "namespace": "shops"});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": containers}})).unwrap()
    }

    fn path(objects: &[Value]) -> Option<String> {
        let labels = [("app".to_owned(), "shop".to_owned())].into();
        let scraped = Scraped::of(objects, &Watched { labels, ..Watched::default() });
        counters_path(&pod(), scraped.as_ref())
    }

    #[test]
    fn the_counters_are_read_where_prometheus_reads_them() {
        let base = "/api/v1/namespaces/shops/pods";
        for (endpoint, expected) in [
            (json!({"port": "web"}), format!("{base}/shop-1:9898/proxy/metrics")),
            (json!({"port": "metrics", "path": "/stats"}), format!("{base}/shop-1:9000/proxy/stats")),
            (json!({"targetPort": "http", "scheme": "https"}), format!("{base}/https:shop-1:9898/proxy/metrics")),
            (json!({"targetPort": 9001}), format!("{base}/shop-1:9001/proxy/metrics")),
        ] {
            assert_eq!(path(&objects(&endpoint)), Some(expected), "{endpoint}");
        }
    }

    /// As `k8s/ops` has it, whose Service is listed before the clients' own.
    #[test]
    fn a_headless_service_for_scrapes_says_where_the_counters_are() {
        let mut all = objects(&json!({"port": "ops"}));
        all[2]["spec"]["selector"] = json!({"matchLabels": {"app": "shop-ops"}});
        let spec = json!({"clusterIP": "None", "selector": {"app": "shop"},
                          "ports": [{"name": "ops", "port": 9797, "targetPort": 9797}]});
        let service =
            json!({"kind": "Service", "metadata": {"name": "ops", "labels": {"app": "shop-ops"}}, "spec": spec});
        all.insert(0, service);
        assert_eq!(path(&all).as_deref(), Some("/api/v1/namespaces/shops/pods/shop-1:9797/proxy/metrics"));
    }

    #[test]
    fn without_a_monitor_the_first_declared_port_is_taken() {
        assert_eq!(path(&[]).as_deref(), Some("/api/v1/namespaces/shops/pods/shop-1:15000/proxy/metrics"));
        let mut bare = pod();
        bare.spec.as_mut().unwrap().containers.iter_mut().for_each(|container| container.ports = None);
        assert_eq!(counters_path(&bare, None), None);
    }
}
