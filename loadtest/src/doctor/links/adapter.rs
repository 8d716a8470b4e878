//! What prometheus-adapter makes the HPA's metric of.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::objects::{lives, name};
use super::promql::{selectors, window};
use super::subject::{Made, Metric, Source};
use crate::doctor::evidence::{Evidence, Read};
use crate::doctor::questions::configuration;

/// The series, the query and its window, by the adapter's own rules: of those that make a metric of this name the last
/// counts, as it does for the adapter.
pub fn made(evidence: &Evidence, metric: &Metric) -> Made {
    let document = configuration(evidence).and_then(|text| serde_saphyr::from_str::<Value>(text).ok());
    let document = document.unwrap_or_default();
    let key = if metric.source == Source::AdapterExternal { "externalRules" } else { "rules" };
    let rules = document[key].as_array().into_iter().flatten();
    let mut found = rules.filter_map(|rule| {
        let series =
            names(evidence, rule).into_iter().rfind(|series| renamed(rule, series).as_deref() == Some(&metric.name))?;
        Some((rule, series))
    });
    found.next_back().map_or_else(Made::default, |(rule, series)| {
        let query = rendered(evidence, metric, rule, &series);
        let found_by = rule["seriesQuery"].as_str().and_then(|query| selectors(query).pop());
        let found_by = found_by.map(|selector| selector.matchers).unwrap_or_default();
        Made { window: query.as_deref().and_then(window), query, found_by, series: Some(series) }
    })
}

/// The names of the series that a rule takes: the one that it asks for, and those that Prometheus has answered.
fn names(evidence: &Evidence, rule: &Value) -> BTreeSet<String> {
    let Some(query) = rule["seriesQuery"].as_str() else { return BTreeSet::new() };
    let asked = selectors(query).into_iter().map(|selector| selector.name);
    let replicas = evidence.prometheus.replicas.iter();
    let answered = replicas.filter_map(|replica| replica.series.get(query)).flat_map(Read::items);
    asked.chain(answered.filter_map(|labels| labels.get("__name__").cloned())).collect()
}

/// The metric's name for a series.
fn renamed(rule: &Value, series: &str) -> Option<String> {
    let text = |key: &str| rule["name"][key].as_str().filter(|text| !text.is_empty());
    let pattern = Regex::new(text("matches").unwrap_or(".*")).ok()?;
    let written = text("as").unwrap_or(if pattern.captures_len() > 1 { "$1" } else { "$0" });
    let captures = pattern.captures(series)?;
    let mut name = String::new();
    captures.expand(written, &mut name);
    Some(name)
}

/// The rule's query, of the pods or of the described object.
fn rendered(evidence: &Evidence, metric: &Metric, rule: &Value, series: &str) -> Option<String> {
    let label = |resource: &str| {
        let overrides = rule["resources"]["overrides"].as_object().into_iter().flatten();
        let is_it = |told: &str| told == resource || told.strip_suffix('s') == Some(resource);
        let mut named = overrides.filter(|(_, told)| told["resource"].as_str().is_some_and(is_it));
        let by_template = || Some(rule["resources"]["template"].as_str()?.replace("<<.Resource>>", resource));
        named.next().map(|(label, _)| label.clone()).or_else(by_template)
    };
    let namespaced = rule["resources"]["namespaced"] != false;
    let mut matchers = Vec::new();
    if let Some(label) = label("namespace").filter(|_| namespaced) {
        matchers.push(format!("{label}=\"{}\"", evidence.namespace));
    }
    let object = &metric.spec["object"]["describedObject"];
    let (resource, names) = match metric.spec["type"].as_str()? {
        "Pods" => ("pod".to_owned(), evidence.pods.items().iter().filter(|pod| lives(pod)).map(name).collect()),
        "Object" => (object["kind"].as_str()?.to_lowercase(), vec![object["name"].as_str()?]),
        _ => (String::new(), Vec::new()),
    };
    let mut group = String::new();
    if !names.is_empty() {
        group = label(&resource)?;
        let operator = if names.len() > 1 { "=~" } else { "=" };
        matchers.push(format!("{group}{operator}\"{}\"", names.join("|")));
    }
    let template = rule["metricsQuery"].as_str()?;
    let fields = [("Series", series), ("LabelMatchers", &matchers.join(",")), ("GroupBy", &group)];
    let filled = fields.iter().fold(template.to_owned(), |text, (field, value)| {
        text.replace(&format!("<<.{field}>>"), value).replace(&format!("<< .{field} >>"), value)
    });
    (!filled.contains("<<")).then_some(filled)
}
