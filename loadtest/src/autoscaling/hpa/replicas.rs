//! From a metric to a number of replicas: `replica_calculator.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::Behavior;

/// A pod that the scaled object's selector finds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pod {
    /// Its name, under which its metric is looked for.
    pub name: String,
    /// Its `status.phase`. Whether it is ready plays no part for a metric other than CPU.
    pub phase: Phase,
    /// It has a `deletionTimestamp`.
    pub leaving: bool,
}

/// A pod's `status.phase`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Not scheduled, or no container started yet.
    Pending,
    /// At least one container runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

/// What the metrics API answers, in thousandths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Each pod's value, by its name: custom.metrics.k8s.io.
    Pods(BTreeMap<String, i64>),
    /// One value for all pods together: external.metrics.k8s.io.
    Total(i64),
}

/// Why there is no number of replicas, in the controller's own words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoProposal {
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    #[error("unable to calculate ready pods: no pods returned by selector while calculating replica count")]
    NoReadyPods,
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoMetrics,
    #[error("unable to get metric {metric}: {why}")]
    Pods { metric: String, why: String },
    #[error("unable to get external metric {metric}: {why}")]
    External { metric: String, why: String },
    #[error("unable to get metric {metric} on {object}: {why}")]
    Object { metric: String, object: String, why: String },
}

/// The replicas that a metric asks for, and the metric's current value in thousandths; none where it is the average of no
/// pods.
pub(super) type Proposal = (i32, Option<i64>);

/// Whether a share of the target counts as the target.
fn within(behavior: &Behavior, ratio: f64) -> bool {
    1.0 - behavior.down.tolerance <= ratio && ratio <= 1.0 + behavior.up.tolerance
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "a rate in thousandths; pods")]
fn usage_ratio(values: &BTreeMap<&str, i64>, target: i64) -> (f64, i64) {
    let usage = values.values().sum::<i64>() / values.len() as i64;
    (usage as f64 / target as f64, usage)
}

#[expect(clippy::cast_possible_truncation, reason = "beyond 2^31 replicas the maximum holds all the same")]
fn ceil(replicas: f64) -> i32 {
    replicas.ceil() as i32
}

/// `GetMetricReplicas`: a value a pod, compared as their average.
#[expect(clippy::cast_precision_loss, reason = "numbers of pods")]
pub(super) fn from_pods(
    behavior: &Behavior,
    current: i32,
    target: i64,
    pods: &[Pod],
    values: &BTreeMap<String, i64>,
) -> Result<Proposal, NoProposal> {
    if pods.is_empty() {
        return Err(NoProposal::NoPods);
    }
    // `groupPods`. A value whose pod is not in the list counts into the average, and not as a pod.
    let mut values: BTreeMap<&str, i64> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let (mut counted, mut unready, mut missing) = (0, BTreeSet::new(), BTreeSet::new());
    for pod in pods {
        let name = pod.name.as_str();
        if pod.leaving || pod.phase == Phase::Failed {
            values.remove(name);
        } else if pod.phase == Phase::Pending {
            values.remove(name);
            unready.insert(name);
        } else if values.contains_key(name) {
            counted += 1;
        } else {
            missing.insert(name);
        }
    }
    if values.is_empty() {
        return Err(NoProposal::NoMetrics);
    }

    let (ratio, usage) = usage_ratio(&values, target);
    let up_with_unready = !unready.is_empty() && ratio > 1.0;
    if !up_with_unready && missing.is_empty() {
        let replicas = if within(behavior, ratio) { current } else { ceil(ratio * f64::from(counted)) };
        return Ok((replicas, Some(usage)));
    }
    // What is not known is taken to be what holds the change back.
    if ratio < 1.0 {
        values.extend(missing.iter().map(|name| (*name, target)));
    } else if ratio > 1.0 {
        values.extend(missing.iter().map(|name| (*name, 0)));
    }
    if up_with_unready {
        values.extend(unready.iter().map(|name| (*name, 0)));
    }
    let (again, _) = usage_ratio(&values, target);
    if within(behavior, again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0) {
        return Ok((current, Some(usage)));
    }
    let replicas = ceil(again * values.len() as f64);
    let turned = (again < 1.0 && replicas > current) || (again > 1.0 && replicas < current);
    Ok((if turned { current } else { replicas }, Some(usage)))
}

/// `GetExternalPerPodMetricReplicas` and `GetObjectPerPodMetricReplicas`: one value, divided by the scaled object's
/// `status.replicas`. While those are 0, the division gives no number, no tolerance applies, and there is no average.
#[expect(clippy::cast_precision_loss, reason = "a rate in thousandths")]
#[expect(clippy::cast_possible_truncation, reason = "likewise")]
pub(super) fn from_total(behavior: &Behavior, target: i64, status: i32, total: i64) -> Proposal {
    let (total, target) = (total as f64, target as f64);
    let ratio = total / (target * f64::from(status));
    let desired = if within(behavior, ratio) { status } else { ceil(total / target) };
    (desired, (status != 0).then(|| (total / f64::from(status)).ceil() as i64))
}

/// `GetExternalMetricReplicas` and `GetObjectMetricReplicas`: one value, compared with the target as it is. A pod that
/// runs is taken for ready.
#[expect(clippy::cast_precision_loss, reason = "a rate in thousandths")]
pub(super) fn from_value(
    behavior: &Behavior,
    current: i32,
    target: i64,
    pods: &[Pod],
    total: i64,
) -> Result<Proposal, NoProposal> {
    let ratio = total as f64 / target as f64;
    let desired = if current == 0 {
        ceil(ratio)
    } else if within(behavior, ratio) {
        current
    } else if pods.is_empty() {
        return Err(NoProposal::NoReadyPods);
    } else {
        let ready = pods.iter().filter(|pod| pod.phase == Phase::Running).count();
        ceil(ratio * f64::from(u32::try_from(ready).unwrap_or(u32::MAX)))
    };
    Ok((desired, Some(total)))
}
