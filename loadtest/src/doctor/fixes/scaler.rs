//! Commands that change what scales: the HPA, or the `ScaledObject` and its triggers.

use serde_json::{Value, json};

use super::Command;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaled_object;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric};
use crate::doctor::fixes::kubectl::{merge, patch_item};
use crate::doctor::objects::text;

/// The command that sets the maximum where the user sets it: KEDA overwrites the HPA's.
pub fn maximum(evidence: &Evidence, replicas: u64) -> Option<Command> {
    match evidence.scaled_object.seen() {
        Some(object) => Some(merge(object, &json!({"spec": {"maxReplicaCount": replicas}}))),
        None => Some(merge(evidence.hpa.seen()?, &json!({"spec": {"maxReplicas": replicas}}))),
    }
}

/// A trigger, and its place in the `ScaledObject`.
pub struct Trigger<'a> {
    pub object: &'a Value,
    pub place: usize,
    pub spec: &'a Value,
}

impl Trigger<'_> {
    /// A field of its `metadata`.
    pub fn field(&self, name: &str) -> &str {
        text(self.spec, &format!("/metadata/{name}"))
    }

    /// The command that sets its query, and other fields of its `metadata`.
    pub fn with(&self, query: &str, others: &[(&str, &str)]) -> Command {
        let path = |name: &str| format!("/spec/triggers/{}/metadata/{name}", self.place);
        let fields = [("query", query)].into_iter().chain(others.iter().copied());
        // `add` replaces an existing value.
        let set = fields.map(|(name, value)| json!({"op": "add", "path": path(name), "value": value}));
        patch_item(self.object, &path("query"), &self.spec["metadata"]["query"], set)
    }
}

/// The triggers that make a metric: several make a composite one.
pub fn triggers<'a>(object: &'a Value, metric: &Metric) -> Vec<Trigger<'a>> {
    let all = scaled_object::triggers(object, &metric.name).into_iter();
    all.map(|(place, spec)| Trigger { object, place, spec }).collect()
}

/// The trigger that the metric's counter is of: the first that queries Prometheus, else the first.
pub fn trigger<'a>(object: &'a Value, metric: &Metric) -> Option<Trigger<'a>> {
    let mut all = triggers(object, metric);
    let place = all.iter().position(|trigger| trigger.spec["type"] == "prometheus").unwrap_or(0);
    (place < all.len()).then(|| all.swap_remove(place))
}

/// The command that adds a matcher to the trigger's query.
pub fn narrowed(evidence: &Evidence, scaling: &ScalingMetric, matcher: &str) -> Option<Command> {
    let (metric, series) = (scaling.metric.as_ref()?, scaling.series.as_deref()?);
    let trigger = trigger(evidence.scaled_object.seen()?, metric)?;
    let query = trigger.field("query");
    let places = [
        (format!("{series}{{"), format!("{series}{{{matcher},")),
        (format!("{series}["), format!("{series}{{{matcher}}}[")),
    ];
    let (from, to) = places.into_iter().find(|(from, _)| query.matches(from.as_str()).count() == 1)?;
    Some(trigger.with(&query.replace(&from, &to), &[]))
}
