//! The replicas that the HPA desires, why it does not change them, and whether something else sets them.

mod held;
mod others;

use crate::autoscaling::timing;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::arithmetic;
use crate::doctor::facts::decision::{Held, decision};
use crate::doctor::link::Link;
use crate::doctor::objects::is;
use crate::doctor::status::{Checked, Input, Status};

pub fn check(evidence: &Evidence) -> Checked {
    let hpa = evidence.hpa.seen().ok_or_else(|| Status::missing(Input::Hpa, "there is no HPA"))?;
    let Some(decision) = decision(evidence) else {
        return Err(Status::pending(timing::SYNC_PERIOD, "the HPA's status has no replicas yet"));
    };
    Status::stop(others::check(evidence, hpa))?;
    let seen = format!(
        "{} replicas, {} desired, {} to {} allowed",
        decision.current, decision.desired, decision.min, decision.max
    );
    let is_of_zero = is(hpa, "ScaledToZero") || matches!(decision.held, Held::Zero(_));
    if !is(hpa, "ScalingActive") && !is_of_zero {
        return Err(Status::blocked(Link::Condition, format!("{seen}, and the HPA does not read its metrics")));
    }
    if let Some(finding) = held::finding(evidence, hpa, &decision, &seen) {
        return Err(Status::Explains(finding));
    }
    let metric = decision.decisive().map(|metric| format!("; {} is {}", metric.name, arithmetic::compared(metric)));
    Ok(seen + &metric.unwrap_or_default())
}
