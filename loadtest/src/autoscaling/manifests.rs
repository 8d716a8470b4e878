//! An autoscaler and what it scales, out of a folder of manifests.

mod adapter;
mod documents;
mod scalers;

use std::path::Path;

use documents::Document;
use scalers::{Query, Scaler};
use serde_json::Value;
use shopfront::app::Endpoint;

use super::{Autoscaler, duration, timing};
use crate::autoscaling::predict::Pipeline;
use crate::autoscaling::selectors::leads_to;
use crate::bounds::PERIOD;

/// Why manifests cannot be read: one line that names the file and the field, and says what to change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A folder or a file cannot be read, or the folder lacks an object.
    #[error("{place}: {what}")]
    Place {
        /// The folder or the file.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A field of an object.
    #[error("{file}: {kind} {name}: {path} {what}")]
    Field {
        /// The object's file.
        file: String,
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// The field.
        path: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// No rule of the adapter makes the metric.
    #[error("no ConfigMap has {rule} that makes {metric}: add one, or correct the metric's name in the HPA")]
    NoRule {
        /// Which kind of rule.
        rule: &'static str,
        /// The metric.
        metric: String,
    },
}

impl Error {
    fn place(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Place { place: place.into(), what: what.into() }
    }
}

/// What a folder of manifests tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    /// The autoscaler.
    pub autoscaler: Autoscaler,
    /// What it scales.
    pub workload: Workload,
    /// The name of the counter behind the metric, where one is named.
    pub series: Option<String>,
}

/// How the scaled pods come, go and are reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The Service's name.
    pub service: String,
    /// The Service's first port.
    pub port: u16,
    /// The container's readiness probe; none where there is none, and a pod is ready as soon as it runs.
    pub readiness: Option<Probe>,
    /// Seconds that `preStop` sleeps; 0 without one, or with one that runs a command.
    pub pre_stop: f64,
    /// `terminationGracePeriodSeconds`, which `preStop` is part of.
    pub grace: f64,
}

/// A container's `readinessProbe`, with Kubernetes' defaults where it is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is asked for: the path of `httpGet`; for a probe of another kind, the service's own.
    pub path: String,
    /// Seconds before the first one.
    pub delay: f64,
    /// Seconds between two.
    pub period: f64,
    /// Seconds that an answer may take.
    pub timeout: f64,
    /// How many that succeed in a row make the pod ready.
    pub successes: u32,
    /// How many that fail in a row make it unready.
    pub failures: u32,
}

/// Reads a folder: a `ScaledObject`, or a `HorizontalPodAutoscaler` with the adapter's `ConfigMap`; the Deployment that
/// it scales; that Deployment's Service, and the `ServiceMonitor` of that. What the folder itself lacks is looked for
/// in the folder around it, so that `k8s/keda` is read with what it has in common with `k8s`. An error is one line that
/// names the file and the field, and what to change.
pub fn read(folder: &Path) -> Result<Manifests, Error> {
    let own = documents::read(folder)?;
    // The folder's own name resolved: `..` of it, or nothing at all, might be written.
    let around = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_path_buf));
    let outer = if lacks(&own) {
        around.map(|around| documents::read(&around)).transpose()?.unwrap_or_default()
    } else {
        Vec::new()
    };
    manifests_of(&Folder { name: folder.display().to_string(), own, outer })
}

/// Reads this folder; without one, shopfront's own manifests: the folder `k8s` if this is a clone of its repository, or
/// else those that this program contains.
pub fn read_or_built_in(folder: Option<&Path>) -> Result<Manifests, Error> {
    let clone = Path::new("k8s");
    match folder {
        Some(folder) => read(folder),
        None if clone.join("shopfront.yml").is_file() => read(clone),
        None => {
            let (name, own) = (documents::BUILT_IN.to_owned(), documents::built_in()?);
            manifests_of(&Folder { name, own, outer: Vec::new() })
        }
    }
}

