//! How often each link reads the one before it: the scrape interval and the relist interval.

use serde_json::Value;

use super::monitors;
use crate::autoscaling::adapter_rules::flags;
use crate::autoscaling::promql::{ranges_of_rates, seconds};
use crate::autoscaling::{duration, timing};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::objects::{name, text};

/// Seconds between two scrapes of the pods: as Prometheus' targets say, or else the monitors of the pods' Services.
/// None where neither could be read.
pub fn scrape(evidence: &Evidence) -> Option<f64> {
    let pods: Vec<_> = evidence.pods.items().iter().map(name).collect();
    let ours = |target: &&Value| {
        let pod = target.pointer("/discoveredLabels/__meta_kubernetes_pod_name").or(target.pointer("/labels/pod"));
        pod.and_then(Value::as_str).is_some_and(|pod| pods.contains(&pod))
    };
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| replica.targets.items());
    let intervals = targets.filter(ours).filter_map(|target| duration::prometheus(text(target, "/scrapeInterval")));
    // A pod may be scraped by several jobs, of which the fastest decides what a window holds. Not every Prometheus says.
    intervals.filter(|seconds| *seconds > 0.0).reduce(f64::min).or_else(|| monitors::interval(evidence))
}

/// The first range of a query's rates that holds less than two scrapes, in brackets as it is written; its seconds; and
/// those between two scrapes. A range of two may hold two samples, and loses one when a scrape is late.
pub fn short_range(evidence: &Evidence, query: &str) -> Option<(String, f64, f64)> {
    let scrape = scrape(evidence)?;
    let ranges = ranges_of_rates(query).into_iter().filter_map(|range| Some((range, seconds(range.trim())?)));
    let (range, window) = ranges.into_iter().find(|(_, window)| *window < 2.0 * scrape)?;
    Some((format!("[{range}]"), window, scrape))
}

/// Seconds between two listings of the adapter; 0 where KEDA serves the metric, and where none is listed.
pub fn relist(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    match scaling.metric.as_ref().map(|metric| metric.source) {
        Some(Source::Adapter | Source::AdapterExternal) => {
            evidence.server.deployment.seen().map_or(timing::RELIST_INTERVAL, flags::relist_interval)
        }
        _ => 0.0,
    }
}
