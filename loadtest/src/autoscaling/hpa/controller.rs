//! One HPA as the controller keeps it from sync to sync: `reconcileAutoscaler`.

use std::cmp::Ordering;
use std::fmt;

use crate::autoscaling::Autoscaler;
use crate::autoscaling::hpa::normalize::Memory;
use crate::autoscaling::hpa::replicas::{NoProposal, Phase, Pod, Proposal, Reading, from_pods, from_total, from_value};
use crate::autoscaling::hpa::{Metric, Of, Target, Version};
use crate::autoscaling::quantity::milli;

/// The HPA's minimum and maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub min: i32,
    pub max: i32,
}

/// The scaled object's `scale` subresource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    /// `spec.replicas`.
    pub replicas: u32,
    /// `status.replicas`, which follow the pods with a delay. They divide a total.
    pub status: u32,
}

/// An HPA and what the controller remembers of it. It has no clock: the caller gives the time.
#[derive(Clone, Debug)]
pub struct Controller {
    autoscaler: Autoscaler,
    metrics: Vec<Metric>,
    limits: Limits,
    memory: Memory,
    conditions: Vec<Condition>,
}

/// What comes of a sync.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The value of the metric that decides, as the HPA's status shows it; none is what kubectl shows as `<unknown>`.
    pub value: Option<f64>,
    /// The value of each metric.
    pub values: Vec<Option<f64>>,
    /// Which of the metrics decides: the one that asks for the most replicas.
    pub by: usize,
    /// The replicas that the scaled object has to have from now on; as many as before where nothing is done.
    pub desired: u32,
    /// The message of the event `SuccessfulRescale`, where the replicas change.
    pub rescaled: Option<String>,
    /// The HPA's conditions after this sync.
    pub conditions: Vec<Condition>,
}

/// One of the HPA's conditions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// Its type: `AbleToScale`, `ScalingActive`, `ScalingLimited` or `ScaledToZero`.
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

const SCALED_TO_ZERO: &str = "ScaledToZero";
const TO_ZERO: (bool, &str, &str) = (true, "ScaledToZero", "the HPA controller scaled the workload to zero");
const NOT_TO_ZERO: (bool, &str, &str) =
    (false, "NotScaledToZero", "the HPA controller did not scale the workload to zero");

/// What the metrics together ask for.
struct Wanted {
    replicas: i32,
    by: usize,
    values: Vec<Option<f64>>,
}

impl Controller {
    /// An HPA that was not synced yet.
    pub fn new(autoscaler: &Autoscaler) -> Self {
        Self {
            metrics: autoscaler.all_metrics(),
            limits: limits(autoscaler),
            autoscaler: autoscaler.clone(),
            memory: Memory::default(),
            conditions: Vec::new(),
        }
    }

    /// An HPA that has scaled its workload to zero, and so scales it up again.
    pub fn scaled_to_zero(autoscaler: &Autoscaler) -> Self {
        let mut controller = Self::new(autoscaler);
        if controller.version().scales_to_zero() {
            controller.say(SCALED_TO_ZERO, TO_ZERO);
        }
        controller
    }

    /// Gives the HPA another spec. What the controller remembers, stays. From Kubernetes 1.37 on, a sync follows at once
    /// ([`Version::syncs_changes_at_once`]).
    pub fn change(&mut self, autoscaler: &Autoscaler) {
        (self.metrics, self.limits) = (autoscaler.all_metrics(), limits(autoscaler));
        self.autoscaler = autoscaler.clone();
    }

    /// A sync of an HPA with one metric, whose workload's `status.replicas` are those of its pods that neither ended nor
    /// leave. See [`Self::sync`].
    pub fn decide(&mut self, now: f64, replicas: u32, pods: &[Pod], metric: Result<&Reading, &str>) -> Decision {
        let there = |pod: &&Pod| !pod.leaving && matches!(pod.phase, Phase::Pending | Phase::Running);
        let status = u32::try_from(pods.iter().filter(there).count()).unwrap_or(u32::MAX);
        self.sync(now, Scale { replicas, status }, pods, &[metric])
    }

