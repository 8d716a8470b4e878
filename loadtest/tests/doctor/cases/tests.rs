//! Checks of the cases that need no cluster.

use std::process::Command;

use loadtest::doctor::catalogue::{CATALOGUE, Cause};

use crate::case::Case;

fn all() -> Vec<Case> {
    [super::adapter(), super::loaded(), super::keda()].concat()
}

/// Causes that this lab's chain cannot make: it has no metrics-server and no External metric of its own, and what lasts for
/// seconds only. The judges' tests make them from built evidence.
const BUILT: [Cause; 5] =
    [Cause::RequestMissing, Cause::RateLimited, Cause::PodsDamp, Cause::ScaledToZero, Cause::PodMetricsMissing];

#[test]
fn each_cause_of_the_catalogue_has_a_case() {
    let made: Vec<_> = all().iter().map(|case| case.cause).chain(BUILT).collect();
    let missing: Vec<_> = CATALOGUE.iter().map(|entry| entry.cause).filter(|cause| !made.contains(cause)).collect();
    assert_eq!(missing, []);
}

#[test]
fn each_line_is_valid_bash() {
    for line in all().iter().flat_map(|case| case.breaks.iter().chain(&case.undo)) {
        let output = Command::new("bash").args(["-n", "-c", line]).output().expect("bash is in the PATH");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn each_pair_has_the_link_nearer_to_the_pod_first() {
    for pair in super::pairs().iter().chain(&super::pairs_of_keda()) {
        let [near, far] = [&pair.near, &pair.far].map(|case| case.cause.entry().links.iter());
        let (near, far) = (near.min(), far.max());
        assert!(near <= far, "{near:?}, {far:?}");
    }
}
