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
pub mod inventory;
pub mod link;
pub mod links;
mod metrics;
pub mod objects;
pub mod overview;
pub mod redact;
pub mod render;
pub mod status;

use diagnosis::{Diagnosis, Outcome, diagnosis};
use evidence::Evidence;

/// The diagnosis of the evidence.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let hpa = format!("{}/{}", evidence.namespace, evidence.name);
    let chain = links::check(evidence);
    let (metrics, why) = metrics::metrics(evidence, &chain.others);
    let mut joined = diagnosis(hpa, evidence.taken, chain.links, figures::figures(evidence));
    let why = why.filter(|_| joined.outcome == Outcome::Healthy);
    for finding in [&mut joined.broken, &mut joined.explains].into_iter().flatten() {
        if let Some(note) = fixes::helm::note(evidence, &finding.fix.commands) {
            finding.fix.advice = format!("{} {note}", finding.fix.advice);
        }
    }
    Diagnosis { kubernetes: evidence.kubernetes.seen().cloned(), metrics, why, ..joined }
}
