//! One HPA as the controller keeps it from look to look: `reconcileAutoscaler`.

use std::fmt;

use crate::autoscaling::Autoscaler;
use crate::autoscaling::hpa::normalize::Memory;
use crate::autoscaling::hpa::replicas::{NoProposal, Pod, Proposal, Reading, from_pods, from_total};
use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity::milli;

/// The HPA's minimum and maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub min: i32,
    pub max: i32,
}

/// An HPA and what the controller remembers of it. It has no clock: the caller gives the time.
#[derive(Clone, Debug)]
pub struct Controller {
    autoscaler: Autoscaler,
    limits: Limits,
    memory: Memory,
    conditions: Vec<Condition>,
}

/// What comes of a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The average of a pod as the HPA's status shows it; none is what kubectl shows as `<unknown>`.
    pub value: Option<f64>,
    /// The replicas that the scaled object has to have from now on; as many as before where nothing is done.
    pub desired: u32,
    /// The message of the event `SuccessfulRescale`, where the replicas change.
    pub rescaled: Option<String>,
    /// What the HPA says of itself after this look.
    pub conditions: Vec<Condition>,
}

/// One of the HPA's conditions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// Its type: `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    pub kind: &'static str,
    /// Its status: `True` or `False`.
    pub status: bool,
    /// One word for why.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = if self.status { "True" } else { "False" };
        write!(f, "{}={status} {}: {}", self.kind, self.reason, self.message)
    }
}

impl Controller {
    /// An HPA that was not looked at yet.
    pub fn new(autoscaler: &Autoscaler) -> Self {
        let limit = |replicas| i32::try_from(replicas).unwrap_or(i32::MAX);
        let limits = Limits { min: limit(autoscaler.min), max: limit(autoscaler.max) };
        Self { autoscaler: autoscaler.clone(), limits, memory: Memory::default(), conditions: Vec::new() }
    }

    /// Looks at a moment (seconds, never before the last look) at the scaled object's `spec.replicas`, at the pods that
    /// its selector finds, and at the metric; an error is why the metrics API gave none, such as `no metrics returned
    /// from custom metrics API`.
    pub fn decide(&mut self, now: f64, replicas: u32, pods: &[Pod], metric: Result<&Reading, &str>) -> Decision {
        let current = i32::try_from(replicas).unwrap_or(i32::MAX);
        self.say(
            "AbleToScale",
            (true, "SucceededGetScale", "the HPA controller was able to get the target's current scale"),
        );
        self.memory.start(now, current);
        let limits = self.limits;
        if current == 0 && limits.min != 0 {
            let why = "scaling is disabled since the replica count of the target is zero";
            self.say("ScalingActive", (false, "ScalingDisabled", why));
            return self.unchanged(replicas, None);
        }
        if current > limits.max {
            return self.rescale(now, current, limits.max, "Current number of replicas above Spec.MaxReplicas", None);
        }
        if current < limits.min {
            return self.rescale(now, current, limits.min, "Current number of replicas below Spec.MinReplicas", None);
        }
        let (wanted, usage) = match self.proposal(current, pods, metric) {
            Ok((wanted, usage)) => (wanted.max(0), usage),
            Err(error) => {
                let reason = match self.autoscaler.pipeline.source {
                    Source::Pods => "FailedGetPodsMetric",
                    Source::External => "FailedGetExternalMetric",
                };
                let message = format!("the HPA was unable to compute the replica count: {error}");
                self.say("ScalingActive", (false, reason, &message));
                return self.unchanged(replicas, None);
            }
        };
        let metric = match self.autoscaler.pipeline.source {
            Source::Pods => format!("pods metric {}", self.autoscaler.metric),
            Source::External => format!("external metric {}", self.autoscaler.metric),
        };
        let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.say("ScalingActive", (true, "ValidMetricFound", &message));
        let (desired, able, limited) = self.memory.normalize(now, &self.autoscaler.behavior, limits, current, wanted);
        self.say("AbleToScale", able);
        self.say("ScalingLimited", limited);
        if desired == current {
            return self.unchanged(replicas, Some(usage));
        }
        let reason = match wanted.cmp(&current) {
            std::cmp::Ordering::Greater => format!("{metric} above target"),
            std::cmp::Ordering::Less => "All metrics below target".into(),
            std::cmp::Ordering::Equal => String::new(),
        };
        self.rescale(now, current, desired, &reason, Some(usage))
    }

    fn proposal(&self, current: i32, pods: &[Pod], metric: Result<&Reading, &str>) -> Result<Proposal, NoProposal> {
        let (behavior, target) = (&self.autoscaler.behavior, milli(self.autoscaler.target));
        let name = || self.autoscaler.metric.clone();
        match metric {
            Ok(Reading::Pods(values)) if values.is_empty() => {
                Err(NoProposal::Pods { metric: name(), why: "no metrics returned from custom metrics API".to_owned() })
            }
            Ok(Reading::Pods(values)) => from_pods(behavior, current, target, pods, values),
            Ok(Reading::Total(total)) => Ok(from_total(behavior, target, pods, *total)),
            Err(error) => Err(match self.autoscaler.pipeline.source {
                Source::Pods => NoProposal::Pods { metric: name(), why: error.to_owned() },
                Source::External => NoProposal::External { metric: name(), why: error.to_owned() },
            }),
        }
    }

    fn rescale(&mut self, now: f64, current: i32, desired: i32, reason: &str, usage: Option<i64>) -> Decision {
        self.memory.changed(now, &self.autoscaler.behavior, current, desired);
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        self.say("AbleToScale", (true, "SucceededRescale", &message));
        let rescaled = Some(format!("New size: {desired}; reason: {reason}"));
        Decision { rescaled, ..self.unchanged(desired.unsigned_abs(), usage) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate in thousandths")]
    fn unchanged(&self, replicas: u32, usage: Option<i64>) -> Decision {
        let value = usage.map(|usage| usage as f64 / 1000.0);
        Decision { value, desired: replicas, rescaled: None, conditions: self.conditions.clone() }
    }

    fn say(&mut self, kind: &'static str, (status, reason, message): (bool, &str, &str)) {
        let condition = Condition { kind, status, reason: reason.into(), message: message.into() };
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(before) => *before = condition,
            None => self.conditions.push(condition),
        }
    }
}
