//! The links of the chain, in their order.

use serde::{Deserialize, Serialize};

/// The links between a request and a replica, the one nearest to the pod first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Link {
    /// The workload that the HPA scales, and a pod of it that runs.
    Pod,
    /// The pod's own page of metrics: the counter is there, and counts clients alone.
    Metrics,
    /// The `ServiceMonitor` or `PodMonitor` that has Prometheus scrape it.
    Monitor,
    /// Prometheus' target.
    Target,
    /// The series in Prometheus.
    Series,
    /// The adapter's rule, or KEDA's trigger.
    Rule,
    /// The API that the HPA's metric belongs to.
    ApiService,
    /// What that API answers.
    Answer,
    /// What the HPA says of itself.
    Condition,
    /// The replicas that it wants.
    Replicas,
    /// Those that are ready.
    Ready,
    /// Whether clients reach all of them.
    Traffic,
}

impl Link {
    /// All of them, in their order.
    pub const ALL: [Self; 12] = [
        Self::Pod,
        Self::Metrics,
        Self::Monitor,
        Self::Target,
        Self::Series,
        Self::Rule,
        Self::ApiService,
        Self::Answer,
        Self::Condition,
        Self::Replicas,
        Self::Ready,
        Self::Traffic,
    ];

    /// Its name on the ladder.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Metrics => "/metrics",
            Self::Monitor => "monitor",
            Self::Target => "target",
            Self::Series => "series",
            Self::Rule => "rule",
            Self::ApiService => "APIService",
            Self::Answer => "answer",
            Self::Condition => "HPA",
            Self::Replicas => "replicas",
            Self::Ready => "ready",
            Self::Traffic => "traffic",
        }
    }
}
