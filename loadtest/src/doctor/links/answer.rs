//! What the metrics API answers, and whether the HPA's controller may ask it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields::{is, list, living, ready, ready_for, rolls, since, text};
use super::monitor::of_target;
use super::objects::{apply, changed, condition, name, titled};
use super::subject::{Metric, Source, Subject};
use super::target::RELOAD;
use super::targets::ours;
use super::{pace, reading, server};
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::{Answer, Evidence, HPA_CONTROLLER, Read, Unread};

/// Seconds that Prometheus takes to discover a new pod, at the longest: see `model/predict.rs`.
const DISCOVERY: f64 = 6.0;
/// Seconds within which a pod that runs is to be ready, besides its probe's own delay.
const READY_WITHIN: f64 = 120.0;

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    let Some(metric) = &subject.metric else {
        return Judgement::NotJudged("there is no HPA with a metric".to_owned());
    };
    if let Some(finding) = forbidden(evidence, metric) {
        return Judgement::Broken(finding);
    }
    if metric.source == Source::Resource {
        return Judgement::Holds(format!("{} is metrics.k8s.io's: the HPA tells what it reads", metric.name));
    }
    let Some((path, answer)) = reading::answer(evidence, metric) else {
        return Judgement::NotJudged(format!("the API was not asked for {}", metric.name));
    };
    let message = text(&answer.body, "/message");
    match answer.status {
        0 => unread(path, "no answer", None),
        401 | 403 => unread(path, message, Some(right(evidence, metric))),
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

/// The right that reading the metric takes, as RBAC names it.
fn right(evidence: &Evidence, metric: &Metric) -> String {
    let of = if metric.source == Source::Adapter { "pods/" } else { "" };
    format!("get {of}{} in {} in namespace {}", metric.name, server::group(metric.source), evidence.namespace)
}

fn forbidden(evidence: &Evidence, metric: &Metric) -> Option<Finding> {
    let group = server::group(metric.source);
    let asked = |question: &str| question.starts_with(HPA_CONTROLLER) && question.contains(group);
    let refused = evidence.access.iter().find(|(question, allowed)| {
        // metrics.k8s.io ends both other groups' names.
        asked(question) && !question.contains(&format!("custom.{group}")) && **allowed == Read::Seen(false)
    });
    let told = evidence.hpa.seen().and_then(|hpa| condition(hpa, "ScalingActive")).map(|told| text(told, "/message"));
    let told = told.filter(|told| told.contains("forbidden") && told.contains("horizontal-pod-autoscaler"));
    let seen = match (refused, told) {
        (Some((question, _)), _) => format!("SubjectAccessReview: no: {question}"),
        // Where the review says that it may, it may since.
        (None, Some(told)) if !evidence.access.keys().any(|question| asked(question)) => {
            format!("HPA {}: {told}", evidence.name)
        }
        _ => return None,
    };
    let role = format!("hpa-reads-{}", group.split('.').next().unwrap_or_default());
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": role},
        "rules": [{"apiGroups": [group], "resources": ["*"], "verbs": ["get", "list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [
            {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"},
        ],
    });
    let advice = format!("Let the HPA's controller read {group}.");
    Some(Finding::new(Cause::ControllerForbidden, seen, advice, vec![apply(&role), apply(&binding)]))
}

/// Why an answer may be missing that will come.
pub fn too_early(evidence: &Evidence, subject: &Subject) -> Option<String> {
    let wait = first_value(evidence) + pace::relist(evidence, subject);
    if let Some(deployment) = evidence.server.deployment.seen().filter(|deployment| rolls(deployment)) {
        return Some(format!("{} is just being changed", titled(deployment)));
    }
    if let Some((monitor, age)) = scraped_by(evidence, subject).filter(|(_, age)| *age < RELOAD + wait) {
        let monitor = titled(monitor);
        return Some(format!(
            "{monitor} was changed {age:.0} s ago, and Prometheus, its scrapes and a listing take their time"
        ));
    }
    if let Some(age) = server::ages(evidence).reduce(f64::min).filter(|age| *age < wait) {
        return Some(format!("its server started {age:.0} s ago, and lists its metrics each {wait:.0} s or so"));
    }
    let oldest = living(evidence).filter_map(|pod| ready_for(evidence, pod)).reduce(f64::max);
    let oldest = oldest.filter(|age| *age < wait)?;
    Some(format!("the first pod is ready for {oldest:.0} s, and its first value may take {wait:.0} s"))
}

/// The monitor that the pods are scraped by, and the seconds since it was made or changed.
fn scraped_by<'a>(evidence: &'a Evidence, subject: &Subject) -> Option<(&'a Value, f64)> {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
    let mut monitors = targets.filter_map(|(_, target)| of_target(evidence, target));
    monitors.next().map(|(monitor, _)| (monitor, changed(monitor, evidence.taken)))
}

/// Seconds from a pod's being ready to a rate of two scrapes.
fn first_value(evidence: &Evidence) -> f64 {
    DISCOVERY + 2.0 * pace::scrape(evidence).unwrap_or(30.0) + 5.0
}

/// The answer is a list: of all that are ready?
fn values(evidence: &Evidence, subject: &Subject, metric: &Metric, path: &str, answer: &Answer) -> Judgement {
    let values = reading::values(answer);
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
        let advice = format!(
            "Look whether Prometheus scrapes {}: the Service's selector has to fit its labels, and its target has to \
             be up. The HPA counts a pod without a value as idle when it adds, and as at the target when it removes.",
            name(pod)
        );
        return Judgement::Broken(Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new()));
    }
    if let Some(finding) = unready(evidence, &seen) {
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

/// A pod that runs, and is not ready in all the time that it had.
fn unready(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let late = |pod: &&Value| {
        let probes = list(pod, "/spec/containers")
            .iter()
            .filter_map(|container| container.pointer("/readinessProbe/initialDelaySeconds").and_then(Value::as_f64));
        let allowed = READY_WITHIN + probes.fold(0.0, f64::max);
        let containers = list(pod, "/status/containerStatuses");
        let runs = containers.iter().all(|container| container.pointer("/state/running").is_some());
        let changed = condition(pod, "Ready").and_then(|ready| since(evidence, ready, "/lastTransitionTime"));
        let running = containers.iter().filter_map(|one| since(evidence, one, "/state/running/startedAt"));
        let since = running.chain(changed).reduce(f64::min);
        pod.pointer("/status/phase").is_some_and(|phase| phase == "Running")
            && runs
            && !is(pod, "Ready")
            && since.is_some_and(|since| since > allowed)
    };
    let pod = living(evidence).find(late)?;
    let name = name(pod);
    let events = evidence.events.items().iter();
    let probe = events.rev().find(|event| event["involvedObject"]["name"] == name && event["reason"] == "Unhealthy");
    let why = probe.map_or_else(|| "it is not ready".to_owned(), |event| text(event, "/message").trim().to_owned());
    let seen = format!("{seen}; pod {name} runs: {why}");
    let advice = "A pod that is not ready counts as idle when the HPA adds, and not at all when it removes. Mend what its \
                  readiness probe says.";
    Some(Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new()))
}

/// The API answers with an error, and everything above holds.
fn refused(evidence: &Evidence, metric: &Metric, message: &str, seen: String) -> Finding {
    let restart = evidence.server.deployment.seen().map(server::restart).into_iter().collect();
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
