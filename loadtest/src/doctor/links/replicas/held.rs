//! What keeps the replicas as they are, although the HPA works: it does what it is configured to do.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::arithmetic::{self, limit, rules, tolerance};
use crate::doctor::facts::decision::{Decision, Direction, Held, ScalesToZero};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::patch;
use crate::doctor::fixes::scaler::maximum;
use crate::doctor::objects::{age, titled};
use crate::doctor::status::Finding;

/// Why the replicas do not change; none where they do, or are what the metrics ask for.
pub fn finding(evidence: &Evidence, hpa: &Value, decision: &Decision<'_>, seen: &str) -> Option<Finding> {
    let metric = decision.decisive();
    let asks = metric.map(|metric| format!("{} {}", metric.name, arithmetic::asks(metric, &decision.behavior)));
    let asks = asks.unwrap_or_default();
    let explained = |cause, why: &str, advice: String, command: Option<Command>| {
        Some(Finding::new(cause, format!("{seen}; {why}"), advice, command))
    };
    match decision.held {
        Held::Changes | Held::AtTarget | Held::Unknown => None,
        Held::Zero(by) => {
            let when = match by {
                ScalesToZero::Hpa => "the HPA scales out as soon as its External or Object metric is above 0",
                ScalesToZero::Keda => "KEDA starts the first pod as soon as a trigger is active",
            };
            let why = format!("{} scaled the workload to 0", by.name());
            explained(Cause::ScaledToZero, &why, format!("Nothing needs to be fixed: {when}."), None)
        }
        Held::Maximum => Some(at_maximum(evidence, decision, seen, &asks)),
        Held::Minimum => {
            let advice =
                format!("Nothing needs to be fixed. To have fewer than {} replicas, lower the minimum.", decision.min);
            explained(Cause::AtMinimum, &format!("{asks}; the minimum is {}", decision.min), advice, None)
        }
        Held::Tolerance => {
            let ratio = metric.and_then(|metric| metric.proposal).map_or(1.0, |proposal| proposal.ratio);
            let tolerance = tolerance(&decision.behavior, ratio);
            let more = if ratio > 1.0 { "more" } else { "fewer" };
            let change = if ratio > 1.0 { "lower" } else { "raise" };
            let advice = format!(
                "Nothing needs to be fixed: the HPA ignores a difference of {tolerance} %. To get {more} replicas, {change} \
                 the target."
            );
            explained(Cause::WithinTolerance, &asks, advice, None)
        }
        Held::Rounding => {
            let why = format!("{asks}, since {}", arithmetic::rounding(decision));
            let advice =
                "Nothing needs to be fixed: the HPA rounds up. To have fewer replicas at this load, raise the target.";
            explained(Cause::RoundedUp, &why, advice.to_owned(), None)
        }
        Held::Damping => {
            let advice = "Wait until every pod is ready and has a value. Until then the HPA assumes the value that holds the \
                          change back.";
            explained(Cause::PodsDamp, &asks, advice.to_owned(), None)
        }
        Held::Disabled(direction) => Some(disabled(evidence, hpa, &format!("{seen}; {asks}"), direction)),
        Held::Stabilized(direction) => Some(stabilized(evidence, hpa, decision, &format!("{seen}; {asks}"), direction)),
        Held::Limited(direction) => {
            let why = format!("{asks}; {} is limited to {}", direction.noun(), limit(&decision.behavior, direction));
            let advice = format!(
                "Nothing needs to be fixed: the HPA gets there step by step. For larger steps, change the policies in \
                 spec.behavior.{}.",
                direction.field()
            );
            explained(Cause::RateLimited, &why, advice, None)
        }
    }
}

fn at_maximum(evidence: &Evidence, decision: &Decision<'_>, seen: &str, asks: &str) -> Finding {
    let (max, needed) = (decision.max, decision.wanted().unwrap_or(decision.max));
    // The present value may be a short peak.
    let enough = needed.min(max.saturating_mul(2));
    let command = maximum(evidence, enough.into());
    let bound = if enough < needed { format!(" The command sets twice the maximum, {enough}.") } else { String::new() };
    let advice = format!(
        "The load needs {needed} replicas now. If that lasts, and the cluster has room for them, raise the maximum. Or make \
         each pod serve more.{bound}"
    );
    Finding::new(Cause::AtMaximum, format!("{seen}; {asks}; the maximum is {max}"), advice, command)
}

/// A direction is switched off: where a `ScaledObject` owns the HPA, in its own field.
fn disabled(evidence: &Evidence, hpa: &Value, seen: &str, direction: Direction) -> Finding {
    let (field, noun) = (direction.field(), direction.noun());
    let scaled = evidence.scaled_object.seen();
    let base = if scaled.is_some() { "/spec/advanced/horizontalPodAutoscalerConfig" } else { "/spec" };
    let path = format!("{base}/behavior/{field}/selectPolicy");
    let object = scaled.unwrap_or(hpa);
    let command = (object.pointer(&path).is_some_and(|written| written == "Disabled")).then(|| {
        patch(object, &json!([{"op": "test", "path": path, "value": "Disabled"}, {"op": "remove", "path": path}]))
    });
    let seen = format!("{seen}; spec.behavior.{field}.selectPolicy is Disabled");
    let advice = format!(
        "If {noun} is meant to be off, nothing needs to be fixed. Otherwise remove `{}: Disabled` from {}.",
        path[1..].replace('/', "."),
        titled(object)
    );
    Finding::new(Cause::DirectionDisabled, seen, advice, command)
}

/// An earlier recommendation holds the change back.
fn stabilized(evidence: &Evidence, hpa: &Value, decision: &Decision<'_>, seen: &str, direction: Direction) -> Finding {
    let window = rules(&decision.behavior, direction).stabilization_seconds;
    let current = decision.current;
    let held = match direction {
        Direction::In => format!("a recommendation of {current} or more"),
        Direction::Out => format!("a recommendation of {current} or fewer"),
    };
    let age = age(hpa, evidence.taken);
    // The controller takes the replicas that it finds as its first recommendation.
    let (young, first) = if age < window {
        let young =
            format!(" (the HPA is {age:.0} s old, and took the replicas that it found for its first recommendation)");
        (young, format!(" in {:.0} s if no later recommendation was like it, and", window - age))
    } else {
        Default::default()
    };
    let seen = format!("{seen}; within the last {window:.0} s there was {held}{young}");
    let advice = format!(
        "Nothing needs to be fixed: at this load, {} follows{first} in {window:.0} s at most. To react sooner, lower \
         spec.behavior.{}.stabilizationWindowSeconds.",
        direction.noun(),
        direction.field()
    );
    Finding::new(Cause::Stabilised, seen, advice, None)
}
