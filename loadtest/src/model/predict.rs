//! A profile's replicas over time, as pure arithmetic.

use serde::{Deserialize, Serialize};

use crate::journal::Autoscaler;
use crate::profile::Profile;

/// What lies between a request and the HPA. All times in seconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// Between two scrapes.
    pub scrape: f64,
    /// The window of `rate()`.
    pub window: f64,
    /// Between two listings of the adapter; 0 with KEDA.
    pub relist: f64,
    /// Between two looks of the HPA.
    pub sync: f64,
    /// From a wanted replica to a ready one.
    pub startup: f64,
    /// How the value reaches the HPA.
    pub source: Source,
}

/// How the value reaches the HPA.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A value for each pod, from the custom metrics API (prometheus-adapter).
    Pods,
    /// One sum, from the external metrics API (KEDA).
    External,
}

/// The model at one moment.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicted {
    /// When, in seconds since the load's start.
    pub at: f64,
    /// The average of a pod, as the HPA reads it.
    pub value: Option<f64>,
    /// The replicas that the HPA wants.
    pub wanted: u32,
    /// The replicas that are ready.
    pub ready: u32,
}

/// The replicas that a profile brings about, from `replicas` idle ones on, one moment a look of the HPA, until `seconds`.
pub fn predict(profile: &Profile, autoscaler: &Autoscaler, replicas: u32, seconds: f64) -> Vec<Predicted> {
    let _ = (profile, autoscaler, replicas, seconds);
    Vec::new()
}
