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
    /// The metric's name.
    pub metric: String,
    /// The wanted average of a pod.
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
}
