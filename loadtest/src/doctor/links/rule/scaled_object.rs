//! What stops or hinders KEDA, whatever the triggers do: the `ScaledObject`'s annotations and its replica counts.

use serde_json::{Value, json};

use super::trigger;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaled_object::{hpa_name, paused, paused_in, paused_out};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::values;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, patch};
use crate::doctor::objects::{age, text, titled};
use crate::doctor::status::{Finding, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Result<(), Status> {
    let Some(object) = evidence.scaled_object.seen() else { return Ok(()) };
    Status::stop(is_paused(evidence, object))?;
    Status::stop(trigger::rejected(evidence, object))?;
    Status::stop(idle_replicas(object))?;
    if evidence.hpa == Read::Absent {
        return Err(without_hpa(evidence, object));
    }
    Status::stop(one_direction(evidence, scaling, object).map(Status::Explains))
}

fn is_paused(evidence: &Evidence, object: &Value) -> Option<Finding> {
    let (annotation, value) = paused(object)?;
    let effect = if evidence.hpa == Read::Absent {
        format!("KEDA has removed the HPA {}", hpa_name(object))
    } else {
        "KEDA does not scale the workload".to_owned()
    };
    let seen = format!("{}: annotation {annotation} is {value:?}: {effect}", titled(object));
    let advice = "Remove the annotation when the workload is to be scaled again. KEDA then creates the HPA again.";
    Some(Finding::new(Cause::ScalerPaused, seen, advice, [without(object, annotation)]))
}

/// The command that removes an annotation.
fn without(object: &Value, annotation: &'static str) -> Command {
    about(object, "annotate").plain("", &format!("{annotation}-"))
}

/// Only 0 is possible: the HPA raises any other number to its minimum, and KEDA lowers it again.
fn idle_replicas(object: &Value) -> Option<Finding> {
    let idle = object["spec"]["idleReplicaCount"].as_u64().filter(|idle| *idle > 0)?;
    let minimum = object["spec"]["minReplicaCount"].as_u64().unwrap_or(0).max(1);
    let seen = format!("{}: spec.idleReplicaCount is {idle}, and the HPA's minimum is {minimum}", titled(object));
    let advice = format!(
        "KEDA supports no other number than 0: without load it sets {idle}, and the HPA sets {minimum} again. Leave the field \
         out to keep {minimum}, as the command does, or set 0."
    );
    let path = "/spec/idleReplicaCount";
    let operations = json!([{"op": "test", "path": path, "value": idle}, {"op": "remove", "path": path}]);
    Some(Finding::new(Cause::IdleReplicas, seen, advice, [patch(object, &operations)]))
}

fn without_hpa(evidence: &Evidence, object: &Value) -> Status {
    let (age, hpa) = (age(object, evidence.taken), hpa_name(object));
    if age < timing::TRIGGER_FIRST_ANSWER {
        let why = format!("{} is {age:.0} s old, and has no HPA yet", titled(object));
        return Status::pending(timing::TRIGGER_FIRST_ANSWER - age, why);
    }
    let seen = format!("{}: KEDA has created no HPA {hpa}", titled(object));
    let advice = "Check that KEDA's operator runs, and read its log: it says why it creates no HPA.";
    Finding::new(Cause::KedaBlocked, seen, advice, [trigger::operator_log(evidence)]).into()
}

/// The value calls for a direction that is paused.
fn one_direction(evidence: &Evidence, scaling: &ScalingMetric, object: &Value) -> Option<Finding> {
    let metric = scaling.metric.as_ref().filter(|metric| metric.target > 0.0)?;
    let value = values::average(evidence, scaling)?;
    let hpa = evidence.hpa.seen()?;
    let number = |pointer: &str| hpa.pointer(pointer).and_then(Value::as_u64);
    let current = number("/status/currentReplicas")?;
    let is_above_minimum = current > number("/spec/minReplicas").unwrap_or(1);
    let is_below_maximum = number("/spec/maxReplicas").is_some_and(|maximum| current < maximum);
    let found = if value < metric.target && is_above_minimum {
        paused_in(object).map(|found| (found, "in"))
    } else if value > metric.target && is_below_maximum {
        paused_out(object).map(|found| (found, "out"))
    } else {
        None
    };
    let ((annotation, written), direction) = found?;
    let seen = format!("{}: annotation {annotation} is {written:?}, so it never scales {direction}", titled(object));
    let advice = format!("Remove the annotation if {} is to scale {direction} again.", text(object, "/metadata/name"));
    Some(Finding::new(Cause::ScalerPaused, seen, advice, [without(object, annotation)]))
}
