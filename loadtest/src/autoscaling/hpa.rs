//! The HPA's own algorithm, as kube-controller-manager has it.
//!
//! Source: `pkg/controller/podautoscaler` of Kubernetes 1.34 and 1.37, `horizontal.go` and `replica_calculator.go`; the
//! defaults of a `behavior`: `pkg/apis/autoscaling/v2/defaults.go`; what is refused: `pkg/apis/autoscaling/validation`.
//! Values are integers of thousandths there, and here.

pub mod calculator;
mod controller;
mod history;
mod metric;
mod normalize;
mod replicas;
#[cfg(test)]
mod tests;
mod version;

use k8s_openapi::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use controller::{Condition, Controller, Decision, Scale};
pub use metric::{Metric, Of, Target};
pub use replicas::{Phase, Pod, Reading};
pub use version::{NotAVersion, Version};

use super::{quantity, timing};

/// The distance from the target, as a share of it, within which nothing is done. `--horizontal-pod-autoscaler-tolerance` of
/// kube-controller-manager, by default.
pub const TOLERANCE: f64 = 0.1;

/// An HPA's `behavior`, with Kubernetes' defaults where it is silent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Whether the HPA has a `behavior` at all. Without one the controller knows no policies and remembers no changes:
    /// it adds as many replicas as there are in a look, or makes them four, and takes the highest recommendation of the
    /// stabilisation, even one above the replicas that there are.
    pub written: bool,
    /// How replicas are added.
    pub up: Rules,
    /// How replicas are taken away.
    pub down: Rules,
}

/// One direction of a `behavior`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// `Pods`.
    Pods,
    /// `Percent`.
    Percent,
}

impl Default for Behavior {
    /// That of an HPA which has none.
    fn default() -> Self {
        let policy = |unit, value| Policy { unit, value, period_seconds: timing::POLICY_PERIOD };
        Self {
            written: false,
            up: Rules {
                stabilization_seconds: 0.0,
                tolerance: TOLERANCE,
                select: Select::Max,
                policies: vec![policy(Unit::Pods, 4), policy(Unit::Percent, 100)],
            },
            down: Rules {
                stabilization_seconds: timing::DOWNSCALE_STABILIZATION,
                tolerance: TOLERANCE,
                select: Select::Max,
                policies: vec![policy(Unit::Percent, 100)],
            },
        }
    }
}

/// A field of a `behavior` that the API server would refuse.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} {what}")]
pub struct InvalidBehavior {
    /// The field, within `behavior`.
    pub field: String,
    /// What it is, and what to make it.
    pub what: String,
}

impl InvalidBehavior {
    fn new(field: &str, what: String) -> Self {
        Self { field: field.to_owned(), what }
    }

    fn within(self, direction: &str) -> Self {
        Self { field: format!("{direction}.{}", self.field), ..self }
    }
}

impl Behavior {
    /// What an HPA's own `behavior` comes to. A cluster below 1.35 drops `tolerance`, unless its feature gate
    /// `HPAConfigurableTolerance` is on, so what the API server gives back counts.
    pub fn of(behavior: Option<&HorizontalPodAutoscalerBehavior>) -> Result<Self, InvalidBehavior> {
        let mut all = Self::default();
        let Some(behavior) = behavior else { return Ok(all) };
        all.written = true;
        all.up.take(behavior.scale_up.as_ref()).map_err(|error| error.within("scaleUp"))?;
        all.down.take(behavior.scale_down.as_ref()).map_err(|error| error.within("scaleDown"))?;
        Ok(all)
    }
}

impl Rules {
    fn take(&mut self, rules: Option<&HPAScalingRules>) -> Result<(), InvalidBehavior> {
        let invalid = InvalidBehavior::new;
        let Some(rules) = rules else { return Ok(()) };
        if let Some(seconds) = rules.stabilization_window_seconds {
            if !(0..=3600).contains(&seconds) {
                return Err(invalid("stabilizationWindowSeconds", format!("is {seconds}: make it 0 to 3600")));
            }
            self.stabilization_seconds = seconds.into();
        }
        if let Some(tolerance) = &rules.tolerance {
            self.tolerance = quantity::value(&tolerance.0).filter(|tolerance| *tolerance >= 0.0).ok_or_else(|| {
                let what = format!("is {:?}: make it a share that is not negative, such as \"0.05\"", tolerance.0);
                invalid("tolerance", what)
            })?;
        }
        self.select = match rules.select_policy.as_deref() {
            None => self.select,
            Some("Max") => Select::Max,
            Some("Min") => Select::Min,
            Some("Disabled") => Select::Disabled,
            Some(other) => return Err(invalid("selectPolicy", format!("is {other:?}: make it Max, Min or Disabled"))),
        };
        if let Some(policies) = &rules.policies {
            let read = policies.iter().enumerate().map(|(index, policy)| read_policy(index, policy));
            self.policies = read.collect::<Result<_, _>>()?;
            if self.policies.is_empty() {
                return Err(invalid("policies", "is empty: leave it out, or name one".to_owned()));
            }
        }
        Ok(())
    }
}

fn read_policy(index: usize, policy: &HPAScalingPolicy) -> Result<Policy, InvalidBehavior> {
    let invalid = |field: &str, what: String| InvalidBehavior::new(&format!("policies[{index}].{field}"), what);
    let unit = match policy.type_.as_str() {
        "Pods" => Unit::Pods,
        "Percent" => Unit::Percent,
        other => return Err(invalid("type", format!("is {other:?}: make it Pods or Percent"))),
    };
    let within = |field: &str, number: i32, most: i32, range: &str| {
        let valid = u32::try_from(number).ok().filter(|_| (1..=most).contains(&number));
        valid.ok_or_else(|| invalid(field, format!("is {number}: make it {range}")))
    };
    let value = within("value", policy.value, i32::MAX, "1 or more")?;
    let period_seconds = within("periodSeconds", policy.period_seconds, 1800, "1 to 1800")?;
    Ok(Policy { unit, value, period_seconds })
}
