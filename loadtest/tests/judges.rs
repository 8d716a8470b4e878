//! The doctor's judgement of evidence: a chain that holds, and one thing of it changed.

#[path = "judges/healthy.rs"]
mod healthy;
#[path = "judges/lower.rs"]
mod lower;
#[path = "judges/lower_api.rs"]
mod lower_api;
#[path = "judges/lower_replicas.rs"]
mod lower_replicas;
#[path = "judges/lower_rule.rs"]
mod lower_rule;
#[path = "judges/lower_trigger.rs"]
mod lower_trigger;
#[path = "judges/pod.rs"]
mod pod;
#[path = "judges/scraped.rs"]
mod scraped;
#[path = "judges/scraping.rs"]
mod scraping;
#[path = "judges/secrets.rs"]
mod secrets;

use loadtest::doctor::diagnose;
use loadtest::doctor::diagnosis::{Finding, Link, State};
use loadtest::doctor::evidence::{Evidence, Read};
use loadtest::doctor::links::subject::Subject;
use loadtest::doctor::questions;
use serde_json::Value;

/// The number of the cause that is named; none where no link is broken.
fn named(evidence: &Evidence) -> Option<u8> {
    diagnose(evidence).broken.map(|finding| finding.cause.number())
}

/// What is found of a broken chain: its cause is this one.
fn found(evidence: &Evidence, cause: u8) -> Finding {
    let finding = diagnose(evidence).broken.unwrap_or_else(|| panic!("cause {cause} is not named"));
    assert_eq!(finding.cause.number(), cause, "{finding:?}");
    finding
}

/// What is to be changed of the evidence.
pub fn seen<T>(read: &mut Read<T>) -> &mut T {
    if let Read::Seen(seen) = read { seen } else { panic!("it is not there") }
}

/// Both replicas' targets.
fn targets(evidence: &mut Evidence) -> impl Iterator<Item = &mut Vec<Value>> {
    evidence.prometheus.replicas.iter_mut().map(|replica| seen(&mut replica.targets))
}

#[test]
fn a_chain_that_holds_is_not_broken() {
    assert_eq!(diagnose(&healthy::adapter()).broken, None);
    assert_eq!(diagnose(&healthy::keda()).broken, None);
}

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
    let matcher = questions::series(&evidence).pop_first().unwrap();
    for replica in &mut evidence.prometheus.replicas {
        replica.series = replica.series.values().map(|series| (matcher.clone(), series.clone())).collect();
    }
    let Subject { series, query, window, .. } = Subject::of(&evidence);
    let pods = healthy::PODS.map(|(pod, _)| pod).join("|");
    let namespace = format!("namespace=\"{}\"", healthy::NAMESPACE);
    let expected = format!(
        "sum(rate(http_requests_total{{{namespace},status=\"200\",{namespace},pod=~\"{pods}\"}}[3m])) by (pod)"
    );
    assert_eq!((series.as_deref(), query, window), (Some("http_requests_total"), Some(expected), Some(180.0)));
}

#[test]
fn a_bundle_is_judged_as_what_it_was_written_from() {
    let evidence = healthy::adapter();
    let bundle = serde_json::to_string(&evidence).unwrap();
    assert_eq!(diagnose(&serde_json::from_str(&bundle).unwrap()), diagnose(&evidence));
}

#[test]
fn a_metric_of_the_resources_needs_no_prometheus() {
    let mut evidence = healthy::adapter();
    let target = serde_json::json!({"type": "Utilization", "averageUtilization": 80});
    seen(&mut evidence.hpa)["spec"]["metrics"] =
        serde_json::json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    (evidence.prometheus, evidence.monitors) = Default::default();
    let rungs = diagnose(&evidence).rungs;
    assert!(rungs[1..5].iter().all(|rung| rung.evidence == "not needed: metrics.k8s.io"), "{rungs:?}");
    // Without a counter nobody knows whom clients reach.
    assert_eq!((rungs[11].link, rungs[11].state), (Link::Traffic, State::NotJudged));
}
