//! The HPA's own algorithm, as kube-controller-manager has it.

use serde::{Deserialize, Serialize};

/// An HPA's `behavior`, with Kubernetes' defaults where it is silent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// How replicas are added.
    pub up: Rules,
    /// How replicas are taken away.
    pub down: Rules,
}

/// One direction of a `behavior`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Seconds over which the most careful recommendation counts.
    pub stabilization_seconds: f64,
    /// The distance from the target, as a share of it, within which nothing is done.
    pub tolerance: f64,
    /// Which of the policies counts.
    pub select: Select,
    /// How many replicas may be changed in how long.
    pub policies: Vec<Policy>,
}

/// `selectPolicy`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Select {
    /// The policy that allows the largest change.
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// A scaling policy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// What `value` counts.
    pub unit: Unit,
    /// Pods, or per cent of the replicas, that may be changed in a period.
    pub value: u32,
    /// The period's length in seconds.
    pub period_seconds: u32,
}

/// What a policy counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// `Pods`.
    Pods,
    /// `Percent`.
    Percent,
}

impl Default for Behavior {
    fn default() -> Self {
        let policy = |unit, value| Policy { unit, value, period_seconds: 15 };
        Self {
            up: Rules {
                stabilization_seconds: 0.0,
                tolerance: 0.1,
                select: Select::Max,
                policies: vec![policy(Unit::Pods, 4), policy(Unit::Percent, 100)],
            },
            down: Rules {
                stabilization_seconds: 300.0,
                tolerance: 0.1,
                select: Select::Max,
                policies: vec![policy(Unit::Percent, 100)],
            },
        }
    }
}
