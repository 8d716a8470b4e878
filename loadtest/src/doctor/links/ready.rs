//! Whether the replicas that the HPA wants become ready.

use crate::doctor::diagnosis::Judgement;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::pods::{living, ready, wanted};
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::findings::{pending_pod, pod_failure};
use crate::doctor::objects::is_ready;
use crate::kube::read::Read;

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
    let failing = |pod| pod_failure::finding(evidence, evidence.workload.seen(), pods, pod);
    if let Some(finding) = starting.clone().find_map(failing) {
        return Judgement::Broken(finding.after(&seen));
    }
    if let Some(judgement) = pending_pod::judge(evidence, &seen) {
        return judgement;
    }
    if let Some(pod) = starting.find(|pod| pod_state::is_overdue(evidence, pod)) {
        return Judgement::Broken(pod_failure::not_ready(evidence, pod).after(&seen));
    }
    let rest = match (there - ready, pods.len() - there) {
        (0, 0) => String::new(),
        (starting, 0) => format!("; {starting} on their way"),
        (0, leaving) => format!("; {leaving} leaving"),
        (starting, leaving) => format!("; {starting} on their way, {leaving} leaving"),
    };
    Judgement::Holds(format!("{seen}{rest}"))
}
