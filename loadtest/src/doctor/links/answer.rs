//! The metrics API's answer, and whether the HPA's controller may query it.

mod dropped;
mod unready;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::{first_value, too_early};
use crate::doctor::facts::pods::{ready, ready_for};
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::values;
use crate::doctor::findings::missing_right;
use crate::doctor::fixes::kubectl;
use crate::doctor::link::Link;
use crate::doctor::objects::{name, text};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::{Answer, Unread};

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    let Some(metric) = &subject.metric else {
        return Status::without_metric();
    };
    if let Some(finding) = missing_right::forbidden(evidence, metric) {
        return Status::Broken(finding);
    }
    if metric.source == Source::Resource {
        return Status::NotApplicable(format!("the HPA reports what it reads of {} from metrics.k8s.io", metric.name));
    }
    let Some((path, answer)) = values::answer(evidence, metric) else {
        return Status::missing(Input::Answer, format!("the metrics API was not queried for {}", metric.name));
    };
    let message = text(&answer.body, "/message");
    match answer.status {
        0 => unread(path, answer.body.as_str().unwrap_or("no answer"), None),
        401 | 403 => unread(path, message, Some(missing_right::right(evidence, metric))),
        200 => values(evidence, subject, metric, path, answer),
        // The API server's own answer: no server takes the request, which the APIService's check explains.
        503 => Status::blocked(Link::ApiService, format!("{path}: 503 {message}")),
        status => {
            let seen = format!("{path}: {status} {message}");
            if let Some(wait) = too_early(evidence, subject) {
                return Status::Pending(wait.after(&seen));
            }
            Status::Broken(refused(evidence, metric, message, seen))
        }
    }
}

fn unread(path: &str, why: &str, right: Option<String>) -> Status {
    Status::Unread(Unread { what: path.to_owned(), why: why.to_owned(), right })
}

/// The answer is a list of values: does every ready pod have one?
fn values(evidence: &Evidence, subject: &Subject, metric: &Metric, path: &str, answer: &Answer) -> Status {
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
    // KEDA's list, and that of another object, does not name pods.
    if let Some(wait) = too_early(evidence, subject).filter(|_| values.is_empty()) {
        return Status::Pending(wait.after(&seen));
    }
    let wait = first_value(evidence);
    let old = |pod: &&&Value| ready_for(evidence, pod).is_none_or(|age| age > wait);
    if let Some(pod) = unsampled.iter().find(old) {
        let since = ready_for(evidence, pod).map_or_else(String::new, |age| format!(" for {age:.0} s"));
        let seen = format!("{seen}; pod {} is ready{since}, but has no value", name(pod));
        if let Some((why, command)) = dropped::dropped(evidence, subject, pod) {
            let advice = "Remove the monitor's relabeling that drops the pod, as the command does.";
            return Status::Broken(Finding::new(
                Cause::PodsNotCounted,
                format!("{seen}; {why}"),
                advice,
                vec![command],
            ));
        }
        let advice = format!(
            "Check that Prometheus scrapes {}: the Service's selector must match its labels, and its target must be \
             up. The HPA counts a pod without a value as idle when it adds replicas, and as at the target when it \
             removes some.",
            name(pod)
        );
        return Status::Broken(Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new()));
    }
    if let Some(finding) = unready::late(evidence, &seen) {
        return Status::Broken(finding);
    }
    match unsampled.first() {
        Some(pod) => {
            let seen = format!("{seen}; pod {} has just become ready, and waits for its second scrape", name(pod));
            if values.is_empty() {
                Status::pending(wait - ready_for(evidence, pod).unwrap_or(0.0), seen)
            } else {
                Status::Ok(seen)
            }
        }
        None if values.is_empty() => Status::missing(Input::Pods, format!("{seen}, and no pod is ready")),
        None => Status::Ok(seen),
    }
}

/// The API answers with an error, and everything above holds.
fn refused(evidence: &Evidence, metric: &Metric, message: &str, seen: String) -> Finding {
    let restart = evidence.server.deployment.seen().map(kubectl::restart).into_iter().collect();
    match metric.source {
        Source::Keda if message.contains("multiple elements") => {
            Finding::new(Cause::SeveralSeries, seen, "Make the trigger's query return one sum.", Vec::new())
        }
        Source::Keda if message.contains("result is empty") || message.contains("NaN") => {
            Finding::new(Cause::EmptyReadAsZero, seen, "Make the trigger's query return a number.", Vec::new())
        }
        Source::Keda => {
            let advice = "Read the log of KEDA's operator: it queries Prometheus, and logs why it fails.";
            Finding::new(Cause::KedaBlocked, seen, advice, Vec::new())
        }
        _ if message.contains("could not find") || message.contains("not found") => {
            let advice = "The rule is there, but the adapter does not list the metric. Restart the adapter.";
            Finding::new(Cause::RuleAbsent, seen, advice, restart)
        }
        _ => {
            let advice =
                "The adapter's query to Prometheus fails. Read its log for the reason, and check its --prometheus-url.";
            Finding::new(Cause::PrometheusUnreachable, seen, advice, Vec::new())
        }
    }
}
