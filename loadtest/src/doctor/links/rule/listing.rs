//! Whether the adapter can list the metric: it needs a rule for it, and no other rule may stop the listing.

use serde_json::json;

use crate::autoscaling::adapter_rules::{Rule, Rules, Series};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::adapter::series;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::facts::targets::telling;
use crate::doctor::facts::{early, pages, requests, server};
use crate::doctor::findings::rule::Config;
use crate::doctor::fixes::kubectl::replace;
use crate::doctor::fixes::{Command, is_metric};
use crate::doctor::objects::{Hpa, list, text, titled};
use crate::doctor::status::{Finding, Status};
use crate::kube::read::{Read, Unread};

pub fn check(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    metric: &Metric,
    config: &Config<'_>,
    rules: &Rules,
) -> Result<(), Status> {
    let external = metric.source == Source::AdapterExternal;
    let all = if external { rules.external() } else { rules.custom() };
    Status::stop(fails(evidence, config, all, external))?;
    let made = |rule: &Rule| {
        let seen = series(evidence, rule, |_| true);
        if external {
            // Named as a custom metric is, whatever its labels are.
            seen.iter().any(|series| rule.metric_of(&series.name).as_deref() == Some(&metric.name))
        } else {
            rule.metrics(&seen).keys().any(|made| made.name == metric.name)
        }
    };
    if all.iter().any(made) {
        return Ok(());
    }
    let wait = early::unscraped(evidence, scaling);
    Status::stop(wait.map(|wait| wait.after("Prometheus may have no series yet")))?;
    let names: Vec<&str> = scaling.series.iter().map(String::as_str).collect();
    if !external {
        if let Some(source) = rules.for_metric(&metric.name, &names).last() {
            return Status::stop(unmapped(evidence, config, rules, source.rule, metric));
        }
        Status::stop(misnamed(evidence, metric, config, rules.custom()))?;
    }
    // A rule may make the metric of series that were not read.
    Status::stop(all.iter().find_map(|rule| unheard(evidence, rule)))?;
    let seen = format!("{}: none of its {} rules makes {}", titled(config.object), all.len(), metric.name);
    let advice = format!("Add a rule that makes {}. The adapter reads it at startup.", metric.name);
    let mut counters = pages::counters(evidence);
    counters.retain(|counter| related(counter, &metric.name));
    // Nobody but the user knows which of several counters is meant.
    let counter = counters.pop_first().map(str::to_owned).filter(|_| counters.is_empty() && !external);
    let commands = counter.map(|counter| config.with_rule(evidence, &counter, &metric.name, ["namespace", "pod"]));
    Err(Finding::new(Cause::RuleAbsent, seen, advice, commands.unwrap_or_default()).into())
}

/// Whether the adapter itself has the metric in its list, whatever its rules say now.
pub fn lists(evidence: &Evidence, metric: &Metric) -> bool {
    let answer = evidence.answers.get(&requests::listing(evidence, server::group(metric.source)));
    let mut resources = answer.into_iter().flat_map(|answer| list(&answer.body, "/resources"));
    resources.any(|resource| text(resource, "/name").rsplit('/').next() == Some(metric.name.as_str()))
}

/// A rule whose `seriesQuery` Prometheus itself rejects, with one of these codes.
fn fails(evidence: &Evidence, config: &Config<'_>, rules: &[Rule], external: bool) -> Option<Finding> {
    let refusal = |why: &str| why.starts_with("400") || why.starts_with("422");
    let refused = evidence.prometheus.replicas.iter().find_map(|replica| {
        rules.iter().enumerate().find_map(|(number, rule)| match replica.series.get(rule.series_matcher()) {
            Some(Read::Unread(unread)) if refusal(&unread.why) => Some((number, rule, unread.why.as_str())),
            _ => None,
        })
    });
    let (number, rule, why) = refused?;
    let key = if external { "externalRules" } else { "rules" };
    let seen = format!("{}: {key}[{number}].seriesQuery {}: {why}", titled(config.object), rule.series_matcher());
    let advice = "A seriesQuery that fails stops the adapter's whole listing. Fix that rule, or remove it.";
    let commands = if external { Vec::new() } else { config.removed(number) };
    Some(Finding::new(Cause::AnotherRuleFails, seen, advice, commands))
}

