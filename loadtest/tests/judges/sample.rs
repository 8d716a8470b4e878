//! The sample bundle, with which anybody can try the doctor: docs/sample-bundle.json.

use std::path::Path;

use loadtest::doctor::bundle;
use loadtest::doctor::catalogue::Cause;

use super::found;

#[test]
fn sample_bundle_is_broken_at_the_monitor() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sample-bundle.json");
    let finding = found(&bundle::read(&path).unwrap(), Cause::MonitorSelectsNothing);
    assert!(finding.fix.commands[0].contains("'release=stack'"), "{finding:?}");
}
