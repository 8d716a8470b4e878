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
#[path = "judges/ops.rs"]
mod ops;
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
#[path = "judges/watched.rs"]
mod watched;

use loadtest::doctor::diagnosis::{Diagnosis, Finding};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::redact::{LEFT_OUT, redacted};
use loadtest::kube::read::Read;
use serde_json::Value;

/// The diagnosis of a case. Each case also proves that a bundle keeps everything its judges read: the redacted evidence has
/// the same diagnosis, except for secrets in the case itself.
fn diagnose(evidence: &Evidence) -> Diagnosis {
    let diagnosis = loadtest::doctor::diagnose(evidence);
    let kept = redacted(evidence);
    let of_kept = loadtest::doctor::diagnose(&kept);
    assert_eq!(without_secrets(of_kept), without_secrets(diagnosis.clone()), "of the redacted evidence");
    assert_eq!(redacted(&kept), kept, "redacting twice changes nothing more");
    diagnosis
}

fn without_secrets(mut diagnosis: Diagnosis) -> Diagnosis {
    let findings = [&mut diagnosis.broken, &mut diagnosis.explains].into_iter().flatten();
    let texts = findings.map(|finding| &mut finding.evidence);
    for text in texts.chain(diagnosis.rungs.iter_mut().map(|rung| &mut rung.evidence)) {
        *text = shopfront::redact::text(text, LEFT_OUT);
    }
    diagnosis
}

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
