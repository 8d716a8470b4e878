//! The link rule: the adapter has a rule, has read it, and the rule makes this metric from these series.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{
    answers, cause_at, commands_at, monitors_created, not_found, ready_for, rewritten, server_started, state,
    unavailable,
};
use crate::healthy::{adapter, ago};
use crate::{broken_cause, seen};

fn config_changed(evidence: &mut Evidence, seconds: f64) {
    seen(&mut evidence.server.config)["metadata"]["managedFields"] = json!([
        {"manager": "kubectl", "operation": "Update", "time": ago(seconds), "fieldsV1": {"f:data": {"f:config.yaml": {}}}},
    ]);
}

#[test]
fn adapter_older_than_its_rules_is_restarted() {
    let mut evidence = adapter();
    config_changed(&mut evidence, 60.0);
    // The adapter serves the metric, so the change does not matter.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    not_found(&mut evidence);
    let restart = "kubectl -n monitoring rollout restart deployment prometheus-adapter".to_owned();
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::RuleAbsent, restart));
    // The pods have just become ready, so there were no series to list.
    ready_for(&mut evidence, 15.0);
    assert_eq!(state(&evidence, Link::Rule), State::Pending);
    ready_for(&mut evidence, 1200.0);
    // The adapter is being restarted.
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(1);
    config_changed(&mut evidence, 2.0);
    server_started(&mut evidence, 3.0);
    assert_eq!(state(&evidence, Link::Rule), State::Pending);
    // The adapter started in the same second as the change, so only its answer shows whether it has read the rules.
    seen(&mut evidence.server.deployment)["status"]["unavailableReplicas"] = json!(0);
    config_changed(&mut evidence, 200.0);
    server_started(&mut evidence, 200.0);
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::RuleAbsent);
    // The adapter has just started and serves no custom metrics API: it has no rules, and no relist will change that.
    let mut evidence = adapter();
    config_changed(&mut evidence, 2.0);
    server_started(&mut evidence, 5.0);
    not_found(&mut evidence);
    assert_eq!(state(&evidence, Link::Rule), State::Pending);
    let found_nothing = "bad status from https://10.0.0.1:443: 404";
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 5.0);
    assert_eq!(cause_at(&evidence, Link::Rule), Cause::RuleAbsent);
    // After half a minute the cause is still the missing rule, not an unreachable server.
    server_started(&mut evidence, 33.0);
    config_changed(&mut evidence, 30.0);
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 31.0);
    assert_eq!(cause_at(&evidence, Link::Rule), Cause::RuleAbsent);
    // After another restart, the API server's condition is out of date.
    server_started(&mut evidence, 6.0);
    unavailable(&mut evidence, "FailedDiscoveryCheck", found_nothing, 60.0);
    assert_eq!(broken_cause(&evidence), None);
    // The adapter lists the metric by an older rule that nobody has changed.
    let mut evidence = adapter();
    config_changed(&mut evidence, 86_400.0);
    server_started(&mut evidence, 90_000.0);
    answers(&mut evidence, 200, json!({"items": []}));
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::PodsNotCounted);
}

#[test]
fn missing_rule_is_added_to_the_configuration() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    let text = evidence.server.config.seen().unwrap()["data"]["config.yaml"].as_str().unwrap().to_owned();
    let resources = text.find("resourceRules:").unwrap();
    for (head, added) in [
        (
            "rules:\n  - {seriesQuery: other_total, resources: {template: <<.Resource>>}}\n",
            "value: |\n    rules:\n      - {seriesQuery: http_requests_total",
        ),
        ("", "value: |\n    rules: [{seriesQuery: http_requests_total"),
    ] {
        seen(&mut evidence.server.config)["data"]["config.yaml"] = json!(format!("{head}{}", &text[resources..]));
        let (cause, commands) = commands_at(&evidence, Link::Rule);
        assert_eq!(cause, Cause::RuleAbsent, "{commands}");
        assert!(commands.contains(added) && commands.contains("seriesQuery: http_requests_total"), "{commands}");
        assert!(commands.ends_with("rollout restart deployment prometheus-adapter"), "{commands}");
    }
}

