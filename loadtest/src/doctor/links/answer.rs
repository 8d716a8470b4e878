//! What the metrics API answers, and whether the HPA's controller may ask it.

mod dropped;
mod unready;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::{first_value, too_early};
use crate::doctor::facts::pods::{ready, ready_for};
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::values;
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::kubectl;
use crate::doctor::objects::{name, text};
use crate::kube::read::{Answer, Unread};

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    let Some(metric) = &subject.metric else {
        return Judgement::NotJudged("there is no HPA with a metric".to_owned());
    };
    if let Some(finding) = missing_right::forbidden(evidence, metric) {
        return Judgement::Broken(finding);
    }
    if metric.source == Source::Resource {
        return Judgement::Holds(format!("{} is metrics.k8s.io's: the HPA tells what it reads", metric.name));
    }
    let Some((path, answer)) = values::answer(evidence, metric) else {
        return Judgement::NotJudged(format!("the API was not asked for {}", metric.name));
    };
    let message = text(&answer.body, "/message");
    match answer.status {
        0 => unread(path, answer.body.as_str().unwrap_or("no answer"), None),
        401 | 403 => unread(path, message, Some(missing_right::right(evidence, metric))),
        200 => values(evidence, subject, metric, path, answer),
        // The API server's own word: it has nobody to hand the question to, which is the APIService's affair.
        503 => Judgement::NotJudged(format!("{path}: 503 {message}")),
        status => {
            let seen = format!("{path}: {status} {message}");
            if let Some(why) = too_early(evidence, subject) {
                return Judgement::NotJudged(format!("{seen}; {why}"));
            }
            Judgement::Broken(refused(evidence, metric, message, seen))
        }
    }
}

fn unread(path: &str, why: &str, right: Option<String>) -> Judgement {
    Judgement::Unread(Unread { what: path.to_owned(), why: why.to_owned(), right })
}

/// The answer is a list: of all that are ready?
fn values(evidence: &Evidence, subject: &Subject, metric: &Metric, path: &str, answer: &Answer) -> Judgement {
    let values = values::values(answer);
    let written: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}").trim().to_owned()).collect();
    let seen = format!("{}: {}", metric.name, if written.is_empty() { "no value".into() } else { written.join(", ") });
    let sampled: BTreeSet<_> = values.iter().map(|(name, _)| *name).collect();
    let of_pods = metric.source == Source::Adapter && path.contains("/pods/");
    let unsampled: Vec<_> = if of_pods || values.is_empty() {
        ready(evidence).into_iter().filter(|pod| !sampled.contains(name(pod))).collect()
    } else {
        Vec::new()
    };
    // KEDA's list, or that of another object, does not tell which pods it is of.
    if let Some(why) = too_early(evidence, subject).filter(|_| values.is_empty()) {
        return Judgement::NotJudged(format!("{seen}; {why}"));
    }
    let wait = first_value(evidence);
    let old = |pod: &&&Value| ready_for(evidence, pod).is_none_or(|age| age > wait);
    if let Some(pod) = unsampled.iter().find(old) {
        let since = ready_for(evidence, pod).map_or_else(String::new, |age| format!(" for {age:.0} s"));
        let seen = format!("{seen}; pod {} is ready{since}, and has no value", name(pod));
        if let Some((why, command)) = dropped::dropped(evidence, subject, pod) {
            let advice = "Have the monitor leave no pod out: the command removes what does.";
            return Judgement::Broken(Finding::new(
                Cause::PodsNotCounted,
                format!("{seen}; {why}"),
                advice,
                vec![command],
            ));
        }
        let advice = format!(
            "Look whether Prometheus scrapes {}: the Service's selector has to fit its labels, and its target has to \
             be up. The HPA counts a pod without a value as idle when it adds, and as at the target when it removes.",
            name(pod)
        );
        return Judgement::Broken(Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new()));
    }
    if let Some(finding) = unready::late(evidence, &seen) {
        return Judgement::Broken(finding);
    }
    match unsampled.first() {
        Some(pod) if values.is_empty() => {
            Judgement::NotJudged(format!("{seen}; pod {} is just ready: its second scrape is to come", name(pod)))
        }
        Some(pod) => Judgement::Holds(format!("{seen}; pod {} is just ready: its second scrape is to come", name(pod))),
        None if values.is_empty() => Judgement::NotJudged(format!("{seen}, and no pod is ready")),
        None => Judgement::Holds(seen),
    }
}

/// The API answers with an error, and everything above holds.
fn refused(evidence: &Evidence, metric: &Metric, message: &str, seen: String) -> Finding {
    let restart = evidence.server.deployment.seen().map(kubectl::restart).into_iter().collect();
    match metric.source {
        Source::Keda if message.contains("multiple elements") => {
            Finding::new(Cause::SeveralSeries, seen, "Make the trigger's query one sum.", Vec::new())
        }
        Source::Keda if message.contains("result is empty") || message.contains("NaN") => {
            Finding::new(Cause::EmptyReadAsZero, seen, "Make the trigger's query answer.", Vec::new())
        }
        Source::Keda => {
            let advice = "Look at the log of KEDA's operator: it asks Prometheus, and says why it cannot.";
            Finding::new(Cause::KedaBlocked, seen, advice, Vec::new())
        }
        _ if message.contains("could not find") || message.contains("not found") => {
            let advice = "The rule is there, and the adapter does not list the metric: restart it.";
            Finding::new(Cause::RuleAbsent, seen, advice, restart)
        }
        _ => {
            let advice = "The adapter's own question to Prometheus fails: its log says why, and its --prometheus-url whom it asks.";
            Finding::new(Cause::PrometheusUnreachable, seen, advice, Vec::new())
        }
    }
}
