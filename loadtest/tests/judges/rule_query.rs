//! The query that the adapter makes of its rule, and what Prometheus answers to it.

use loadtest::doctor::diagnosis::State;
use loadtest::doctor::facts::requests;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::{Value, json};

use crate::changed::{advised, answers, argument, cause, not_found, results, rewritten, state};
use crate::healthy::{self, TAKEN, adapter};
use crate::{named, seen};

#[test]
fn a_query_is_what_the_adapter_makes_of_its_rule() {
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
    // The last rule does not take the series.
    let config = format!("rules:\n{}{}", rule("is: _total$", "3m"), rule("isNot: _total$", "9m"));
    seen(&mut evidence.server.config)["data"]["config.yaml"] = Value::from(config);
    let matcher = requests::series(&evidence).pop_first().unwrap();
    for replica in &mut evidence.prometheus.replicas {
        replica.series = replica.series.values().map(|series| (matcher.clone(), series.clone())).collect();
    }
    let ScalingMetric { series, query, window, .. } = ScalingMetric::of(&evidence);
    let pods = healthy::PODS.map(|(pod, _)| pod).join("|");
    let namespace = format!("namespace=\"{}\"", healthy::NAMESPACE);
    let expected = format!(
        "sum(rate(http_requests_total{{{namespace},status=\"200\",{namespace},pod=~\"{pods}\"}}[3m])) by (pod)"
    );
    assert_eq!((series.as_deref(), query, window), (Some("http_requests_total"), Some(expected), Some(180.0)));
}

#[test]
fn another_rule_whose_query_fails() {
    let mut evidence = adapter();
    let rule = "rules:\n  - seriesQuery: 'up{'\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(up)\n";
    rewritten(&mut evidence, "rules:\n", rule);
    let why = "400: invalid parameter \"match[]\": 1:4: parse error: unexpected end of input".to_owned();
    for replica in &mut evidence.prometheus.replicas {
        let unread = Unread { what: "the series up{".to_owned(), why: why.clone(), right: None };
        replica.series.insert("up{".to_owned(), Read::Unread(unread));
    }
    // As long as it was not restarted, it has its old list.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    not_found(&mut evidence);
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 12);
    let (before, after) = commands.split_once("op: replace").unwrap();
    assert!(before.contains("sum(up)") && !after.contains("sum(up)") && !after.contains("up{"), "{commands}");
    assert!(after.contains("http_requests_total"), "{commands}");
    // Prometheus did not answer in time, or could not be asked: that is no rule's fault.
    for why in ["no answer within 8 s", "503 Service Unavailable: error trying to reach service"] {
        for replica in &mut evidence.prometheus.replicas {
            let unread = Unread { what: "the series up{".to_owned(), why: why.to_owned(), right: None };
            replica.series.insert("up{".to_owned(), Read::Unread(unread));
        }
        assert_eq!(cause(&evidence, Link::Answer).0, 11);
    }
}

#[test]
fn a_result_without_the_pods_label() {
    let mut evidence = adapter();
    answers(&mut evidence, 200, json!({"items": []}));
    rewritten(&mut evidence, " by (<<.GroupBy>>)\nresourceRules", "\nresourceRules");
    results(&mut evidence, &[json!({"metric": {}, "value": [TAKEN, "2"]})]);
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 13);
    let (_, after) = commands.split_once("op: replace").unwrap();
    assert!(after.contains("[2m])) by (<<.GroupBy>>)"), "{commands}");
    // Values of the pods, and a pod that is not there: not this.
    let mut evidence = adapter();
    results(&mut evidence, &[json!({"metric": {"pod": healthy::PODS[0].0}, "value": [TAKEN, "2"]})]);
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn a_relist_that_is_shorter_than_a_scrape() {
    let mut evidence = adapter();
    argument(&mut evidence, 2, "--metrics-relist-interval=2s");
    let (number, advice) = advised(&evidence, Link::Rule);
    assert!(number == 13 && advice.contains("--metrics-relist-interval=60s"), "{number}: {advice}");
    // The list may look further back.
    argument(&mut evidence, 4, "--metrics-max-age=1m");
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn a_window_of_less_than_two_scrapes() {
    let mut evidence = adapter();
    rewritten(&mut evidence, "[2m]", "[5s]");
    // It has a value all the same: Prometheus scrapes more often than we know.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    answers(&mut evidence, 200, json!({"items": []}));
    let (number, commands) = cause(&evidence, Link::Rule);
    assert_eq!(number, 8);
    let (before, after) = commands.split_once("op: replace").unwrap();
    assert!(before.contains("[5s]") && after.contains("[20s]") && !after.contains("[5s]"), "{commands}");
    assert!(before.starts_with("kubectl -n monitoring patch configmap/adapter-config --type json -p '"), "{commands}");
    assert!(after.ends_with("\nkubectl -n monitoring rollout restart deployment prometheus-adapter"), "{commands}");
    // The rule is mended that is meant, and no other of the same window.
    let other = "rules:\n  - seriesQuery: other_total\n    resources: {template: <<.Resource>>}\n    metricsQuery: sum(rate(other_total[5s]))\n";
    rewritten(&mut evidence, "rules:\n", other);
    let (_, commands) = cause(&evidence, Link::Rule);
    let (_, after) = commands.split_once("op: replace").unwrap();
    assert!(after.contains("<<.LabelMatchers>>}[20s]") && after.contains("other_total[5s]"), "{commands}");
    for query in ["rate(<<.Series>>{<<.LabelMatchers>>}[10s])", "max_over_time(<<.Series>>{<<.LabelMatchers>>}[5s])"] {
        let mut evidence = adapter();
        rewritten(&mut evidence, "rate(<<.Series>>{<<.LabelMatchers>>}[2m])", query);
        answers(&mut evidence, 200, json!({"items": []}));
        assert_ne!(named(&evidence), Some(8), "{query}");
    }
}
