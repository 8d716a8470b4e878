//! What the dashboard, the alerts and KEDA ask Prometheus for.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;
use shopfront::app::Endpoint;
use shopfront::metrics::Metrics;

use crate::custom::{Custom, PrometheusRuleSpec, ScaledObjectSpec};
use crate::objects::{NAMESPACE, object};

/// Series of others that expressions read: Prometheus itself, and kube-state-metrics.
const FOREIGN_SERIES: [&str; 7] = [
    "up",
    "kube_deployment_status_replicas_ready",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "kube_horizontalpodautoscaler_spec_min_replicas",
    "kube_horizontalpodautoscaler_status_condition",
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_horizontalpodautoscaler_status_desired_replicas",
];

/// Every expression of the dashboard, the alerts and KEDA, with the place it stands in.
fn expressions() -> Vec<(String, String)> {
    let dashboard: ConfigMap = object("observability/grafana-dashboard.yaml", "ConfigMap");
    let dashboard: Value =
        serde_json::from_str(&dashboard.data.unwrap()["shopfront.json"]).expect("the dashboard is JSON");
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push((panel["title"].to_string(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    let rules: Custom<PrometheusRuleSpec> = object("observability/prometheus-rule.yaml", "PrometheusRule");
    for alert in rules.spec.groups.into_iter().flat_map(|group| group.rules) {
        assert!(!alert.annotations.runbook.is_empty() && !alert.labels.severity.is_empty(), "{}", alert.name);
        expressions.push((alert.name, alert.expr));
    }
    let scaled: Custom<ScaledObjectSpec> = object("keda/scaledobject.yaml", "ScaledObject");
    expressions.extend(scaled.spec.triggers.into_iter().map(|trigger| ("KEDA".to_owned(), trigger.metadata.query)));
    expressions
}

/// The names of the series that an expression reads: the words outside of strings, selectors, ranges and groupings
/// that are no function.
fn series_of(expression: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 4] = ["by", "on", "or", "offset"];
    let mut names = BTreeSet::new();
    let mut rest = expression;
    let mut grouping = false;
    while let Some(first) = rest.chars().next() {
        let end = |close: char| rest.find(close).map_or(rest.len(), |at| at + 1);
        if first == '{' || first == '[' || (first == '(' && grouping) {
            rest = &rest[end(match first {
                '{' => '}',
                '[' => ']',
                _ => ')',
            })..];
            grouping = false;
        } else if first.is_ascii_alphabetic() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            grouping = word == "by" || word == "on";
            if !KEYWORDS.contains(&word) && !after.starts_with('(') && !after.starts_with(" by") {
                names.insert(word.to_owned());
            }
            rest = after;
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    names
}

#[tokio::test]
async fn expressions_read_only_series_that_exist() {
    let rendered = String::from_utf8(Metrics::new().render().to_vec()).unwrap();
    let own: BTreeSet<_> = rendered
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    for (place, expression) in expressions() {
        let names = series_of(&expression);
        assert!(!names.is_empty(), "{place}: {expression}");
        for name in names {
            assert!(own.contains(name.as_str()) || FOREIGN_SERIES.contains(&name.as_str()), "{place}: {name}");
        }
    }
}

#[test]
fn expressions_select_by_the_names_that_the_manifests_give() {
    let name = |kind: &str| object::<Value>("shopfront.yml", kind)["metadata"]["name"].as_str().unwrap().to_owned();
    let paths: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    let known = |label: &str| match label {
        "namespace" => Some(vec![NAMESPACE.to_owned()]),
        "service" => Some(vec![name("Service")]),
        "deployment" => Some(vec![name("Deployment")]),
        "horizontalpodautoscaler" => Some(vec![name("HorizontalPodAutoscaler")]),
        "path" => Some(paths.iter().map(ToString::to_string).collect()),
        _ => None,
    };
    for (place, expression) in expressions() {
        let mut selectors = expression.split('{').skip(1).peekable();
        assert!(selectors.peek().is_some(), "{place}: {expression}");
        for selector in selectors {
            let selector = selector.split('}').next().unwrap();
            assert!(selector.contains("namespace="), "{place}: every namespace at once");
            for matcher in selector.split(',') {
                let (label, value) = matcher.split_once('=').unwrap();
                let values = value.trim_start_matches('~').trim_matches('"').split('|');
                if let Some(known) = known(label) {
                    for value in values {
                        assert!(known.iter().any(|known| known == value), "{place}: {matcher}");
                    }
                }
            }
        }
    }
}
