//! The doctor's diagnosis of a healthy chain in which a test changes one thing.

mod answer;
mod api_service;
#[path = "../support/changed.rs"]
mod changed;
mod condition;
#[path = "../support/healthy/mod.rs"]
mod healthy;
mod held;
mod holding;
mod metrics;
mod ops;
mod pod;
mod prometheus_url;
mod ready;
mod replicas;
mod requests;
mod resource;
mod rule;
mod rule_query;
mod sample;
mod scaled_object;
mod scraped;
mod scraping;
mod secrets;
mod sources;
mod statuses;
mod strangers;
mod traffic;
mod trigger;
mod watched;

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Finding};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::redact::redacted;
use loadtest::kube::read::Read;
use loadtest::kube::words::LEFT_OUT;

/// The diagnosis of this evidence. Also checks that a bundle keeps everything the links read: the redacted evidence has
/// the same diagnosis, apart from secrets in the evidence itself.
fn diagnose(evidence: &Evidence) -> Diagnosis {
    let diagnosis = loadtest::doctor::diagnose(evidence);
    let kept = redacted(evidence);
    let of_kept = loadtest::doctor::diagnose(&kept);
    assert_eq!(without_secrets(of_kept), without_secrets(diagnosis.clone()), "of the redacted evidence");
    assert_eq!(redacted(&kept), kept, "redacting twice changes nothing more");
    let findings = [&diagnosis.broken, &diagnosis.explains].into_iter().flatten();
    findings.flat_map(|finding| &finding.fix.commands).for_each(|command| changes_only_the_users_own(command));
    diagnosis
}

fn without_secrets(mut diagnosis: Diagnosis) -> Diagnosis {
    let findings = [&mut diagnosis.broken, &mut diagnosis.explains].into_iter().flatten();
    let texts = findings.map(|finding| &mut finding.evidence);
    for text in texts.chain(diagnosis.links.iter_mut().map(|result| &mut result.evidence)) {
        *text = shopfront::redact::text(text, LEFT_OUT);
    }
    diagnosis
}

/// Fails if a command changes an object other than the workload, its Service, its monitor, its HPA, or the rule for its
/// metric. A command may also create a missing object, and restart the adapter, which reads its rules only at startup.
fn changes_only_the_users_own(command: &str) {
    const CHANGES: [&str; 8] = ["patch", "delete", "scale", "label", "annotate", "replace", "set", "undo"];
    const OWN: [&str; 8] = [
        "configmap/adapter-config",
        "deployment.apps/shopfront",
        "horizontalpodautoscaler.autoscaling/",
        "podmonitor.monitoring.coreos.com/",
        "scaledobject.keda.sh/",
        "service/shopfront",
        "servicemonitor.monitoring.coreos.com/",
        "statefulset.apps/",
    ];
    // This applies a manifest that the command contains.
    if command.starts_with("printf") {
        return;
    }
    let mut words = command.split_whitespace();
    if words.any(|word| CHANGES.contains(&word)) {
        let object = words.find(|word| word.contains('/'));
        assert!(object.is_some_and(|object| OWN.iter().any(|own| object.starts_with(own))), "{command}");
    }
    assert!(!command.contains("grep") && !command.contains("find "), "{command}");
}

/// The cause of the broken link. None if no link is broken.
fn broken_cause(evidence: &Evidence) -> Option<Cause> {
    diagnose(evidence).broken.map(|finding| finding.cause)
}

/// The finding of the broken link, which must have this cause.
fn found(evidence: &Evidence, cause: Cause) -> Finding {
    let finding = diagnose(evidence).broken.unwrap_or_else(|| panic!("no link is broken; expected {cause:?}"));
    assert_eq!(finding.cause, cause, "{finding:?}");
    changed::readable(finding)
}

/// The value that was read, to be changed.
pub fn seen<T>(read: &mut Read<T>) -> &mut T {
    if let Read::Seen(seen) = read { seen } else { panic!("it was not read") }
}
