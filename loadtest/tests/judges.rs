//! The doctor's judgement of evidence: a chain that holds, and one thing of it changed.

#[path = "judges/answer.rs"]
mod answer;
#[path = "judges/api_service.rs"]
mod api_service;
#[path = "judges/changed.rs"]
mod changed;
#[path = "judges/condition.rs"]
mod condition;
#[path = "judges/healthy.rs"]
mod healthy;
#[path = "judges/holding.rs"]
mod holding;
#[path = "judges/pod.rs"]
mod pod;
#[path = "judges/prometheus_url.rs"]
mod prometheus_url;
#[path = "judges/ready.rs"]
mod ready;
#[path = "judges/replicas.rs"]
mod replicas;
#[path = "judges/rule.rs"]
mod rule;
#[path = "judges/rule_query.rs"]
mod rule_query;
#[path = "judges/scraped.rs"]
mod scraped;
#[path = "judges/scraping.rs"]
mod scraping;
#[path = "judges/secrets.rs"]
mod secrets;
#[path = "judges/traffic.rs"]
mod traffic;
#[path = "judges/trigger.rs"]
mod trigger;

use loadtest::doctor::diagnose;
use loadtest::doctor::diagnosis::Finding;
use loadtest::doctor::evidence::{Evidence, Read};
use serde_json::Value;

/// The number of the cause that is named; none where no link is broken.
fn named(evidence: &Evidence) -> Option<u8> {
    diagnose(evidence).broken.map(|finding| finding.cause.number())
}

/// What is found of a broken chain: its cause is this one.
fn found(evidence: &Evidence, cause: u8) -> Finding {
    let finding = diagnose(evidence).broken.unwrap_or_else(|| panic!("cause {cause} is not named"));
    assert_eq!(finding.cause.number(), cause, "{finding:?}");
    changed::readable(finding)
}

/// What is to be changed of the evidence.
pub fn seen<T>(read: &mut Read<T>) -> &mut T {
    if let Read::Seen(seen) = read { seen } else { panic!("it is not there") }
}

/// Both replicas' targets.
fn targets(evidence: &mut Evidence) -> impl Iterator<Item = &mut Vec<Value>> {
    evidence.prometheus.replicas.iter_mut().map(|replica| seen(&mut replica.targets))
}
