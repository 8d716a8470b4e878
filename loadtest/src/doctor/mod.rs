//! Names the first broken link between a request and a replica.
//!
//! [`collect`](mod@collect) reads the chain from a cluster into [`evidence`], which a bundle keeps; [`links`] judges it, one
//! file a link, without asking anybody anything; [`diagnosis`](mod@diagnosis) says which link is the first that is broken.

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
pub mod redact;
pub mod render;

use diagnosis::{Diagnosis, diagnosis};
use evidence::Evidence;

/// What the evidence tells.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let hpa = format!("{}/{}", evidence.namespace, evidence.name);
    diagnosis(hpa, evidence.taken, links::judge(evidence), figures::figures(evidence))
}
