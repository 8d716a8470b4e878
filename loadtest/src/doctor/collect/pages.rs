//! The pods' own pages of metrics, where their monitor says that they are.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::objects::{first_port, is_ready, matches, name, port, selects, strings, target_port};
use super::reader::Reader;
use super::way::Place;
use crate::doctor::evidence::{Evidence, Page, Read};

/// The most pods that are read.
const PODS: usize = 5;

/// Between the two readings.
const APART: Duration = Duration::from_secs(6);

/// Where Prometheus looks where nothing says otherwise.
const PATH: &str = "/metrics";

/// The pages of the pods that run, the ready ones first.
pub async fn pages(reader: &Reader, evidence: &Evidence) -> Vec<Page> {
    let mut running: Vec<_> = evidence.pods.items().iter().filter(|pod| pod["status"]["phase"] == "Running").collect();
    running.sort_by_key(|pod| !is_ready(pod));
    let places = running.into_iter().filter_map(|pod| Some((pod, where_of(evidence, pod)?)));
    join_all(places.take(PODS).map(|(pod, (port, path, tls))| async move {
        let (pod, namespace) = (name(pod).to_owned(), evidence.namespace.clone());
        let place = Place { namespace, pod: pod.clone(), port, tls };
        let what = format!("{path} of pod {pod}, port {port}");
        let begun = Instant::now();
        let first = place.read(reader, &path, &what).await;
        // Where it cannot be read once, it is not worth waiting for.
        if first.seen().is_none() {
            return Page { pod, port, path, first, second: Read::NotAsked, apart: 0.0 };
        }
        tokio::time::sleep_until(begun + APART).await;
        let again = Instant::now();
        let second = place.read(reader, &path, &what).await;
        Page { pod, port, path, first, second, apart: (again - begun).as_secs_f64() }
    }))
    .await
}

/// Port, path and whether it is TLS: as the monitor that selects the pod says, else the Service, else the pod itself.
fn where_of(evidence: &Evidence, pod: &Value) -> Option<(u16, String, bool)> {
    let monitored = evidence.monitors.items().iter().find_map(|monitor| monitored(evidence, monitor, pod));
    let served = || {
        let mut services = services(evidence, pod).filter_map(|service| {
            let first = &service["spec"]["ports"][0];
            port(pod, if first["targetPort"].is_null() { &first["port"] } else { &first["targetPort"] })
        });
        services.next().or_else(|| first_port(pod)).map(|port| (port, PATH.to_owned(), false))
    };
    monitored.or_else(served)
}

fn services<'a>(evidence: &'a Evidence, pod: &'a Value) -> impl Iterator<Item = &'a Value> {
    let labels = &pod["metadata"]["labels"];
    evidence.services.items().iter().filter(|service| selects(&service["spec"]["selector"], labels))
}

/// Where a monitor has the pod scraped, if it does.
fn monitored(evidence: &Evidence, monitor: &Value, pod: &Value) -> Option<(u16, String, bool)> {
    let (spec, namespace) = (&monitor["spec"], evidence.namespace.as_str());
    let within = &spec["namespaceSelector"];
    let named = strings(&within["matchNames"]).collect::<Vec<_>>();
    let own = named.is_empty() && monitor["metadata"]["namespace"] == namespace;
    if within["any"] != true && !named.contains(&namespace) && !own {
        return None;
    }
    let told = |endpoint: &Value, port: u16| {
        let path = endpoint["path"].as_str().filter(|path| !path.is_empty()).unwrap_or(PATH);
        (port, path.to_owned(), endpoint["scheme"] == "https")
    };
    let port_of = |endpoint: &Value| {
        let declared = if endpoint["targetPort"].is_null() { &endpoint["portNumber"] } else { &endpoint["targetPort"] };
        port(pod, declared)
    };
    if monitor["kind"] == "PodMonitor" {
        if !matches(&spec["selector"], &pod["metadata"]["labels"]) {
            return None;
        }
        let mut endpoints = spec["podMetricsEndpoints"].as_array()?.iter();
        return endpoints
            .find_map(|endpoint| Some(told(endpoint, port(pod, &endpoint["port"]).or_else(|| port_of(endpoint))?)));
    }
    let service = services(evidence, pod).find(|service| matches(&spec["selector"], &service["metadata"]["labels"]))?;
    spec["endpoints"].as_array()?.iter().find_map(|endpoint| {
        let named = target_port(service, &endpoint["port"]).and_then(|target| port(pod, target));
        Some(told(endpoint, named.or_else(|| port_of(endpoint))?))
    })
}
