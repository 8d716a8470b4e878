//! The rule's query: its window, and whether each pod has its own value in the result.

use serde_json::Value;

use crate::autoscaling::duration;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::facts::{intervals, server};
use crate::doctor::findings::rule::Config;
use crate::doctor::objects::titled;
use crate::doctor::status::Finding;
use crate::kube::read::Read;

pub fn check(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    metric: &Metric,
    config: &Config<'_>,
    works: bool,
) -> Option<Finding> {
    if works {
        return short_relist(evidence);
    }
    refused(evidence, scaling, config)
        .or_else(|| short_window(evidence, scaling, metric, config))
        .or_else(|| short_relist(evidence))
        .or_else(|| ungrouped(evidence, scaling, metric, config))
}

/// Prometheus refuses the query that the adapter makes of the rule.
fn refused(evidence: &Evidence, scaling: &ScalingMetric, config: &Config<'_>) -> Option<Finding> {
    let query = scaling.query.as_deref()?;
    let why = super::refusal(evidence, query)?;
    let seen = format!("{}: {query}: Prometheus answers {why}", titled(config.object));
    let advice = "Correct the rule's metricsQuery as Prometheus' answer says, and restart the adapter.";
    Some(Finding::new(Cause::QueryRefused, seen, advice, None))
}

/// The `metricsQuery` of the metric's rule, as it is written; none of an external rule.
fn written<'a>(scaling: &ScalingMetric, metric: &Metric, config: &'a Config<'_>) -> Option<&'a str> {
    let rule = scaling.rule.filter(|_| metric.source == Source::Adapter)?;
    config.field(rule, "/metricsQuery")
}

fn short_window(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric, config: &Config<'_>) -> Option<Finding> {
    let widened = |wide: &str| {
        let query = written(scaling, metric, config)?;
        let (range, ..) = intervals::short_range(evidence, query)?;
        let short = config.replaced(&range, wide);
        Some(if short.is_empty() { config.replaced(query, &query.replace(&range, wide)) } else { short })
    };
    super::short_window(evidence, scaling.query.as_deref()?, &titled(config.object), |_, wide| {
        widened(wide).unwrap_or_default()
    })
}

/// The adapter lists series with a sample within `--metrics-max-age`. Its default is the relist interval.
fn short_relist(evidence: &Evidence) -> Option<Finding> {
    let scrape = intervals::scrape(evidence)?;
    let deployment = evidence.server.deployment.seen()?;
    let relist = server::argument(deployment, "--metrics-relist-interval")?;
    let seconds = duration::go(relist)?;
    let age = server::argument(deployment, "--metrics-max-age").and_then(duration::go);
    if age.unwrap_or(0.0).max(seconds) >= scrape {
        return None;
    }
    let seen = format!(
        "{}: --metrics-relist-interval is {}, but Prometheus scrapes every {scrape} s: the metric appears and disappears",
        titled(deployment),
        relist
    );
    // No command: all users of the adapter share its flags.
    let advice = format!(
        "The relist interval must be at least the scrape interval. Set --metrics-relist-interval={:.0}s in {}.",
        (2.0 * scrape).max(timing::RELIST_INTERVAL_OF_KUBE_PROMETHEUS),
        titled(deployment)
    );
    Some(Finding::new(Cause::GroupByDropped, seen, advice, None))
}

/// The result has values, but none with the label of a pod.
fn ungrouped(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric, config: &Config<'_>) -> Option<Finding> {
    if metric.source != Source::Adapter || metric.spec["type"] != "Pods" {
        return None;
    }
    let query = scaling.query.as_deref()?;
    let replicas = evidence.prometheus.replicas.iter();
    let results = replicas.filter_map(|replica| replica.queries.get(query)).map(Read::items);
    let result = results.into_iter().find(|result| !result.is_empty())?;
    let pods: Vec<&str> = evidence.pods.items().iter().map(crate::doctor::objects::name).collect();
    let of_a_pod = |sample: &Value| {
        let labels = sample["metric"].as_object();
        labels.is_some_and(|labels| labels.values().filter_map(Value::as_str).any(|value| pods.contains(&value)))
    };
    if result.iter().any(of_a_pod) {
        return None;
    }
    let seen = format!("{query} returns {} without the pod's label", result[0]["metric"]);
    let advice = "Make the rule's metricsQuery aggregate by (<<.GroupBy>>).";
    let written = written(scaling, metric, config);
    let commands = written.and_then(|written| Some(config.replaced(written, &grouped(written)?)));
    Some(Finding::new(Cause::GroupByDropped, seen, advice, commands.unwrap_or_default()))
}

/// The template with a `by (<<.GroupBy>>)` of its own.
fn grouped(template: &str) -> Option<String> {
    const GROUP_BY: &str = "by (<<.GroupBy>>)";
    if let Some((head, rest)) =
        [" by (", " by(", " without (", " without("].into_iter().find_map(|by| template.split_once(by))
    {
        let (_, tail) = rest.split_once(')')?;
        return Some(format!("{head} {GROUP_BY}{tail}"));
    }
    let aggregates = ["sum(", "sum (", "max(", "avg(", "min("].iter().any(|name| template.starts_with(name));
    (aggregates && template.ends_with(')')).then(|| format!("{template} {GROUP_BY}"))
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn a_query_is_grouped_by_what_the_adapter_requires() {
        let expected = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)";
        assert_eq!(grouped("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m]))").as_deref(), Some(expected));
        assert_eq!(grouped("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (path)").as_deref(), Some(expected));
        assert_eq!(grouped("scalar(<<.Series>>)"), None);
    }
}