    /// A sync at a moment (seconds, never before the last sync) with the scaled object's scale, the pods that its selector
    /// finds, and each metric's reading. An error is why the metrics API gave none, such as `no metrics returned from custom
    /// metrics API`.
    pub fn sync(&mut self, now: f64, scale: Scale, pods: &[Pod], readings: &[Result<&Reading, &str>]) -> Decision {
        let replicas = scale.replicas;
        let (current, limits) = (count(replicas), self.limits);
        self.say(
            "AbleToScale",
            (true, "SucceededGetScale", "the HPA controller was able to get the target's current scale"),
        );
        self.memory.start(now, current);
        let was_scaled_to_zero = self.says(SCALED_TO_ZERO);
        if current == 0 && !self.scales_from_zero(was_scaled_to_zero) {
            let why = "scaling is disabled since the replica count of the target is zero";
            self.say("ScalingActive", (false, "ScalingDisabled", why));
            return self.unchanged(replicas, Vec::new());
        }
        if current > limits.max {
            let reason = "Current number of replicas above Spec.MaxReplicas";
            return self.rescale(now, current, limits.max, reason, Vec::new());
        }
        if current != 0 && current < limits.min {
            let reason = "Current number of replicas below Spec.MinReplicas";
            return self.rescale(now, current, limits.min, reason, Vec::new());
        }
        let wanted = match self.wanted(current, count(scale.status), pods, readings) {
            Ok(wanted) => wanted,
            Err(values) => return self.unchanged(replicas, values),
        };
        let metric = self.metrics[wanted.by].shown();
        let (proposed, values) = (wanted.replicas, wanted.values);
        let (mut desired, able, limited) =
            self.memory.normalize(now, &self.autoscaler.behavior, limits, current, proposed);
        self.say("AbleToScale", able);
        self.say("ScalingLimited", limited);
        let mut reason = match proposed.cmp(&current) {
            Ordering::Greater => format!("{metric} above target"),
            Ordering::Less => "All metrics below target".into(),
            Ordering::Equal => String::new(),
        };
        // The minimum was raised while the workload was at zero.
        if current == 0 && was_scaled_to_zero && desired < limits.min {
            desired = limits.min;
            if reason.is_empty() {
                "Current number of replicas below Spec.MinReplicas".clone_into(&mut reason);
            }
        }
        let decision = if desired == current {
            self.unchanged(replicas, values)
        } else {
            self.rescale(now, current, desired, &reason, values)
        };
        Decision { value: decision.values.get(wanted.by).copied().flatten(), by: wanted.by, ..decision }
    }

    fn version(&self) -> Version {
        self.autoscaler.kubernetes
    }

    /// Whether a workload without replicas is scaled: from 1.37 on, where the HPA itself scaled it to zero.
    fn scales_from_zero(&self, was_scaled_to_zero: bool) -> bool {
        if !self.version().scales_to_zero() {
            return self.limits.min == 0;
        }
        was_scaled_to_zero && (self.limits.min != 0 || self.metrics.iter().any(Metric::is_known_at_zero))
    }

