//! Whether the replicas that the HPA wants become ready.

pub mod pending;

use super::failing;
use super::fields::{living, ready};
use super::objects::is_ready;
use super::subject::Subject;
use crate::doctor::diagnosis::Judgement;
use crate::doctor::evidence::{Evidence, Read};

pub fn judge(evidence: &Evidence, _subject: &Subject) -> Judgement {
    let pods = match &evidence.pods {
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        Read::Seen(pods) => pods,
        Read::Absent | Read::NotAsked => return Judgement::NotJudged("the pods are not known".to_owned()),
    };
    let (living, ready) = (living(evidence), ready(evidence).len());
    let there = living.clone().count();
    let wanted = wanted(evidence).map_or(there, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
    let seen = format!("{ready} of {wanted} pods are ready");
    let mut starting = living.filter(|pod| !is_ready(pod));
    let failing = |pod| failing::finding(evidence, evidence.workload.seen(), pods, pod);
    if let Some(finding) = starting.clone().find_map(failing) {
        return Judgement::Broken(finding.after(&seen));
    }
    if let Some(judgement) = pending::judge(evidence, &seen) {
        return judgement;
    }
    if let Some(pod) = starting.find(|pod| failing::is_overdue(evidence, pod)) {
        return Judgement::Broken(failing::not_ready(evidence, pod).after(&seen));
    }
    let rest = match (there - ready, pods.len() - there) {
        (0, 0) => String::new(),
        (starting, 0) => format!("; {starting} on their way"),
        (0, leaving) => format!("; {leaving} leaving"),
        (starting, leaving) => format!("; {starting} on their way, {leaving} leaving"),
    };
    Judgement::Holds(format!("{seen}{rest}"))
}

/// The replicas that are wanted: the scale's own word, which leaves a 0 out; where it may not be read, the workload's, or
/// what the HPA has worked out.
fn wanted(evidence: &Evidence) -> Option<u64> {
    if let Some(scale) = evidence.scale.seen() {
        return Some(scale["spec"]["replicas"].as_u64().unwrap_or(0));
    }
    let of_workload = evidence.workload.seen().and_then(|workload| workload["spec"]["replicas"].as_u64());
    let of_hpa = || evidence.hpa.seen()?["status"]["desiredReplicas"].as_u64().filter(|wanted| *wanted > 0);
    of_workload.or_else(of_hpa)
}
