//! The values that the metrics API answers with.

use serde_json::Value;

use super::requests;
use crate::autoscaling::quantity;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::ready;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric};
use crate::doctor::objects::{list, text};
use crate::kube::read::Answer;

/// What the metrics API answered when it was asked for this metric: the path, and the answer.
pub fn answer<'a>(evidence: &'a Evidence, metric: &Metric) -> Option<(&'a str, &'a Answer)> {
    of(evidence, &metric.spec)
}

/// The same for any metric of the HPA, an item of `spec.metrics`; none of CPU and memory, which are no values of metrics.
pub fn of<'a>(evidence: &'a Evidence, spec: &Value) -> Option<(&'a str, &'a Answer)> {
    let path = Some(spec).filter(|spec| requests::group(spec) != "metrics.k8s.io");
    let (path, answer) = evidence.answers.get_key_value(&requests::metric(evidence, path?)?)?;
    Some((path, answer))
}

/// The values of an answer, each with the object that it is of; the external API names none.
pub fn values(answer: &Answer) -> Vec<(&str, f64)> {
    let items = list(&answer.body, "/items").iter();
    let value = |item: &Value| quantity::value(text(item, "/value"));
    // An Object metric is answered with a list too.
    items.filter_map(|item| Some((text(item, "/describedObject/name"), value(item)?))).collect()
}

/// Whether the API has a value of the HPA's metric now; none where it could not be asked.
pub fn works(evidence: &Evidence, scaling: &ScalingMetric) -> Option<bool> {
    let (_, answer) = answer(evidence, scaling.metric.as_ref()?)?;
    match answer.status {
        // Nobody there, or nobody who would tell us.
        0 | 401 | 403 => None,
        200 => Some(!values(answer).is_empty()),
        _ => Some(false),
    }
}

/// What the HPA reads now: of a pod, on average; of a metric whose target is a value as a whole, that.
pub fn average(evidence: &Evidence, scaling: &ScalingMetric) -> Option<f64> {
    let metric = scaling.metric.as_ref()?;
    let current = list(evidence.hpa.seen()?, "/status/currentMetrics").iter().find_map(|status| {
        let kind = ["pods", "external", "object"].into_iter().find(|kind| status[*kind].is_object())?;
        let status = &status[kind];
        let field = if whole(metric) { "/current/value" } else { "/current/averageValue" };
        (status["metric"]["name"] == *metric.name).then(|| quantity::value(text(status, field)))?
    });
    current.or_else(|| of_answer(evidence, metric))
}

/// Whether the HPA wants a value as a whole, and divides it by nothing.
fn whole(metric: &Metric) -> bool {
    ["external", "object"].into_iter().any(|kind| metric.spec[kind]["target"]["type"] == "Value")
}

#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn of_answer(evidence: &Evidence, metric: &Metric) -> Option<f64> {
    let (_, answer) = answer(evidence, metric)?;
    let values = values(answer);
    let sum: f64 = values.iter().map(|(_, value)| value).sum();
    let named = values.iter().all(|(name, _)| !name.is_empty());
    let pods = if whole(metric) {
        1
    } else if named {
        values.len()
    } else {
        ready(evidence).len()
    };
    (pods > 0 && !values.is_empty()).then(|| sum / pods as f64)
}
