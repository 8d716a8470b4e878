//! The sample bundle, with which anybody can try the doctor: docs/sample-bundle.json.

use std::path::Path;

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::{bundle, diagnose};

#[test]
fn sample_bundle_is_broken_at_the_monitor() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sample-bundle.json");
    let finding = diagnose(&bundle::read(&path).unwrap()).broken.expect("a link is broken");
    assert_eq!(finding.cause, Cause::MonitorSelectsNothing);
    assert!(finding.fix.commands[0].contains("'release=stack'"), "{finding:?}");
}