fn manifests_of(all: &Folder) -> Result<Manifests, Error> {
    let scaler = all.scaler()?;
    let deployment = all.the("Deployment", &format!("named {}", scaler.deployment), |deployment| {
        deployment.name() == scaler.deployment
    })?;
    let services = all.services(deployment);
    // One without an address, beside one that has one, is not for clients.
    let is_for_clients = |service: &Document| service.text("spec.clusterIP") != Some("None");
    let all_headless = !services.iter().any(|service| is_for_clients(service));
    let service = all.only(
        "Service",
        &format!("that selects the pods of Deployment {}", deployment.name()),
        services.iter().copied().filter(|service| all_headless || is_for_clients(service)),
    )?;
    let monitor = all.the("ServiceMonitor", &format!("that selects Service {}", service.name()), |monitor| {
        services.iter().any(|service| monitor.selects(service))
    })?;
    // The clients' Service, or another one of the same pods.
    let scraped = [service].into_iter().chain(services).find(|service| monitor.selects(service)).unwrap_or(service);
    let by_adapter = scaler.query.is_none();
    let Query { window, function, series } = match scaler.query {
        Some(query) => query,
        None => adapter::query(&all.every("ConfigMap"), scaler.source, &scaler.metric, deployment.namespace())?,
    };
    let workload = workload(deployment, service)?;
    let pipeline = Pipeline {
        scrape: interval(monitor, scraped)?,
        window,
        function,
        relist: if by_adapter { adapter::relist_interval(&all.every("Deployment")) } else { 0.0 },
        sync: timing::SYNC_PERIOD,
        startup: timing::CONTAINER_START + workload.readiness.as_ref().map_or(0.0, |probe| probe.delay),
        source: scaler.source,
    };
    if pipeline.window < 2.0 * pipeline.scrape {
        return Err(monitor.wrong(
            "spec.endpoints",
            &format!(
                "are scraped every {} s, and rate() looks {} s back, which is not two scrapes: make the window four \
                 intervals long, or longer",
                pipeline.scrape, pipeline.window
            ),
        ));
    }
    let autoscaler = Autoscaler {
        name: format!("{}/{}", deployment.namespace(), scaler.name),
        scaled: format!("Deployment/{}", scaler.deployment),
        metric: scaler.metric,
        target: scaler.target,
        min: scaler.min,
        max: scaler.max,
        behavior: scaler.behavior,
        pipeline,
        created: None,
    };
    autoscaler.check().map_err(|why| Error::place(&all.name, why.to_string()))?;
    Ok(Manifests { autoscaler, workload, series })
}

fn lacks(documents: &[Document]) -> bool {
    ["Deployment", "Service", "ServiceMonitor"]
        .iter()
        .any(|kind| documents.iter().all(|document| document.kind() != *kind))
}

struct Folder {
    name: String,
    own: Vec<Document>,
    outer: Vec<Document>,
}

impl Folder {
    /// All objects of a kind: the folder's own, or else those around it.
    fn every(&self, kind: &str) -> Vec<&Document> {
        let of = |documents: &'_ [Document]| documents.iter().filter(|document| document.kind() == kind).count() > 0;
        let documents = if of(&self.own) { &self.own } else { &self.outer };
        documents.iter().filter(|document| document.kind() == kind).collect()
    }

    /// The Services that lead to a Deployment's pods.
    fn services(&self, deployment: &Document) -> Vec<&Document> {
        let labels = deployment.get("spec.template.metadata.labels").unwrap_or(&Value::Null);
        self.every("Service").into_iter().filter(|service| leads_to(service.value(), labels)).collect()
    }

    fn the(&self, kind: &str, which: &str, is_it: impl Fn(&Document) -> bool) -> Result<&Document, Error> {
        self.only(kind, which, self.every(kind).into_iter().filter(|document| is_it(document)))
    }

