//! The doctor's judgement of evidence: a chain that holds, and one thing of it changed.

#[path = "doctor/healthy.rs"]
mod healthy;

use loadtest::doctor::diagnose;
use loadtest::doctor::evidence::Evidence;

/// The number of the cause that is named; none where no link is broken.
fn named(evidence: &Evidence) -> Option<u8> {
    diagnose(evidence).broken.map(|finding| finding.cause.number())
}

#[test]
fn a_chain_that_holds_is_not_broken() {
    assert_eq!(named(&healthy::adapter()), None);
    assert_eq!(named(&healthy::keda()), None);
}
