//! The rule's query: its window, and whether each pod has its own value in the result.

use serde_json::Value;

use crate::autoscaling::duration;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::{intervals, server};
use crate::doctor::findings::rule::Config;
use crate::doctor::objects::titled;
use crate::doctor::status::{Finding, Status};
use crate::kube::read::Read;

pub fn check(
    evidence: &Evidence,
    subject: &Subject,
    metric: &Metric,
    config: &Config<'_>,
    works: bool,
) -> Option<Status> {
    let finding = if works { None } else { short_window(evidence, subject, metric, config) };
    let finding = finding
        .or_else(|| short_relist(evidence))
        .or_else(|| if works { None } else { ungrouped(evidence, subject, metric, config) });
    finding.map(Status::Broken)
}

/// The `metricsQuery` of the metric's rule, as it is written; none of an external rule.
fn written<'a>(subject: &Subject, metric: &Metric, config: &'a Config<'_>) -> Option<&'a str> {
    let rule = subject.rule.filter(|_| metric.source == Source::Adapter)?;
    config.field(rule, "/metricsQuery")
}

/// A window of less than two scrapes holds no rate.
fn short_window(evidence: &Evidence, subject: &Subject, metric: &Metric, config: &Config<'_>) -> Option<Finding> {
    let (_, window, scrape) = intervals::short_range(evidence, subject.query.as_deref()?)?;
    let seen = format!("{}: a window of {window} s, and a scrape every {scrape} s", titled(config.object));
    let advice = format!("Widen the window to four scrapes ({} s), or scrape more often.", 4.0 * scrape);
    let written = written(subject, metric, config);
    let commands = written.and_then(|query| {
        let (range, ..) = intervals::short_range(evidence, query)?;
        let wide = format!("[{}s]", 4.0 * scrape);
        let short = config.replaced(&range, &wide);
        Some(if short.is_empty() { config.replaced(query, &query.replace(&range, &wide)) } else { short })
    });
    Some(Finding::new(Cause::WindowTooShort, seen, advice, commands.unwrap_or_default()))
}

/// The adapter lists what had a sample within `--metrics-max-age`, which is the relist's interval where it is not given.
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
    // No command: the adapter's flags are for all who read a metric from it.
    let advice = format!(
        "The relist interval must be at least the scrape interval. Set --metrics-relist-interval={:.0}s in {}.",
        (2.0 * scrape).max(timing::RELIST_INTERVAL_OF_KUBE_PROMETHEUS),
        titled(deployment)
    );
    Some(Finding::new(Cause::GroupByDropped, seen, advice, Vec::new()))
}

/// The result has values, and none says whose it is.
fn ungrouped(evidence: &Evidence, subject: &Subject, metric: &Metric, config: &Config<'_>) -> Option<Finding> {
    if metric.source != Source::Adapter || metric.spec["type"] != "Pods" {
        return None;
    }
    let query = subject.query.as_deref()?;
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
    let written = written(subject, metric, config);
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
    fn a_query_is_grouped_by_what_the_adapter_asks_for() {
        let expected = "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)";
        assert_eq!(grouped("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m]))").as_deref(), Some(expected));
        assert_eq!(grouped("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (path)").as_deref(), Some(expected));
        assert_eq!(grouped("scalar(<<.Series>>)"), None);
    }
}
