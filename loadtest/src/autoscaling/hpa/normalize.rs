//! From the replicas that a metric asks for to those that are set: stabilisation, policies, minimum and maximum.

use super::{Behavior, Policy, Rules, Select, Unit};
use crate::autoscaling::hpa::controller::Limits;
use crate::autoscaling::hpa::history::{Changes, Extreme};

/// What the controller remembers of an HPA: of the recommendations only those that can still be the lowest or the highest
/// of their window.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    started: bool,
    lowest: Extreme,
    highest: Extreme,
    added: Changes,
    taken: Changes,
}

/// A condition's status, reason and message.
pub(super) type Says = (bool, &'static str, &'static str);

/// The replicas to be set, and what `AbleToScale` and `ScalingLimited` say.
pub(super) type Normalized = (i32, Says, Says);

const READY: Says = (true, "ReadyForNewScale", "recommended size matches current size");
const STABILIZED_DOWN: Says = (
    true,
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const STABILIZED_UP: Says = (
    true,
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const WITHIN: Says = (false, "DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_FAST_UP: Says =
    (true, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const TOO_FAST_DOWN: Says =
    (true, "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const TOO_MANY: Says = (true, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: Says = (true, "TooFewReplicas", "the desired replica count is less than the minimum replica count");

impl Memory {
    /// The first sync takes the replicas that it finds as a recommendation.
    pub fn start(&mut self, now: f64, current: i32) {
        if !self.started {
            self.remember(now, current);
        }
    }

    pub fn normalize(
        &mut self,
        now: f64,
        behavior: &Behavior,
        limits: Limits,
        current: i32,
        wanted: i32,
    ) -> Normalized {
        let (stabilized, able) = if behavior.written {
            self.stabilize(now, behavior, current, wanted)
        } else {
            self.stabilize_without_behavior(now, behavior.down.stabilization_seconds, wanted)
        };
        let able = if stabilized == wanted { READY } else { able };
        let (replicas, limited) = if behavior.written {
            self.limit(now, behavior, limits, current, stabilized)
        } else {
            limit_without_behavior(limits, current, stabilized)
        };
        // What the limits leave as it is, is not limited, whatever the reason says.
        (replicas, able, (replicas != stabilized, limited.1, limited.2))
    }

    /// Keeps a change for the policies.
    pub fn changed(&mut self, now: f64, behavior: &Behavior, from: i32, to: i32) {
        if !behavior.written {
            return;
        }
        let (changes, rules) =
            if to > from { (&mut self.added, &behavior.up) } else { (&mut self.taken, &behavior.down) };
        let longest = rules.policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0);
        changes.push(now, (to - from).abs(), now - f64::from(longest));
    }

    fn remember(&mut self, now: f64, desired: i32) {
        self.started = true;
        self.lowest.push(now, desired, |new, old| new <= old);
        self.highest.push(now, desired, |new, old| new >= old);
    }

    /// `stabilizeRecommendation`.
    fn stabilize_without_behavior(&mut self, now: f64, window: f64, desired: i32) -> (i32, Says) {
        let cutoff = now - window;
        let highest = self.highest.since(|at| at >= cutoff).map_or(desired, |recent| recent.max(desired));
        self.remember(now, desired);
        (highest, STABILIZED_DOWN)
    }

    /// `stabilizeRecommendationWithBehaviors`.
    fn stabilize(&mut self, now: f64, behavior: &Behavior, current: i32, desired: i32) -> (i32, Says) {
        let up = now - behavior.up.stabilization_seconds;
        let down = now - behavior.down.stabilization_seconds;
        let lowest = self.lowest.since(|at| at > up).map_or(desired, |recent| recent.min(desired));
        let highest = self.highest.since(|at| at > down).map_or(desired, |recent| recent.max(desired));
        self.remember(now, desired);
        (current.max(lowest).min(highest), if desired >= current { STABILIZED_UP } else { STABILIZED_DOWN })
    }

    /// `convertDesiredReplicasWithBehaviorRate`.
    fn limit(&self, now: f64, behavior: &Behavior, limits: Limits, current: i32, wanted: i32) -> (i32, Says) {
        if wanted > current {
            let fastest = self.fastest(now, &behavior.up, current, Unit::grown, i32::max, i32::min).max(current);
            let (most, says) = if limits.max > fastest { (fastest, TOO_FAST_UP) } else { (limits.max, TOO_MANY) };
            if wanted > most {
                return (most, says);
            }
        } else if wanted < current {
            let fastest = self.fastest(now, &behavior.down, current, Unit::shrunk, i32::min, i32::max).min(current);
            let (least, says) = if limits.min < fastest { (fastest, TOO_FAST_DOWN) } else { (limits.min, TOO_FEW) };
            if wanted < least {
                return (least, says);
            }
        }
        (wanted, WITHIN)
    }

    /// How far the policies let the replicas go, each from where its period started.
    fn fastest(
        &self,
        now: f64,
        rules: &Rules,
        current: i32,
        proposed: fn(Unit, i32, Policy) -> i32,
        furthest: fn(i32, i32) -> i32,
        nearest: fn(i32, i32) -> i32,
    ) -> i32 {
        let select = match rules.select {
            Select::Disabled => return current,
            Select::Max => furthest,
            Select::Min => nearest,
        };
        let proposals = rules.policies.iter().map(|policy| {
            let cutoff = now - f64::from(policy.period_seconds);
            let at_start = current - self.added.since(cutoff) + self.taken.since(cutoff);
            proposed(policy.unit, at_start, *policy)
        });
        proposals.reduce(select).unwrap_or(current)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "numbers of replicas")]
impl Unit {
    fn grown(self, from: i32, policy: Policy) -> i32 {
        match self {
            Self::Pods => from.saturating_add_unsigned(policy.value),
            // Rounded up: a share of few pods would let none be added, ever.
            Self::Percent => (f64::from(from) * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i32,
        }
    }

    fn shrunk(self, from: i32, policy: Policy) -> i32 {
        match self {
            Self::Pods => from.saturating_sub_unsigned(policy.value),
            Self::Percent => (f64::from(from) * (1.0 - f64::from(policy.value) / 100.0)) as i32,
        }
    }
}

/// `convertDesiredReplicasWithRules`.
fn limit_without_behavior(limits: Limits, current: i32, wanted: i32) -> (i32, Says) {
    let fastest = current.saturating_mul(2).max(4);
    let (most, says) = if limits.max > fastest { (fastest, TOO_FAST_UP) } else { (limits.max, TOO_MANY) };
    if wanted < limits.min {
        (limits.min, TOO_FEW)
    } else if wanted > most {
        (most, says)
    } else {
        (wanted, WITHIN)
    }
}
