//! The dashboard asks only for what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use super::SoFar;
use crate::journal::Second;
use crate::stats::Total;

const DASHBOARD: &str = include_str!("../../../../k8s/observability/grafana-dashboard-loadtest.yaml");

/// The names of the metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("loadtest_")).map(str::to_owned).collect()
}

/// What is served, with each metric that depends on what happened.
fn served() -> String {
    let mut total = Total::default();
    total.add(&Second {
        statuses: [(200, 1)].into(),
        failures: [("connection refused".to_owned(), 1)].into(),
        latency: vec![(1_000, 1)],
        ..Second::default()
    });
    SoFar { total, in_flight: 1 }.text()
}

#[test]
fn dashboard_and_exposition_have_the_same_metrics() {
    let served = served();
    let samples = served.lines().filter(|line| !line.starts_with('#'));
    let samples: BTreeSet<String> = samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect();
    let object: Value = serde_saphyr::from_str(DASHBOARD).unwrap();
    let dashboard: Value = serde_json::from_str(object["data"]["loadtest.json"].as_str().unwrap()).unwrap();
    let mut shown = names(&dashboard["templating"].to_string());
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let asked = names(expression);
            assert!(!asked.is_empty() && expression.contains("{job=~\"$job\"}"), "{expression}");
            for (label, grouped) in [("status", "by (status)"), ("cause", "by (cause)"), ("le", "by (le)")] {
                let has_label = |name: &str| served.contains(&format!("{name}{{{label}="));
                assert!(!expression.contains(grouped) || asked.iter().all(|name| has_label(name)), "{expression}");
            }
            shown.extend(asked);
        }
    }
    assert!(shown.is_subset(&samples), "not served: {:?}", shown.difference(&samples));
    // A histogram's sum and count are there for other questions.
    let left_out: Vec<_> = samples.difference(&shown).collect();
    let of_histogram = ["loadtest_request_duration_seconds_count", "loadtest_request_duration_seconds_sum"];
    assert_eq!(left_out, of_histogram, "served, and on no panel");
}
