//! The replicas that the HPA desires, why it does not change them, and whether something else sets them.

mod others;

use serde_json::Value;

use crate::autoscaling::hpa::TOLERANCE;
use crate::autoscaling::{quantity, timing};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::values;
use crate::doctor::fixes::scaler::maximum;
use crate::doctor::link::Link;
use crate::doctor::objects::{condition, is, text};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::output::text::rounded;

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let hpa = evidence.hpa.seen().ok_or_else(|| Status::missing(Input::Hpa, "there is no HPA"))?;
    let Some([current, desired, min, max]) = replicas(hpa) else {
        return Err(Status::pending(timing::SYNC_PERIOD, "the HPA's status has no replicas yet"));
    };
    Status::stop(others::check(evidence, hpa))?;
    let seen = format!("{current} replicas, {desired} desired, {min} to {max} allowed");
    if !is(hpa, "ScalingActive") {
        return Err(Status::blocked(Link::Condition, format!("{seen}, and the HPA does not read its metrics")));
    }
    let average = values::average(evidence, scaling);
    let Some((metric, average)) = scaling.metric.as_ref().zip(average).filter(|(metric, _)| metric.target > 0.0) else {
        return Ok(seen);
    };
    let ratio = average / metric.target;
    let seen =
        format!("{seen}; {} is {}, with a target of {}", metric.name, rounded(average, 3), rounded(metric.target, 3));
    let needed = pods(ratio * f64::from(current));
    let limited = condition(hpa, "ScalingLimited").is_some_and(|limited| limited["reason"] == "TooManyReplicas");
    if current == desired && current == max && (limited || ratio > 1.0 + TOLERANCE) && needed > max {
        return Err(Status::Explains(at_maximum(evidence, &seen, max, needed)));
    }
    // Without the tolerance, the HPA would change the replicas.
    let side = if ratio > 1.0 { "/spec/behavior/scaleUp/tolerance" } else { "/spec/behavior/scaleDown/tolerance" };
    let tolerance = quantity::value(text(hpa, side)).unwrap_or(TOLERANCE);
    if current == desired && needed.max(min).min(max) != current && (ratio - 1.0).abs() <= tolerance {
        let seen = format!("{seen}: within the tolerance of {:.0} %", tolerance * 100.0);
        let advice = format!(
            "Nothing needs to be fixed: the HPA ignores a difference of {:.0} %. To get more replicas, lower the target.",
            tolerance * 100.0
        );
        return Err(Status::Explains(Finding::new(Cause::WithinTolerance, seen, advice, None)));
    }
    Ok(seen)
}

/// The HPA's current, desired, minimum and maximum replicas.
fn replicas(hpa: &Value) -> Option<[u32; 4]> {
    let number = |pointer: &str| u32::try_from(hpa.pointer(pointer)?.as_u64()?).ok();
    let [current, desired] = ["/status/currentReplicas", "/status/desiredReplicas"].map(number);
    Some([current?, desired?, number("/spec/minReplicas").unwrap_or(1), number("/spec/maxReplicas")?])
}

fn at_maximum(evidence: &Evidence, seen: &str, max: u32, needed: u32) -> Finding {
    // The present value may be a short peak.
    let enough = needed.min(max.saturating_mul(2));
    let command = maximum(evidence, enough.into());
    let bound = if enough < needed { format!(" The command sets twice the maximum, {enough}.") } else { String::new() };
    let advice = format!(
        "The load needs {needed} replicas now. If that lasts, and the cluster has room for them, raise the maximum. Or make \
         each pod serve more.{bound}"
    );
    let seen = format!("{seen}; the maximum is {max}, but the load needs {needed}");
    Finding::new(Cause::AtMaximum, seen, advice, command)
}

/// Pods for this many targets. A float slightly above a whole number counts as that number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pods")]
fn pods(targets: f64) -> u32 {
    (targets - 1e-9).ceil().max(0.0) as u32
}
