//! Whether the desired replicas become ready.

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::pods::{desired, living, ready};
use crate::doctor::findings::{pending_pod, pod_failure};
use crate::doctor::objects::is_ready;
use crate::doctor::status::{Checked, Input, Status};

pub fn check(evidence: &Evidence) -> Checked {
    let pods = Status::require(&evidence.pods, || Status::missing(Input::Pods, "the pods are not known"))?;
    let (living, ready) = (living(evidence), ready(evidence).len());
    let there = living.clone().count();
    let desired = desired(evidence).map_or(there, |desired| usize::try_from(desired).unwrap_or(usize::MAX));
    let seen = format!("{ready} of {desired} pods are ready");
    let mut starting = living.filter(|pod| !is_ready(pod));
    let failing = |pod| pod_failure::finding(evidence, evidence.workload.seen(), pods, pod);
    Status::stop(starting.clone().find_map(failing).map(|finding| finding.after(&seen)))?;
    Status::stop(pending_pod::check(evidence, &seen))?;
    let overdue = starting.find(|pod| pod_state::is_overdue(evidence, pod));
    Status::stop(overdue.map(|pod| pod_failure::not_ready(evidence, pod).after(&seen)))?;
    let rest = match (there - ready, pods.len() - there) {
        (0, 0) => String::new(),
        (starting, 0) => format!("; {starting} starting"),
        (0, leaving) => format!("; {leaving} terminating"),
        (starting, leaving) => format!("; {starting} starting, {leaving} terminating"),
    };
    Ok(format!("{seen}{rest}"))
}