/// Why no replica's answer to a rule's `seriesQuery` was read, if any replica was queried.
fn unheard<'a>(evidence: &'a Evidence, rule: &Rule) -> Option<&'a Unread> {
    let mut answers =
        evidence.prometheus.replicas.iter().filter_map(|replica| replica.series.get(rule.series_matcher()));
    let first = answers.clone().find_map(Read::unread)?;
    (!answers.any(|answer| answer.seen().is_some())).then_some(first)
}

/// A rule whose names fit the metric, but whose series have none of the labels that it maps.
fn unmapped(evidence: &Evidence, config: &Config<'_>, rules: &Rules, rule: usize, metric: &Metric) -> Option<Finding> {
    let seen = series(evidence, &rules.custom()[rule], |_| true);
    let labelled = seen.iter().find_map(|series| Some((series.name.clone(), telling(evidence, &series.labels)?)));
    let first = seen.first()?;
    let labels = first.labels.keys().cloned().collect::<Vec<_>>().join(", ");
    let seen = format!(
        "{}: rules[{rule}] maps none of the labels of {} ({labels}) to the resource of {}",
        titled(config.object),
        first.name,
        metric.name
    );
    let advice = "Map the labels of the namespace and the pod in the resources.overrides of a rule.";
    let commands = labelled
        .map(|(series, [namespace, pod])| config.with_rule(evidence, &series, &metric.name, [&namespace, &pod]));
    Some(Finding::new(Cause::LabelsMissing, seen, advice, commands.unwrap_or_default()))
}

/// A rule that takes the right counter, but names it differently.
fn misnamed(evidence: &Evidence, metric: &Metric, config: &Config<'_>, rules: &[Rule]) -> Option<Finding> {
    let ours = |series: &Series| series.labels.values().any(|value| *value == evidence.namespace);
    let taken = |rule: &Rule| {
        let named = rule.series_name().map(str::to_owned);
        let seen = series(evidence, rule, ours).into_iter().map(|series| series.name);
        seen.chain(named).find(|name| related(name, &metric.name))
    };
    let found = rules.iter().enumerate().find_map(|(number, rule)| Some((number, rule, taken(rule)?)));
    let (number, rule, series) = found?;
    let place = format!("{}: rules[{number}]", titled(config.object));
    if let Some(other) = rule.metric_of(&series) {
        let seen = format!("{place} makes {other} of {series}; the HPA uses {}", metric.name);
        let advice = format!(
            "Use {other} in the HPA, if the target is in its unit. Or make the rule's name.as return {}.",
            metric.name
        );
        let command = renamed(evidence, metric, &other);
        return Some(Finding::new(Cause::NameMissesRule, seen, advice, command));
    }
    let pattern = config.field(number, "/name/matches").unwrap_or_default();
    let seen = format!("{place}.name.matches {pattern:?} does not match {series}");
    let advice = format!("Make name.matches match {series}, and name.as return {}.", metric.name);
    let stem = series.strip_suffix("_total").unwrap_or(&series);
    let fits = match config.field(number, "/name/as") {
        Some(name) if name.replace("${1}", stem).replace("$1", stem) == metric.name => Some("^(.*)_total$"),
        Some(name) if *name == metric.name => Some("^.*$"),
        _ => None,
    };
    let commands = fits.map(|fits| config.replaced(pattern, fits)).unwrap_or_default();
    Some(Finding::new(Cause::NameMissesRule, seen, advice, commands))
}

/// The command that makes the HPA use another name.
fn renamed(evidence: &Evidence, metric: &Metric, name: &str) -> Option<Command> {
    // The HPA and Prometheus accept no other names.
    let hpa = evidence.hpa.seen().filter(|_| is_metric(name))?;
    let place = Hpa(hpa).metrics().iter().position(|spec| *spec == metric.spec)?;
    let kind = metric.spec["type"].as_str()?.to_lowercase();
    let path = format!("/spec/metrics/{place}/{kind}/metric/name");
    Some(replace(hpa, &path, &json!(metric.name), &json!(name)))
}

/// Whether a metric of this name is most likely made of this series: its name is that of the series without its suffix,
/// and may end with `_per_…` or `_rate`.
fn related(series: &str, metric: &str) -> bool {
    let stem =
        ["_total", "_count", "_sum", "_bucket"].iter().find_map(|end| series.strip_suffix(end)).unwrap_or(series);
    metric.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with("_per_") || rest == "_rate")
}
