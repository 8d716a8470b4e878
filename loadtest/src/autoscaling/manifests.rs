//! An autoscaler and what it scales, out of files and folders of manifests.

mod adapter;
mod documents;
mod objects;
mod scalers;
mod scraped;
mod validation;
mod workload;

use std::path::Path;

use objects::Objects;
use scalers::{Query, Scaled};
use scraped::Scraped;

use super::{Autoscaler, Measured, timing};
use crate::autoscaling::hpa::{Of, Version};
use crate::autoscaling::predict::{Pipeline, Source};

/// Why manifests cannot be read: one line that names the file and the field, and says what to change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A folder or a file cannot be read, or an object is missing.
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

/// What manifests tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    /// The autoscaler.
    pub autoscaler: Autoscaler,
    /// What it scales.
    pub workload: Workload,
    /// The name of the counter behind the first metric, where one is named.
    pub series: Option<String>,
    /// The metrics that the HPA follows as well, and the model does not know.
    pub not_modelled: Vec<String>,
}

/// How the scaled pods come, go and are reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The Service's name; pods that a `PodMonitor` has scraped may have none.
    pub service: Option<String>,
    /// The Service's first port.
    pub port: Option<u16>,
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

/// Reads files and folders: a `ScaledObject`, or a `HorizontalPodAutoscaler` with the adapter's `ConfigMap`; the Deployment
/// that it scales; that Deployment's Service, and the `ServiceMonitor` of that, or a `PodMonitor`. Of an object that stands
/// in several places, the last counts; of the autoscalers, those of the last place that has one. An error is one line that
/// names the file and the field, and what to change.
pub fn read<P: AsRef<Path>>(places: &[P]) -> Result<Manifests, Error> {
    manifests_of(&Objects::read(places)?)
}

/// Reads these files and folders; without one, shopfront's own manifests: the folder `k8s` if this is a clone of its
/// repository, or else those that this program contains.
pub fn read_or_built_in<P: AsRef<Path>>(places: &[P]) -> Result<Manifests, Error> {
    let clone = Path::new("k8s");
    if !places.is_empty() {
        read(places)
    } else if clone.join("shopfront.yml").is_file() {
        read(&[clone])
    } else {
        manifests_of(&Objects::built_in()?)
    }
}

fn manifests_of(all: &Objects) -> Result<Manifests, Error> {
    let scaler = all.scaler()?;
    let deployment = all.the("Deployment", &format!("named {}", scaler.deployment), |deployment| {
        deployment.name() == scaler.deployment && deployment.shares_a_namespace(scaler.document)
    })?;
    let services = all.services(deployment);
    let scraped = Scraped::of(all, deployment, &services)?;
    let scrape = scraped.interval(all, deployment)?;
    let maps = all.every("ConfigMap");
    let by_adapter = scaler.metrics.iter().any(|metric| metric.query.is_none());
    let mut series = None;
    let (mut metrics, mut refused, mut not_modelled) = (Vec::new(), None, scaler.not_modelled);
    for Scaled { metric, query } in scaler.metrics {
        let query = query.map_or_else(|| adapter::query(&maps, &metric, deployment.namespace()), Ok);
        match query.and_then(|query| scraped.fills(query, scrape)) {
            Ok(Query { window, function, series: of }) => {
                series = if metrics.is_empty() { of } else { series };
                metrics.push(Measured { metric, window, function });
            }
            Err(error) => {
                not_modelled.push(format!("{}, because {error}", metric.name));
                refused = refused.or(Some(error));
            }
        }
    }
    let Some(first) = metrics.first() else {
        let none = || scaler.document.wrong("spec", "has no metric that the model knows");
        return Err(refused.unwrap_or_else(none));
    };
    let workload = workload::workload(deployment, all.for_clients(deployment, &services)?)?;
    let pipeline = Pipeline {
        scrape,
        window: first.window,
        function: first.function,
        relist: if by_adapter { adapter::relist_interval(&all.every("Deployment")) } else { 0.0 },
        sync: timing::SYNC_PERIOD,
        startup: timing::CONTAINER_START + workload.readiness.as_ref().map_or(0.0, |probe| probe.delay),
        source: if first.metric.of == Of::Pods { Source::Pods } else { Source::External },
    };
    let mut autoscaler = Autoscaler {
        name: format!("{}/{}", deployment.namespace(), scaler.name),
        scaled: format!("Deployment/{}", scaler.deployment),
        metric: first.metric.name.clone(),
        target: first.metric.target.value(),
        min: scaler.min,
        max: scaler.max,
        behavior: scaler.behavior,
        pipeline,
        created: None,
        metrics: Vec::new(),
        kubernetes: Version::default(),
    };
    // One of the two usual kinds needs no list.
    if autoscaler.all_measured() != metrics {
        autoscaler.metrics = metrics;
    }
    autoscaler.check().map_err(|why| Error::place(&all.name, why.to_string()))?;
    Ok(Manifests { autoscaler, workload, series, not_modelled })
}
