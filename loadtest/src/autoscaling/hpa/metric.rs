//! The metrics that an HPA scales by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of an HPA's metrics.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What it is a metric of.
    pub of: Of,
    /// The value that the HPA aims at.
    pub target: Target,
}

/// What a metric is a metric of.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MetricOf")]
pub enum Of {
    /// Each pod: `type: Pods`.
    Pods,
    /// Nothing in the cluster: `type: External`.
    External,
    /// Another object, such as an Ingress: `type: Object`.
    Object {
        /// The object's kind.
        kind: String,
        /// The object's name.
        object: String,
    },
}

/// A metric's target.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MetricTarget")]
pub enum Target {
    /// `averageValue`: a pod's share.
    AverageValue(f64),
    /// `value`: the value itself, with however many pods.
    Value(f64),
}

impl Target {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Self::AverageValue(value) | Self::Value(value) => value,
        }
    }
}

impl Metric {
    /// As the HPA's condition `ScalingActive` and its events name it. An Object metric with an average value is called
    /// external there.
    pub(super) fn shown(&self) -> String {
        let name = &self.name;
        match (&self.of, self.target) {
            (Of::Pods, _) => format!("pods metric {name}"),
            (Of::Object { kind, .. }, Target::Value(_)) => format!("{kind} metric {name}"),
            (Of::External | Of::Object { .. }, _) => format!("external metric {name}"),
        }
    }

    /// The reason of the condition `ScalingActive` where the metric cannot be read.
    pub(super) fn failed(&self) -> &'static str {
        match self.of {
            Of::Pods => "FailedGetPodsMetric",
            Of::External => "FailedGetExternalMetric",
            Of::Object { .. } => "FailedGetObjectMetric",
        }
    }

    /// Whether it has a value while no pod runs.
    pub fn is_known_at_zero(&self) -> bool {
        self.of != Of::Pods
    }
}
