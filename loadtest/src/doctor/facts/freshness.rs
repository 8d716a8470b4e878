//! The age of the counter's samples: Prometheus answers queries with the last sample for five minutes, also after it has
//! stopped scraping.

use serde_json::Value;

use super::targets::result;
use crate::autoscaling::timing;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;

/// What Prometheus is asked for the age of the newest sample, and for the number of samples in five minutes.
pub fn queries(scaling: &ScalingMetric) -> Option<[String; 2]> {
    let selector = scaling.selector.as_ref()?.text();
    Some([format!("timestamp({selector})"), format!("count_over_time({selector}[{:.0}s])", timing::LOOKBACK)])
}

/// Seconds since the newest sample, and those between two samples before.
pub fn ages(evidence: &Evidence, scaling: &ScalingMetric) -> Option<(f64, f64)> {
    let [newest, count] = queries(scaling)?;
    let number = |sample: &Value| sample["value"][1].as_str()?.parse::<f64>().ok();
    let age = |sample: &&Value| Some(sample["value"][0].as_f64()? - number(sample)?);
    let age = result(evidence, &newest)?.iter().filter_map(age).reduce(f64::min)?;
    let most = result(evidence, &count)?.into_iter().filter_map(number).reduce(f64::max)?;
    Some((age, timing::LOOKBACK / most.max(1.0)))
}

/// Whether no new sample has come for so long that none will.
pub fn is_stale(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    ages(evidence, scaling).is_some_and(|(age, interval)| age > 3.0 * interval + timing::SAMPLE_SLACK)
}
