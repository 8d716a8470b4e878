//! Bundles, as somebody posts them.

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::{bundle, diagnose, render};
use loadtest::output::is_hidden;
use serde_json::Value;

use super::{cases, healthy};

#[test]
fn any_bundle_is_refused_or_judged() {
    let good = [healthy::adapter(), healthy::keda()].map(|one| serde_json::to_value(one).expect("evidence is JSON"));
    cases(400, |mutation| {
        let mut bundle = mutation.one(&good).clone();
        mutation.json(&mut bundle);
        if let Ok(evidence) = serde_json::from_value::<Evidence>(bundle) {
            judge(&evidence);
        }
    });
}

#[test]
fn any_file_is_refused_or_read() {
    let good = serde_json::to_string(&healthy::adapter()).expect("evidence is JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bundle");
    cases(40, |mutation| {
        std::fs::write(&file, mutation.bytes(&good)).expect("it can be written");
        match bundle::read(&file) {
            Ok(evidence) => judge(&evidence),
            Err(fault) => assert!(fault.to_string().lines().count() == 1, "{fault}"),
        }
    });
}

fn judge(evidence: &Evidence) {
    let diagnosis = diagnose(evidence);
    let (json, text) = (render::json(&diagnosis), render::render(&diagnosis, 100, false));
    for printed in [json.as_str(), &text] {
        assert!(printed.len() < 4 << 20, "{} bytes", printed.len());
        assert!(!printed.contains(|one| one != '\n' && is_hidden(one)), "{printed}");
    }
    serde_json::from_str::<Value>(&json).expect("a diagnosis is JSON");
}
