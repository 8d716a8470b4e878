//! What has the scaled pods scraped: a `ServiceMonitor` of one of their Services, or a `PodMonitor`.

use serde_json::Value;

use super::Error;
use crate::autoscaling::manifests::documents::Document;
use crate::autoscaling::manifests::objects::Objects;
use crate::autoscaling::manifests::scalers::Query;
use crate::autoscaling::{duration, timing};
use crate::bounds::PERIOD;

/// The path of a Deployment's pods' labels.
const POD_LABELS: &str = "spec.template.metadata.labels";

pub(super) struct Scraped<'a> {
    monitor: &'a Document,
    /// The Service that the monitor selects; none with a `PodMonitor`.
    service: Option<&'a Document>,
}

impl<'a> Scraped<'a> {
    pub fn of(all: &'a Objects, deployment: &Document, services: &[&'a Document]) -> Result<Self, Error> {
        let selects = |monitor: &Document, service: &Document| monitor.selects(service, "metadata.labels");
        let of_services = all.every("ServiceMonitor").into_iter();
        let of_services: Vec<_> =
            of_services.filter(|monitor| services.iter().any(|service| selects(monitor, service))).collect();
        if of_services.is_empty() {
            let which = format!("that selects the pods of Deployment {}", deployment.name());
            let of_pods = all.every("PodMonitor").into_iter().filter(|monitor| monitor.selects(deployment, POD_LABELS));
            let of_pods: Vec<_> = of_pods.collect();
            if !of_pods.is_empty() {
                let monitor = all.only("PodMonitor", &which, &mut of_pods.into_iter())?;
                return Ok(Self { monitor, service: None });
            }
            if services.is_empty() {
                // Which is then the first that is missing.
                all.only("Service", &which, &mut services.iter().copied())?;
            }
        }
        let clients = all.for_clients(deployment, services)?;
        let names = clients.map(Document::name).unwrap_or_default();
        let which = format!("that selects Service {names}");
        let monitor = all.only("ServiceMonitor", &which, &mut of_services.into_iter())?;
        // The clients' Service, or another one of the same pods.
        let scraped = clients.into_iter().chain(services.iter().copied()).find(|service| selects(monitor, service));
        Ok(Self { monitor, service: scraped })
    }

    fn path(&self) -> &'static str {
        if self.service.is_some() { "spec.endpoints" } else { "spec.podMetricsEndpoints" }
    }

    /// Seconds between two scrapes of the pods' metrics port.
    pub fn interval(&self, all: &Objects, deployment: &Document) -> Result<f64, Error> {
        let index = self.endpoint(deployment)?;
        let path = format!("{}[{index}].interval", self.path());
        let of_all = |prometheus: &Document| Some((*prometheus).text("spec.scrapeInterval")?.to_owned());
        let Some(written) = self.monitor.get(&path) else {
            // Prometheus' own, where its object is among the manifests.
            let own = all.every("Prometheus").into_iter().find_map(of_all);
            let own = own.and_then(|own| duration::prometheus(&own)).filter(|own| PERIOD.contains(own));
            return Ok(own.unwrap_or(timing::SCRAPE_INTERVAL));
        };
        let interval = written.as_str().and_then(duration::prometheus).filter(|interval| *interval > 0.0);
        let interval = interval.ok_or_else(|| self.monitor.change(&path, "a duration, such as 5s"))?;
        if PERIOD.contains(&interval) { Ok(interval) } else { Err(self.monitor.change(&path, "100ms to 1d")) }
    }

    /// The first of the monitor's endpoints that is a port of the pods, the Service's first port first.
    fn endpoint(&self, deployment: &Document) -> Result<usize, Error> {
        let endpoints = self.monitor.list(self.path());
        let containers = deployment.list("spec.template.spec.containers");
        let container_ports: Vec<&Value> =
            containers.iter().filter_map(|container| container["ports"].as_array()).flatten().collect();
        let is_of_pods = |port: &Value| {
            container_ports.is_empty()
                || container_ports.iter().any(|of| of["name"] == *port || of["containerPort"] == *port)
        };
        let Some(service) = self.service else {
            let is_port = |endpoint: &Value| {
                let named = ["port", "portNumber", "targetPort"].map(|field| &endpoint[field]);
                named.iter().all(|port| port.is_null()) || named.iter().any(|port| !port.is_null() && is_of_pods(port))
            };
            return endpoints.iter().position(is_port).ok_or_else(|| {
                let what = format!("has none with a port of the pods of Deployment {}: add it", deployment.name());
                self.monitor.wrong(self.path(), &what)
            });
        };
        let ports = service.list("spec.ports");
        let is_named = |endpoint: &Value, port: &Value| match &port["name"] {
            Value::Null => endpoint["port"] == "",
            name => endpoint["port"] == *name,
        };
        let by_name = ports.iter().find_map(|port| endpoints.iter().position(|endpoint| is_named(endpoint, port)));
        let by_target = |endpoint: &Value| {
            let target = &endpoint["targetPort"];
            let is_target = |port: &Value| port["targetPort"] == *target || port["port"] == *target;
            endpoint["port"].is_null() && !target.is_null() && (ports.iter().any(is_target) || is_of_pods(target))
        };
        by_name.or_else(|| endpoints.iter().position(by_target)).ok_or_else(|| {
            let names: Vec<_> =
                ports.iter().map(|port| format!("{:?}", port["name"].as_str().unwrap_or_default())).collect();
            let what =
                format!("has none with port {}, as Service {} calls it: add it", names.join(" or "), service.name());
            self.monitor.wrong(self.path(), &what)
        })
    }

    /// A query whose window holds two scrapes at the least.
    pub fn fills(&self, query: Query, scrape: f64) -> Result<Query, Error> {
        if query.window >= 2.0 * scrape {
            return Ok(query);
        }
        let (function, window) = (query.function.name(), query.window);
        let what = format!(
            "are scraped every {scrape} s, and {function}() looks {window} s back, which is not two scrapes: make the window \
             four intervals long, or longer"
        );
        Err(self.monitor.wrong(self.path(), &what))
    }
}
