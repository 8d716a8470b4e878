//! How an autoscaler on a Prometheus metric behaves, as arithmetic: what a rehearsal runs and a prediction draws.

pub mod adapter_rules;
pub mod derive;
pub mod duration;
pub mod exposition;
pub mod hpa;
pub mod manifests;
pub mod predict;
pub mod promql;
pub mod quantity;
pub mod rate;
pub mod selectors;
pub mod timing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The autoscaler's settings: all that a prediction needs.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaler {
    /// `namespace/name` of the HPA.
    pub name: String,
    /// The scaled object, such as `Deployment/shopfront-deploy`.
    pub scaled: String,
    /// The metric's name; of several, that of the first.
    pub metric: String,
    /// Its target: the desired average of a pod.
    pub target: f64,
    /// The least replicas.
    pub min: u32,
    /// The most replicas.
    pub max: u32,
    /// The HPA's algorithm's settings.
    pub behavior: hpa::Behavior,
    /// What lies between a request and the HPA.
    pub pipeline: predict::Pipeline,
    /// When the HPA was created: Unix time in seconds; none in a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// All metrics that the model calculates with, where they are more than the one of `metric`, `target` and `pipeline`, or
    /// of another kind. The largest of their proposals counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Measured>,
    /// The version of Kubernetes by whose rules the HPA is predicted.
    #[serde(default)]
    pub kubernetes: hpa::Version,
}

/// A metric, and how a query makes it of a counter.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// The HPA's part.
    pub metric: hpa::Metric,
    /// The window of `rate()`, in seconds.
    pub window: f64,
    /// What the query makes of the window's scrapes.
    #[serde(default, skip_serializing_if = "rate::Function::is_rate")]
    pub function: rate::Function,
}

impl Autoscaler {
    /// All its metrics, as the HPA has them.
    pub fn all_metrics(&self) -> Vec<hpa::Metric> {
        self.all_measured().into_iter().map(|measured| measured.metric).collect()
    }

    /// All its metrics, with their queries.
    pub fn all_measured(&self) -> Vec<Measured> {
        if !self.metrics.is_empty() {
            return self.metrics.clone();
        }
        let predict::Pipeline { window, function, source, .. } = self.pipeline;
        let of = match source {
            predict::Source::Pods => hpa::Of::Pods,
            predict::Source::External => hpa::Of::External,
        };
        let target = hpa::Target::AverageValue(self.target);
        vec![Measured { metric: hpa::Metric { name: self.metric.clone(), of, target }, window, function }]
    }
}
