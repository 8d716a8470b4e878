//! What prometheus-adapter makes the HPA's metric of.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use crate::autoscaling::adapter_rules::{self, Api, GroupResource, Rule, Rules, Series, usual_counters};
use crate::autoscaling::exposition::names_of;
use crate::autoscaling::promql::selectors;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pages::counters;
use crate::doctor::facts::pods::living;
use crate::doctor::facts::requests::{group_of, plural, rules};
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::objects::name;
use crate::kube::read::Read;

/// The series, the query and its window, by the adapter's own rules: of those that make a metric
/// of this name the last counts whose series is there. Where none is there, the last that names its series, takes one of
/// a pod's own page, or would take the usual counter, tells what is to be looked for.
pub fn made(evidence: &Evidence, metric: &Metric) -> ScalingMetric {
    let Some(rules) = rules(evidence) else { return ScalingMetric::default() };
    let rules = of_kind(&rules, metric);
    let makes = |rule: &Rule, series: &str| rule.makes(&metric.name, series);
    let there =
        |rule: &Rule| answered(evidence, rule).into_iter().rfind(|series| makes(rule, series)).map(str::to_owned);
    let named = |rule: &Rule| rule.series_name().filter(|series| makes(rule, series)).map(str::to_owned);
    let texts = evidence.pages.iter().filter_map(|page| page.first.seen());
    let on_pages: BTreeSet<&str> = texts.flat_map(|text| names_of(text)).collect();
    let counted = |rule: &Rule| on_pages.iter().copied().rfind(|series| makes(rule, series)).map(str::to_owned);
    // Where a rule has none at all of its series, neither here nor there: the counter that it would take.
    let expected = |rule: &Rule| {
        let takes = |counter: &&str| rule.metric_of(counter).is_some();
        let none = answered(evidence, rule).is_empty() && !counters(evidence).iter().any(takes);
        usual_counters(&metric.name).filter(|_| none).find(|series| makes(rule, series))
    };
    let last = |of: &dyn Fn(&Rule) -> Option<String>| {
        rules.iter().enumerate().rev().find_map(|(number, rule)| Some((number, rule, of(rule)?)))
    };
    let found = last(&there).or_else(|| last(&named)).or_else(|| last(&counted)).or_else(|| last(&expected));
    let Some((number, rule, series)) = found else { return ScalingMetric::default() };
    let matchers = selectors(rule.series_matcher()).pop().map(|selector| selector.matchers).unwrap_or_default();
    let query = query(evidence, metric, rule, &series);
    ScalingMetric {
        window: rule.window(),
        query,
        matchers,
        series: Some(series),
        rule: Some(number),
        ..ScalingMetric::default()
    }
}

/// The rules among which a metric's own is.
fn of_kind<'a>(rules: &'a Rules, metric: &Metric) -> &'a [Rule] {
    rules.of(if metric.source == Source::AdapterExternal { Api::External } else { Api::Pods })
}

/// Whether Prometheus has no series that is new enough for the adapter to list it, of the rule that makes the metric. A
/// query still finds one for five minutes after its last scrape.
pub fn lists_none(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    let (Some(rules), Some(metric), Some(number)) = (rules(evidence), &scaling.metric, scaling.rule) else {
        return false;
    };
    of_kind(&rules, metric).get(number).is_some_and(|rule| {
        let mut answers = answers(evidence, rule).filter_map(Read::seen).peekable();
        answers.peek().is_some() && answers.all(Vec::is_empty)
    })
}

/// What each replica of Prometheus answers to a rule's `seriesQuery`.
fn answers<'a>(evidence: &'a Evidence, rule: &Rule) -> impl Iterator<Item = &'a Read<Vec<BTreeMap<String, String>>>> {
    evidence.prometheus.replicas.iter().filter_map(|replica| replica.series.get(rule.series_matcher()))
}

/// The names of the series that Prometheus answers to a rule.
fn answered<'a>(evidence: &'a Evidence, rule: &Rule) -> BTreeSet<&'a str> {
    let series = answers(evidence, rule).flat_map(Read::items);
    series.filter_map(|labels| labels.get("__name__").map(String::as_str)).collect()
}

/// The rule's query, of the pods or of the described object; none where the adapter refuses it.
fn query(evidence: &Evidence, metric: &Metric, rule: &Rule, series: &str) -> Option<String> {
    let (kind, namespace) = (metric.spec["type"].as_str()?, evidence.namespace.as_str());
    let selector = LabelSelector::deserialize(&metric.spec[kind.to_lowercase()]["metric"]["selector"]).ok();
    if kind == "External" {
        return rule.external_query(series, namespace, selector.as_ref()).ok();
    }
    let object = &metric.spec["object"]["describedObject"];
    let (version, kind, names) = if kind == "Pods" {
        ("v1", "Pod", living(evidence).map(name).collect())
    } else {
        (object["apiVersion"].as_str().unwrap_or("v1"), object["kind"].as_str()?, vec![object["name"].as_str()?])
    };
    let group = group_of(version);
    let resource = GroupResource { group: group.to_owned(), resource: plural(evidence, version, kind) };
    let namespaced = !(group.is_empty() && kind == "Namespace");
    let asked = adapter_rules::Metric { resource, namespaced, name: metric.name.clone() };
    rule.query(series, &asked, if namespaced { namespace } else { "" }, &names, selector.as_ref()).ok()
}

/// Whether one of these rules makes the metric of pods.
pub fn has_rule(evidence: &Evidence, rules: &[Rule], metric: &str) -> bool {
    let listed = format!("pods/{metric}");
    rules
        .iter()
        .any(|rule| rule.metrics(&series(evidence, rule, |_| true)).keys().any(|made| made.to_string() == listed))
}

/// The series that Prometheus answered to a rule's `seriesQuery`.
pub fn series(evidence: &Evidence, rule: &Rule, wanted: impl Fn(&Series) -> bool) -> Vec<Series> {
    answers(evidence, rule).flat_map(Read::items).cloned().map(Series::from).filter(wanted).collect()
}

/// Why the Deployment that serves the metrics API is not known.
pub fn unknown(evidence: &Evidence) -> String {
    let server = &evidence.server;
    let unread = [&server.api_service, &server.service, &server.deployment].into_iter().find_map(Read::unread);
    match unread.or(server.candidates.unread()) {
        Some(unread) => unread.reason(),
        None if server.api_service.seen().is_none() => "there is no APIService of the metric".to_owned(),
        None => "no Deployment is known to serve the metrics API".to_owned(),
    }
}
