//! Commands that change a trigger of the `ScaledObject`.

use serde_json::{Value, json};

use super::Command;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, Subject, trigger_number};
use crate::doctor::fixes::kubectl::patch_item;
use crate::doctor::objects::{list, text};

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
        // An add replaces what is there.
        let set = fields.map(|(name, value)| json!({"op": "add", "path": path(name), "value": value}));
        patch_item(self.object, &path("query"), &self.spec["metadata"]["query"], set)
    }
}

pub fn trigger<'a>(object: &'a Value, metric: &Metric) -> Option<Trigger<'a>> {
    let place = trigger_number(&metric.name)?;
    list(object, "/spec/triggers").get(place).map(|spec| Trigger { object, place, spec })
}

/// What has the trigger read only the series that this matcher takes as well.
pub fn narrowed(evidence: &Evidence, subject: &Subject, matcher: &str) -> Option<Command> {
    let (metric, series) = (subject.metric.as_ref()?, subject.series.as_deref()?);
    let trigger = trigger(evidence.scaled_object.seen()?, metric)?;
    let query = trigger.field("query");
    let places = [
        (format!("{series}{{"), format!("{series}{{{matcher},")),
        (format!("{series}["), format!("{series}{{{matcher}}}[")),
    ];
    let (from, to) = places.into_iter().find(|(from, _)| query.matches(from.as_str()).count() == 1)?;
    Some(trigger.with(&query.replace(&from, &to), &[]))
}
