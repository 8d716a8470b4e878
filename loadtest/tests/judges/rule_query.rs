//! The query that the adapter renders from its rule, and Prometheus' result.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::{Value, json};

use crate::changed::{advice_at, answers, argument, cause_at, commands_at, not_found, results, rewritten, state};
use crate::healthy::{self, ADAPTER_QUERY, TAKEN, adapter};
use crate::{broken_cause, seen};

#[test]
fn query_is_rendered_from_the_last_matching_rule() {
    let mut evidence = healthy::adapter();
    let selector = serde_json::json!({"matchLabels": {"status": "200"}});
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["pods"]["metric"]["selector"] = selector;
    let series = r#"'{__name__=~"^http_.*",pod!=""}'"#;
    let rule = |filter: &str, window: &str| {
        format!(
            "- {{seriesQuery: {series}, seriesFilters: [{{{filter}}}], resources: {{template: <<.Resource>>}}, \
             name: {{matches: ^(.*)_total$, as: '${{1}}_per_second'}}, metricsQuery: 'sum(rate(<<.Series>>\
             {{namespace=\"<<index .LabelValuesByName \"namespace\">>\",<<.LabelMatchers>>}}[{window}])) by (<<.GroupBy>>)'}}\n"
        )
    };
    // The filter of the last rule excludes the series.
    let config = format!("rules:\n{}{}", rule("is: _total$", "3m"), rule("isNot: _total$", "9m"));
    seen(&mut evidence.server.config)["data"]["config.yaml"] = Value::from(config);
    let matcher = r#"{__name__=~"^http_.*",pod!=""}"#.to_owned();
    for replica in &mut evidence.prometheus.replicas {
        replica.series = replica.series.values().map(|series| (matcher.clone(), series.clone())).collect();
    }
    let ScalingMetric { series, query, window, .. } = ScalingMetric::of(&evidence);
    let expected = "sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",status=\"200\",\
                    namespace=\"miztiik-automation-ns\",\
                    pod=~\"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp\"}[3m])) by (pod)";
    assert_eq!(
        (series.as_deref(), query.as_deref(), window),
        (Some("http_requests_total"), Some(expected), Some(180.0))
    );
}

#[test]
fn failing_neighbour_rule_is_removed() {
    let mut evidence = adapter();
    let rule = "rules:\n  - seriesQuery: 'up{'\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(up)\n";
    rewritten(&mut evidence, "rules:\n", rule);
    let why = "400: invalid parameter \"match[]\": 1:4: parse error: unexpected end of input".to_owned();
    for replica in &mut evidence.prometheus.replicas {
        let unread = Unread { what: "the series up{".to_owned(), why: why.clone(), right: None };
        replica.series.insert("up{".to_owned(), Read::Unread(unread));
    }
    // The adapter has its old list until it restarts.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    not_found(&mut evidence);
    let (cause, commands) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::AnotherRuleFails);
    let (before, after) = commands.split_once("op: replace").unwrap();
    assert!(before.contains("sum(up)") && !after.contains("sum(up)") && !after.contains("up{"), "{commands}");
    assert!(after.contains("http_requests_total"), "{commands}");
    // A timeout or an unreachable Prometheus is not the rule's fault.
    for why in ["no answer within 8 s", "503 Service Unavailable: error trying to reach service"] {
        for replica in &mut evidence.prometheus.replicas {
            let unread = Unread { what: "the series up{".to_owned(), why: why.to_owned(), right: None };
            replica.series.insert("up{".to_owned(), Read::Unread(unread));
        }
        assert_eq!(cause_at(&evidence, Link::Answer), Cause::RuleAbsent);
    }
}

#[test]
fn query_without_group_by_gets_one() {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    rewritten(&mut evidence, " by (<<.GroupBy>>)\nresourceRules", "\nresourceRules");
    results(
        &mut evidence,
        ADAPTER_QUERY.trim_end_matches(" by (pod)"),
        &[json!({"metric": {}, "value": [TAKEN, "2"]})],
    );
    let (cause, commands) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::GroupByDropped);
    let (_, after) = commands.split_once("op: replace").unwrap();
    assert!(after.contains("[2m])) by (<<.GroupBy>>)"), "{commands}");
    // The result has the label, but lacks one of the pods.
    let mut evidence = adapter();
    results(&mut evidence, ADAPTER_QUERY, &[json!({"metric": {"pod": healthy::PODS[0].0}, "value": [TAKEN, "2"]})]);
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn relist_shorter_than_the_scrape_interval_is_reported() {
    let mut evidence = adapter();
    argument(&mut evidence, 2, "--metrics-relist-interval=2s");
    let (cause, advice) = advice_at(&evidence, Link::Rule);
    assert!(cause == Cause::GroupByDropped && advice.contains("--metrics-relist-interval=60s"), "{cause:?}: {advice}");
    // A longer maximum age makes up for a short relist interval.
    argument(&mut evidence, 4, "--metrics-max-age=1m");
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn rule_window_shorter_than_two_scrapes_is_widened() {
    let mut evidence = adapter();
    rewritten(&mut evidence, "[2m]", "[5s]");
    // There is a value, so Prometheus scrapes more often than the monitor says.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    answers(&mut evidence, 200, json!({"items": []}));
    let (cause, commands) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::WindowTooShort);
    let (before, after) = commands.split_once("op: replace").unwrap();
    assert!(before.contains("[5s]") && after.contains("[20s]") && !after.contains("[5s]"), "{commands}");
    assert!(before.starts_with("kubectl -n monitoring patch configmap/adapter-config --type json -p '"), "{commands}");
    assert!(after.ends_with("\nkubectl -n monitoring rollout restart deployment prometheus-adapter"), "{commands}");
    // Another rule with the same window is not changed.
    let other = "rules:\n  - seriesQuery: other_total\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(rate(other_total[5s]))\n";
    rewritten(&mut evidence, "rules:\n", other);
    let (_, commands) = commands_at(&evidence, Link::Rule);
    let (_, after) = commands.split_once("op: replace").unwrap();
    assert!(after.contains("<<.LabelMatchers>>}[20s]") && after.contains("other_total[5s]"), "{commands}");
    for query in ["rate(<<.Series>>{<<.LabelMatchers>>}[10s])", "max_over_time(<<.Series>>{<<.LabelMatchers>>}[5s])"] {
        let mut evidence = adapter();
        rewritten(&mut evidence, "rate(<<.Series>>{<<.LabelMatchers>>}[2m])", query);
        answers(&mut evidence, 200, json!({"items": []}));
        assert_ne!(broken_cause(&evidence), Some(Cause::WindowTooShort), "{query}");
    }
}