    fn only<'a>(
        &self,
        kind: &str,
        which: &str,
        found: impl Iterator<Item = &'a Document>,
    ) -> Result<&'a Document, Error> {
        match found.collect::<Vec<_>>()[..] {
            [one] => Ok(one),
            [] => {
                let what = format!("no {kind} {which}: add it, or name another folder with --manifests");
                Err(Error::place(&self.name, what))
            }
            [_, second, ..] => {
                Err(second.wrong("metadata.name", &format!("is a second {kind} {which}: leave one of them out")))
            }
        }
    }

    fn scaler(&self) -> Result<Scaler, Error> {
        // The folder's own come first, whichever they are: k8s/keda replaces the HPA around it.
        for documents in [&self.own, &self.outer] {
            let kinds = ["HorizontalPodAutoscaler", "ScaledObject"];
            let found: Vec<_> = documents.iter().filter(|document| kinds.contains(&document.kind())).collect();
            match found[..] {
                [] => {}
                [one] if one.kind() == "ScaledObject" => return scalers::from_scaled_object(one),
                [one] => return scalers::from_hpa(one),
                [_, second, ..] => {
                    return Err(second.wrong("kind", "is a second autoscaler in this folder: leave one of them out"));
                }
            }
        }
        let what = "no HorizontalPodAutoscaler and no ScaledObject: name a folder that has one with --manifests";
        Err(Error::place(&self.name, what))
    }
}

/// Seconds between two scrapes of the Service's first port.
fn interval(monitor: &Document, service: &Document) -> Result<f64, Error> {
    let port = service.text("spec.ports[0].name").unwrap_or_default();
    let endpoints = monitor.list("spec.endpoints");
    let Some(index) = endpoints.iter().position(|endpoint| endpoint["port"] == port) else {
        return Err(monitor.wrong(
            "spec.endpoints",
            &format!("has none with port {port:?}, as Service {} calls it: add it", service.name()),
        ));
    };
    let path = format!("spec.endpoints[{index}].interval");
    let Some(written) = monitor.get(&path) else { return Ok(timing::SCRAPE_INTERVAL) };
    let interval = written.as_str().and_then(duration::prometheus).filter(|interval| *interval > 0.0);
    let interval = interval.ok_or_else(|| monitor.change(&path, "a duration, such as 5s"))?;
    if PERIOD.contains(&interval) { Ok(interval) } else { Err(monitor.change(&path, "100ms to 1d")) }
}

fn workload(deployment: &Document, service: &Document) -> Result<Workload, Error> {
    let container = "spec.template.spec.containers[0]";
    let seconds = |path: &str, default: u32| deployment.seconds(path, default).map(f64::from);
    let port = "spec.ports[0].port";
    Ok(Workload {
        service: service.name().into(),
        port: u16::try_from(service.number(port, None)?).map_err(|_| service.change(port, "a port, 1 to 65535"))?,
        readiness: probe(deployment, &format!("{container}.readinessProbe"))?,
        pre_stop: seconds(&format!("{container}.lifecycle.preStop.sleep.seconds"), 0)?,
        grace: seconds("spec.template.spec.terminationGracePeriodSeconds", 30)?,
    })
}

fn probe(deployment: &Document, probe: &str) -> Result<Option<Probe>, Error> {
    if deployment.get(probe).is_none() {
        return Ok(None);
    }
    let number = |field: &str, default: u32| deployment.seconds(&format!("{probe}.{field}"), default);
    let http = deployment.get(&format!("{probe}.httpGet")).is_some();
    let path = deployment.text(&format!("{probe}.httpGet.path"));
    let default = if http { "/" } else { Endpoint::Readyz.path() };
    Ok(Some(Probe {
        path: path.unwrap_or(default).to_owned(),
        delay: number("initialDelaySeconds", 0)?.into(),
        period: number("periodSeconds", 10)?.max(1).into(),
        timeout: number("timeoutSeconds", 1)?.max(1).into(),
        successes: number("successThreshold", 1)?.max(1),
        failures: number("failureThreshold", 3)?.max(1),
    }))
}
