//! What the HPA's own objects say is to be looked for: its metric, and the series that the metric is made of.

use crate::doctor::evidence::Evidence;

/// Who brings the metric to the HPA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A Pods or Object metric, by prometheus-adapter's rules (custom.metrics.k8s.io).
    Adapter,
    /// An External metric of a `ScaledObject`'s trigger (external.metrics.k8s.io).
    Keda,
    /// An External metric by prometheus-adapter's external rules.
    AdapterExternal,
    /// CPU or memory (metrics.k8s.io): the links between Prometheus and the API have no part in it.
    Resource,
}

/// What is to be looked for.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The metric that decides: the HPA's first that is not a Resource metric, else its first. None without an HPA.
    pub metric: Option<Metric>,
    /// The counter's name that the rule or the query asks for, where one can be told.
    pub series: Option<String>,
}

/// A metric of the HPA.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Who serves it.
    pub source: Source,
    /// The wanted average of a pod.
    pub target: f64,
}

impl Subject {
    /// Reads it from the evidence.
    pub fn of(_evidence: &Evidence) -> Self {
        Self::default()
    }
}
