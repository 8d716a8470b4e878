//! Whether the replicas that the HPA wants become ready.

mod pending;
mod starting;

use serde_json::Value;

use super::fields::{living, ready};
use super::subject::Subject;
use crate::doctor::diagnosis::Judgement;
use crate::doctor::evidence::{Evidence, Read};

pub fn judge(evidence: &Evidence, _subject: &Subject) -> Judgement {
    if let Read::Unread(unread) = &evidence.pods {
        return Judgement::Unread(unread.clone());
    }
    let number = |object: Option<&Value>, pointer: &str| object?.pointer(pointer)?.as_u64();
    let wanted = number(evidence.scale.seen(), "/spec/replicas")
        .or_else(|| number(evidence.hpa.seen(), "/status/desiredReplicas"));
    let ready = ready(evidence).len();
    let (Some(pods), Some(wanted)) = (evidence.pods.seen(), wanted) else {
        return Judgement::NotJudged("the pods are not known".to_owned());
    };
    let seen = format!("{ready} of {wanted} pods are ready");
    if let Some(finding) = starting::fails(evidence, &seen) {
        return Judgement::Broken(finding);
    }
    if let Some(judgement) = pending::judge(evidence, wanted, &seen) {
        return judgement;
    }
    let on_their_way = living(evidence).count().saturating_sub(ready);
    let leaving = pods.len() - living(evidence).count();
    let rest = match (on_their_way, leaving) {
        (0, 0) => String::new(),
        (starting, 0) => format!("; {starting} on their way"),
        (0, leaving) => format!("; {leaving} leaving"),
        (starting, leaving) => format!("; {starting} on their way, {leaving} leaving"),
    };
    Judgement::Holds(format!("{seen}{rest}"))
}
