//! Pods that run, but do not become ready.

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state::{is_overdue, runs};
use crate::doctor::facts::pods::living;
use crate::doctor::findings::pod_failure::not_ready;
use crate::doctor::status::Finding;

/// A pod that runs, but has not become ready in time.
pub fn late(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let pod = living(evidence).find(|pod| runs(pod) && is_overdue(evidence, pod))?;
    Some(not_ready(evidence, pod).after(seen))
}
