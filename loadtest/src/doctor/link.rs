//! The links between a request and a replica.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link of the chain. The one nearest to the pod comes first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Link {
    /// The workload that the HPA scales, and a running pod of it.
    Pod,
    /// The pod's metrics page: the counter is on it, and counts clients only.
    Metrics,
    /// The `ServiceMonitor` or `PodMonitor` that makes Prometheus scrape the pod.
    Monitor,
    /// Prometheus' target.
    Target,
    /// The series in Prometheus.
    Series,
    /// The adapter's rule, or KEDA's trigger.
    Rule,
    /// The `APIService` of the API that serves the HPA's metric.
    ApiService,
    /// That API's answer.
    Answer,
    /// The HPA's own conditions.
    Condition,
    /// The replicas that the HPA desires.
    Replicas,
    /// The replicas that are ready.
    Ready,
    /// Whether clients reach all of them.
    Traffic,
}

impl Link {
    /// All links, in their order.
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

    /// Its name in what people read.
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

    /// Its number among all links, from 1.
    pub const fn number(self) -> usize {
        self as usize + 1
    }
}
