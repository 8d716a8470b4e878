//! Names the first broken link between a request and a replica.
//!
//! [`collect`](mod@collect) reads the chain from a cluster into [`evidence`], which a bundle keeps; [`links`] checks it, one
//! file or folder a link, without any request; [`diagnosis`](mod@diagnosis) names the first broken link.

pub mod bundle;
pub mod catalogue;
pub mod collect;
pub mod diagnosis;
pub mod evidence;
pub mod facts;
mod figures;
mod findings;
pub mod fixes;
pub mod link;
pub mod links;
pub mod objects;
pub mod overview;
pub mod redact;
pub mod render;
pub mod status;

use diagnosis::{Diagnosis, diagnosis};
use evidence::Evidence;

/// The diagnosis of the evidence.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let hpa = format!("{}/{}", evidence.namespace, evidence.name);
    diagnosis(hpa, evidence.taken, links::check(evidence), figures::figures(evidence))
}
