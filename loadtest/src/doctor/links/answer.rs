//! The metrics API's answer, and whether the HPA's controller may query it.

mod resource;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::autoscaling::adapter_rules::Pattern;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::early::{first_value, may_reload, too_early};
use crate::doctor::facts::monitors::of_target;
use crate::doctor::facts::nearness::is_own;
use crate::doctor::facts::pod_state::{is_overdue, runs};
use crate::doctor::facts::pods::{living, ready, ready_for};
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::facts::targets::ours;
use crate::doctor::facts::values;
use crate::doctor::findings::missing_right;
use crate::doctor::findings::pod_failure::not_ready;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{self, Endpoint};
use crate::doctor::link::Link;
use crate::doctor::objects::{Monitor, list, name, text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::read::{Answer, Unread};

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let metric = scaling.metric.as_ref().ok_or_else(Status::without_metric)?;
    Status::stop(missing_right::forbidden(evidence, metric))?;
    if metric.source == Source::Resource {
        return resource::check(evidence, metric);
    }
    let (path, answer) = values::answer(evidence, metric).ok_or_else(|| {
        Status::missing(Input::Answer, format!("the metrics API was not queried for {}", metric.name))
    })?;
    let message = text(&answer.body, "/message");
    let unread = |why: &str, right| Status::Unread(Unread { what: path.to_owned(), why: why.to_owned(), right });
    match answer.status {
        0 => Err(unread(answer.body.as_str().unwrap_or("no answer"), None)),
        401 | 403 => Err(unread(message, Some(missing_right::right(evidence, metric)))),
        200 => values(evidence, scaling, metric, path, answer),
        // The API server's own answer: no server takes the request, which the APIService's check explains.
        503 => Err(Status::blocked(Link::ApiService, format!("{path}: 503 {message}"))),
        status => {
            let seen = format!("{path}: {status} {message}");
            Status::stop(too_early(evidence, scaling).map(|wait| wait.after(&seen)))?;
            Err(error(evidence, metric, message, seen).into())
        }
    }
}

/// The answer is a list of values: does every ready pod have one?
fn values(evidence: &Evidence, scaling: &ScalingMetric, metric: &Metric, path: &str, answer: &Answer) -> Checked {
    let values = values::values(answer);
    let written: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}").trim().to_owned()).collect();
    let seen = format!("{}: {}", metric.name, if written.is_empty() { "no value".into() } else { written.join(", ") });
    let sampled: BTreeSet<_> = values.iter().map(|(name, _)| *name).collect();
    // KEDA's list, and that of another object, does not name pods.
    let of_pods = metric.source == Source::Adapter && path.contains("/pods/");
    let mut unsampled = ready(evidence);
    unsampled.retain(|pod| (of_pods || values.is_empty()) && !sampled.contains(name(pod)));
    if values.is_empty() {
        Status::stop(too_early(evidence, scaling).map(|wait| wait.after(&seen)))?;
    }
    let reloads = may_reload(evidence, scaling);
    let wait = first_value(evidence) + if reloads { timing::MONITOR_RELOAD } else { 0.0 };
    let old = |pod: &&&Value| ready_for(evidence, pod).is_none_or(|age| age > wait);
    if let Some(pod) = unsampled.iter().find(old) {
        return Err(without_value(evidence, scaling, pod, &seen).into());
    }
    let late = living(evidence).find(|pod| runs(pod) && is_overdue(evidence, pod));
    Status::stop(late.map(|pod| not_ready(evidence, pod).after(&seen)))?;
    match unsampled.first() {
        Some(pod) => {
            let why = if reloads { "its monitor was changed just now" } else { "it has just become ready" };
            let seen = format!("{seen}; pod {} waits for its second scrape: {why}", name(pod));
            if values.is_empty() {
                Err(Status::pending(wait - ready_for(evidence, pod).unwrap_or(0.0), seen))
            } else {
                Ok(seen)
            }
        }
        None if values.is_empty() => Err(Status::missing(Input::Pods, format!("{seen}, and no pod is ready"))),
        None => Ok(seen),
    }
}

/// A pod that has been ready for long, but has no value.
fn without_value(evidence: &Evidence, scaling: &ScalingMetric, pod: &Value, seen: &str) -> Finding {
    let since = ready_for(evidence, pod).map_or_else(String::new, |age| format!(" for {age:.0} s"));
    let seen = format!("{seen}; pod {} is ready{since}, but has no value", name(pod));
    if let Some((why, command)) = dropped(evidence, scaling, pod) {
        let advice = "Remove the monitor's relabeling that drops the pod.";
        return Finding::new(Cause::PodsNotCounted, format!("{seen}; {why}"), advice, command);
    }
    let advice = format!(
        "Check that Prometheus scrapes {}: the Service's selector must match its labels, and its target must be up. When \
         the HPA adds replicas, it counts a pod without a value as idle. When it removes replicas, it counts that pod as \
         at the target.",
        name(pod)
    );
    Finding::new(Cause::PodsNotCounted, seen, advice, None)
}

/// The relabeling by which the monitor of the other pods drops this one, and the command that removes it from the user's own
/// monitor.
fn dropped(evidence: &Evidence, scaling: &ScalingMetric, pod: &Value) -> Option<(String, Option<Command>)> {
    let replicas = evidence.prometheus.replicas.iter();
    let mut targets = replicas.flat_map(|replica| ours(evidence, scaling, replica));
    let (monitor, number) = targets.find_map(|(_, target)| of_target(evidence, target))?;
    let rules = list(monitor, &format!("/spec/{}/{number}/relabelings", Monitor(monitor).field()));
    let place = rules.iter().position(|rule| drops(rule, pod))?;
    let (path, command) = Endpoint { monitor, number }.without("relabelings", place);
    let command = is_own(evidence, monitor).then_some(command);
    Some((format!("{}: {path} drops it by its name", titled(monitor)), command))
}

/// Only by the pod's name: the other labels of a target that does not exist are not known.
fn drops(rule: &Value, pod: &Value) -> bool {
    // Some of Go's syntax is unknown here.
    let Ok(pattern) = Pattern::whole(rule["regex"].as_str().unwrap_or("(.*)")) else { return false };
    let fits = pattern.matches(name(pod));
    let acts = match text(rule, "/action").to_lowercase().as_str() {
        "drop" => fits,
        "keep" => !fits,
        _ => false,
    };
    acts && rule["sourceLabels"] == json!(["__meta_kubernetes_pod_name"])
}

/// The API answers with an error, although every link before it works.
fn error(evidence: &Evidence, metric: &Metric, message: &str, seen: String) -> Finding {
    let not_listed = message.contains("could not find") || message.contains("not found");
    let (cause, advice) = match metric.source {
        Source::Keda if message.contains("multiple elements") => {
            (Cause::SeveralSeries, "Make the trigger's query return one sum.")
        }
        Source::Keda if message.contains("result is empty") || message.contains("NaN") => {
            (Cause::EmptyReadAsZero, "Make the trigger's query return a number.")
        }
        Source::Keda => {
            (Cause::KedaBlocked, "Read the log of KEDA's operator: it queries Prometheus, and logs why it fails.")
        }
        _ if not_listed => {
            (Cause::RuleAbsent, "The rule exists, but the adapter does not list the metric. Restart the adapter.")
        }
        _ => (
            Cause::PrometheusUnreachable,
            "The adapter's query to Prometheus fails. Read its log for the reason, and check its --prometheus-url.",
        ),
    };
    let restart = evidence.server.deployment.seen().filter(|_| cause == Cause::RuleAbsent).map(kubectl::restart);
    Finding::new(cause, seen, advice, restart)
}