    /// `computeReplicasForMetrics`: the largest proposal. Where a metric gives none, the others may still ask for more
    /// replicas. An error has the values that are known.
    fn wanted(
        &mut self,
        current: i32,
        status: i32,
        pods: &[Pod],
        readings: &[Result<&Reading, &str>],
    ) -> Result<Wanted, Vec<Option<f64>>> {
        let mut wanted = Wanted { replicas: 0, by: 0, values: Vec::new() };
        let (mut failed, mut failures) = (None, 0);
        for (index, metric) in self.metrics.iter().enumerate() {
            let reading = readings.get(index).copied().unwrap_or(Err("not read"));
            match self.proposal(metric, current, status, pods, reading) {
                Ok((replicas, value)) => {
                    wanted.values.push(value.map(in_ones));
                    if wanted.replicas == 0 || replicas > wanted.replicas {
                        (wanted.replicas, wanted.by) = (replicas, index);
                    }
                }
                Err(error) => {
                    wanted.values.push(None);
                    failures += 1;
                    failed = failed.or_else(|| Some((metric.failed(), error.to_string())));
                }
            }
        }
        if let Some((reason, error)) = failed
            && (failures == self.metrics.len() || wanted.replicas < current)
        {
            let message = format!("the HPA was unable to compute the replica count: {error}");
            self.say("ScalingActive", (false, reason, &message));
            return Err(wanted.values);
        }
        let metric = self.metrics[wanted.by].shown();
        let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.say("ScalingActive", (true, "ValidMetricFound", &message));
        wanted.replicas = wanted.replicas.max(0);
        Ok(wanted)
    }

    fn proposal(
        &self,
        metric: &Metric,
        current: i32,
        status: i32,
        pods: &[Pod],
        reading: Result<&Reading, &str>,
    ) -> Result<Proposal, NoProposal> {
        let (behavior, target) = (&self.autoscaler.behavior, milli(metric.target.value()));
        match (reading, metric.target) {
            (Ok(Reading::Pods(values)), _) if values.is_empty() => {
                Err(self.unread(metric, "no metrics returned from custom metrics API"))
            }
            (Ok(Reading::Pods(values)), _) => from_pods(behavior, current, target, pods, values),
            (Ok(Reading::Total(total)), Target::AverageValue(_)) => Ok(from_total(behavior, target, status, *total)),
            (Ok(Reading::Total(total)), Target::Value(_)) => from_value(behavior, current, target, pods, *total),
            (Err(why), _) => Err(self.unread(metric, why)),
        }
    }

    fn unread(&self, metric: &Metric, why: &str) -> NoProposal {
        let (name, why) = (metric.name.clone(), why.to_owned());
        match &metric.of {
            Of::Pods => NoProposal::Pods { metric: name, why },
            Of::External => NoProposal::External { metric: name, why },
            Of::Object { kind, object } => {
                let namespace = self.autoscaler.name.split('/').next().unwrap_or_default();
                let object = format!("{kind} {namespace}/{object}");
                NoProposal::Object { metric: name, object, why }
            }
        }
    }

    fn rescale(&mut self, now: f64, current: i32, desired: i32, reason: &str, values: Vec<Option<f64>>) -> Decision {
        self.memory.changed(now, &self.autoscaler.behavior, current, desired);
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        self.say("AbleToScale", (true, "SucceededRescale", &message));
        if self.version().scales_to_zero() {
            let to_zero = desired == 0 && self.limits.min == 0 && self.metrics.iter().any(Metric::is_known_at_zero);
            self.say(SCALED_TO_ZERO, if to_zero { TO_ZERO } else { NOT_TO_ZERO });
        }
        let rescaled = Some(format!("New size: {desired}; reason: {reason}"));
        Decision { rescaled, ..self.unchanged(desired.unsigned_abs(), values) }
    }

    fn unchanged(&self, desired: u32, values: Vec<Option<f64>>) -> Decision {
        Decision { value: None, values, by: 0, desired, rescaled: None, conditions: self.conditions.clone() }
    }

    fn says(&self, kind: &str) -> bool {
        self.conditions.iter().any(|condition| condition.kind == kind && condition.status)
    }

    fn say(&mut self, kind: &'static str, (status, reason, message): (bool, &str, &str)) {
        let condition = Condition { kind, status, reason: reason.into(), message: message.into() };
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(before) => *before = condition,
            None => self.conditions.push(condition),
        }
    }
}

fn limits(autoscaler: &Autoscaler) -> Limits {
    Limits { min: count(autoscaler.min), max: count(autoscaler.max) }
}

fn count(replicas: u32) -> i32 {
    i32::try_from(replicas).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a rate in thousandths")]
fn in_ones(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}