#[test]
fn refused_configuration_is_rule_absent() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "seriesQuery:", "seriesquery:");
    assert_eq!(cause_at(&evidence, Link::Rule), Cause::RuleAbsent);
}

#[test]
fn rule_with_another_metric_name_gets_a_patch() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "${1}_per_second", "${1}_rate");
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::NameMissesRule);
    assert!(
        command.contains(
            r#"[{"op":"test","path":"/spec/metrics/0/pods/metric/name","value":"http_requests_per_second"},{"op":"replace","path":"/spec/metrics/0/pods/metric/name","value":"http_requests_rate"}]"#
        ),
        "{command}"
    );
    rewritten(&mut evidence, "${1}_rate", "${1}_per_second");
    rewritten(&mut evidence, "^(.*)_total", "^(.*)_count$");
    let (cause, commands) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::NameMissesRule);
    let (before, after) = commands.split_once("op: replace").unwrap();
    assert!(before.contains("matches: ^(.*)_count$") && after.contains("matches: ^(.*)_total$"), "{commands}");
    // Another pattern that makes the right name is fine.
    let mut evidence = adapter();
    rewritten(&mut evidence, "^(.*)_total", "^(http_.*)_total$");
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

/// Makes the rule take any series, of which neither Prometheus nor the pods' pages have one.
fn any_series(evidence: &mut Evidence) {
    rewritten(evidence, "http_requests_total{namespace!=\"\",pod!=\"\"}", "'{__name__=~\"^http_.*\",pod!=\"\"}'");
    for replica in &mut evidence.prometheus.replicas {
        replica.series.clear();
    }
    for page in &mut evidence.pages {
        (page.first, page.second) = (Read::Seen("up 1\n".to_owned()), Read::Seen("up 1\n".to_owned()));
    }
    not_found(evidence);
}

#[test]
fn rule_for_any_series_without_one_is_counter_absent() {
    let mut evidence = adapter();
    any_series(&mut evidence);
    let finding = crate::found(&evidence, Cause::CounterAbsent);
    assert!(finding.evidence.contains("http_requests_total"), "{finding:?}");
    // The pages are unreadable, and the new pods have not been scraped.
    evidence.pages.clear();
    for replica in &mut evidence.prometheus.replicas {
        replica.targets = Read::Seen(Vec::new());
        replica.queries.clear();
    }
    ready_for(&mut evidence, 8.0);
    monitors_created(&mut evidence, 20.0);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn added_rule_does_not_use_a_counter_with_a_similar_name() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "seriesQuery: http_requests_total", "seriesQuery: orders_total");
    for (page, counters) in [("", 1), ("# TYPE http_requests counter\nhttp_requests 1\n", 2)] {
        for read in &mut evidence.pages {
            let text = format!("{page}{}", seen(&mut read.second).replace("_in_flight", ""));
            let text = format!("# TYPE http_requests_in_flight_total counter\nhttp_requests_in_flight_total 1\n{text}");
            read.second = Read::Seen(text);
        }
        let (cause, commands) = commands_at(&evidence, Link::Rule);
        assert_eq!(cause, Cause::RuleAbsent);
        // With two candidates, neither is chosen.
        assert_eq!(commands.contains("seriesQuery: http_requests_total"), counters == 1, "{commands}");
        assert!(!commands.contains("in_flight"), "{commands}");
    }
}

#[test]
fn rule_without_label_mapping_gets_overrides() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    rewritten(&mut evidence, "http_requests_total{namespace!=\"\",pod!=\"\"}", "http_requests_total");
    for replica in &mut evidence.prometheus.replicas {
        let (_, mut series) = replica.series.pop_first().unwrap();
        for labels in seen(&mut series) {
            for label in ["namespace", "pod"] {
                let value = labels.remove(label).unwrap();
                labels.insert(format!("kubernetes_{label}"), value);
            }
        }
        replica.series.insert("http_requests_total".to_owned(), series);
    }
    let (cause, commands) = commands_at(&evidence, Link::Rule);
    let overrides = "overrides: {kubernetes_namespace: {resource: namespace}, kubernetes_pod: {resource: pod}}";
    assert_eq!((cause, commands.contains(overrides)), (Cause::LabelsMissing, true), "{commands}");
}
