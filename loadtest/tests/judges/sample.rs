//! The sample bundle, with which anybody can try the doctor: docs/sample-bundle.json.

use std::path::Path;

use loadtest::doctor::bundle;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::redact::redacted;
use serde_json::json;

use super::changed::without_targets;
use super::{found, healthy, seen};

/// It is written anew by `WRITE_SAMPLE=1 cargo test -p loadtest --test judges sample`.
#[test]
fn sample_bundle_is_broken_at_the_monitor() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sample-bundle.json");
    if std::env::var_os("WRITE_SAMPLE").is_some() {
        let mut evidence = healthy::adapter();
        without_targets(&mut evidence);
        let selector = json!({"matchLabels": {"release": "stack"}});
        seen(&mut evidence.prometheuses)[0]["spec"]["serviceMonitorSelector"] = selector;
        let text = serde_json::to_string_pretty(&redacted(&evidence)).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let finding = found(&bundle::read(&path).unwrap(), Cause::MonitorSelectsNothing);
    assert!(finding.fix.commands[0].contains("'release=stack'"), "{finding:?}");
}
