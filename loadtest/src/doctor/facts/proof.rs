//! Whether the metrics API's value proves that the links before it work.

use serde_json::Value;

use super::early::settled;
use super::freshness::is_stale;
use super::targets::{Ours, result};
use super::{adapter, scaled_object, values};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;

/// Whether the metrics API has a value that comes from the pods as they are now: then whatever brings it works, even if it
/// is nothing that the doctor knows. A fallback proves nothing. Nor does a value that outlives its series, or one without
/// some of the pods.
pub fn has_current_value(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    if values::works(evidence, scaling) != Some(true) || scaled_object::falls_back(evidence) {
        return false;
    }
    // KEDA reads an empty result as 0.
    let number = |sample: &&Value| sample["value"][1].as_str()?.parse::<f64>().ok().filter(|number| number.is_finite());
    let answered = scaling.query.as_deref().and_then(|query| result(evidence, query));
    if answered.is_some_and(|found| found.iter().find_map(number).is_none()) {
        return false;
    }
    let Some(selector) = &scaling.selector else { return true };
    // Without an answer of Prometheus, the API's value is all there is.
    let Some(found) = result(evidence, &selector.text()) else { return true };
    if found.is_empty() || is_stale(evidence, scaling) || adapter::lists_none(evidence, scaling) {
        return false;
    }
    let pods = Ours::of(evidence);
    let has = |pod: &str| found.iter().any(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    let settled = settled(evidence, scaling);
    let is_of_pods = scaling.is_of_each_pod() || settled.iter().any(|pod| has(pod));
    !is_of_pods || settled.iter().all(|pod| has(pod))
}
