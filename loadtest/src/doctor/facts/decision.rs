//! What the HPA does at its replicas, and why: the metric that decides, and what keeps the replicas as they are.

use std::cmp::Ordering;

use serde_json::Value;

use super::autoscaler::behavior;
use super::pods::keda_scales_to_zero;
use super::proposals::{self, Asked};
use crate::autoscaling::hpa::calculator::By;
use crate::autoscaling::hpa::{Behavior, Select};
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{condition, is, text};

/// What the HPA does.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Its replicas.
    pub current: u32,
    /// The replicas that it desires.
    pub desired: u32,
    /// Its minimum.
    pub min: u32,
    /// Its maximum.
    pub max: u32,
    /// Its `behavior`.
    pub behavior: Behavior,
    /// Its metrics.
    pub metrics: Vec<Asked<'a>>,
    /// The place of the metric that decides among [`Self::metrics`]: the first that asks for the most. None where what a
    /// metric asks for is not known of any.
    pub decides: Option<usize>,
    /// Why it does not change the replicas.
    pub held: Held,
}

/// Which way the replicas would change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// More replicas.
    Out,
    /// Fewer replicas.
    In,
}

impl Direction {
    /// Its field in `spec.behavior`.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Out => "scaleUp",
            Self::In => "scaleDown",
        }
    }

    /// What the HPA does, as a noun.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Out => "scale-out",
            Self::In => "scale-in",
        }
    }
}

/// What scales a workload to 0, and from there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScalesToZero {
    /// The HPA, from Kubernetes 1.37 on.
    Hpa,
    /// KEDA. Its HPA does nothing until KEDA has started the first pod.
    Keda,
}

impl ScalesToZero {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hpa => "the HPA",
            Self::Keda => "KEDA",
        }
    }
}

/// Why the replicas are what they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// They are being changed, or will be at the next sync.
    Changes,
    /// They are what the metrics ask for.
    AtTarget,
    /// What the metrics ask for is not known.
    Unknown,
    /// The workload was scaled to 0.
    Zero(ScalesToZero),
    /// The maximum.
    Maximum,
    /// The minimum.
    Minimum,
    /// The value is within the tolerance.
    Tolerance,
    /// Fewer pods would each be above the target.
    Rounding,
    /// Pods that are not counted.
    Damping,
    /// `selectPolicy: Disabled`.
    Disabled(Direction),
    /// An earlier recommendation.
    Stabilized(Direction),
    /// The policies of `behavior`, or without one the controller's own.
    Limited(Direction),
}

/// What the HPA does; none without the replicas in its status.
pub fn decision(evidence: &Evidence) -> Option<Decision<'_>> {
    let hpa = evidence.hpa.seen()?;
    let number = |pointer: &str| u32::try_from(hpa.pointer(pointer)?.as_u64()?).ok();
    let [current, desired] = ["/status/currentReplicas", "/status/desiredReplicas"].map(number);
    // The API server leaves a 0 out.
    let current = current.or_else(|| desired.and(Some(0)))?;
    let behavior = behavior(&hpa["spec"]["behavior"]).unwrap_or_default();
    let metrics = proposals::all(evidence, &behavior, current);
    let asked = |metric: &Asked<'_>| metric.proposal.map(|proposal| proposal.replicas);
    let most = metrics.iter().filter_map(asked).max();
    let decides = most.and_then(|most| metrics.iter().position(|metric| asked(metric) == Some(most)));
    let mut decision = Decision {
        current,
        desired: desired?,
        min: number("/spec/minReplicas").unwrap_or(1),
        max: number("/spec/maxReplicas")?,
        behavior,
        metrics,
        decides,
        held: Held::Unknown,
    };
    decision.held = match scaled_to_zero(evidence, hpa, current) {
        Some(by) => Held::Zero(by),
        None => held(hpa, &decision),
    };
    Some(decision)
}

impl<'a> Decision<'a> {
    /// The metric that decides, and what it asks for.
    pub fn decisive(&self) -> Option<&Asked<'a>> {
        self.metrics.get(self.decides?)
    }

    /// The replicas that the metrics ask for.
    pub fn wanted(&self) -> Option<u32> {
        Some(self.decisive()?.proposal?.replicas)
    }
}

fn scaled_to_zero(evidence: &Evidence, hpa: &Value, current: u32) -> Option<ScalesToZero> {
    let by_hpa = is(hpa, "ScaledToZero").then_some(ScalesToZero::Hpa);
    let by_keda = || keda_scales_to_zero(evidence).then_some(ScalesToZero::Keda);
    by_hpa.or_else(by_keda).filter(|_| current == 0)
}

fn held(hpa: &Value, decision: &Decision<'_>) -> Held {
    let Decision { current, desired, min, max, behavior, .. } = decision;
    let Some(proposal) = decision.decisive().and_then(|metric| metric.proposal) else { return Held::Unknown };
    if current != desired {
        return Held::Changes;
    }
    let reason = |kind: &str| condition(hpa, kind).map(|one| text(one, "/reason")).unwrap_or_default();
    let limit = if is(hpa, "ScalingLimited") { reason("ScalingLimited") } else { "" };
    let off = |select: Select| select == Select::Disabled;
    match proposal.replicas.cmp(current) {
        Ordering::Greater if current >= max => Held::Maximum,
        Ordering::Greater if off(behavior.up.select) => Held::Disabled(Direction::Out),
        Ordering::Greater if reason("AbleToScale") == "ScaleUpStabilized" => Held::Stabilized(Direction::Out),
        Ordering::Greater if limit == "ScaleUpLimit" => Held::Limited(Direction::Out),
        Ordering::Less if current <= min => Held::Minimum,
        Ordering::Less if off(behavior.down.select) => Held::Disabled(Direction::In),
        Ordering::Less if reason("AbleToScale") == "ScaleDownStabilized" => Held::Stabilized(Direction::In),
        Ordering::Less if limit == "ScaleDownLimit" => Held::Limited(Direction::In),
        Ordering::Greater | Ordering::Less => Held::Changes,
        Ordering::Equal => match proposal.by {
            // Without it, the HPA would change the replicas.
            By::Tolerance if proposal.plain != *current => Held::Tolerance,
            By::Damping if proposal.plain != *current => Held::Damping,
            By::Ratio if proposal.ratio < 1.0 - behavior.down.tolerance && *current > 1 => Held::Rounding,
            _ if current == min && proposal.plain < *current => Held::Minimum,
            _ => Held::AtTarget,
        },
    }
}
