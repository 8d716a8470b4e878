//! The workload that the HPA scales, and a pod of it that runs.

use serde_json::{Value, json};

use super::failing::{self, Reason};
use super::objects::{age, apply, argument, in_namespace, lives, name, namespace, time, titled};
use super::subject::Subject;
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::{Evidence, Read};
use crate::doctor::redact::LEFT_OUT;

/// How long a pod may run before it is ready, in seconds, until that is no start any more.
const START: f64 = 300.0;

/// How long ago a change may have been made, in seconds, to be taken back without thinking twice.
const LATELY: f64 = 3600.0;

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    match (&evidence.hpa, &evidence.scaled_object) {
        (Read::Unread(unread), _) => return Judgement::Unread(unread.clone()),
        // What KEDA has not made an HPA of is its trigger's affair.
        (Read::Absent, scaled) if scaled.seen().is_none() => return without_hpa(evidence),
        _ => {}
    }
    let workload = match &evidence.workload {
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        Read::Absent => return elsewhere(evidence),
        Read::NotAsked => return Judgement::NotJudged("what is scaled is not known".to_owned()),
        Read::Seen(workload) => workload,
    };
    // The API server leaves a 0 out.
    let wanted = evidence.scale.seen().map(|scale| scale["spec"]["replicas"].as_u64().unwrap_or(0));
    if wanted == Some(0) {
        return at_zero(evidence, workload);
    }
    let pods: Vec<&Value> = match &evidence.pods {
        Read::Unread(unread) => return Judgement::Unread(unread.clone()),
        pods => pods.items().iter().filter(|pod| lives(pod)).collect(),
    };
    if subject.ready.is_empty() {
        return none_ready(evidence, workload, &pods);
    }
    Judgement::Holds(format!("{}: {} of {} pods are ready", titled(workload), subject.ready.len(), pods.len()))
}

fn without_hpa(evidence: &Evidence) -> Judgement {
    let Evidence { namespace, name, .. } = evidence;
    match &evidence.hpas {
        Read::Unread(unread) => Judgement::Unread(unread.clone()),
        Read::Seen(others) if !others.is_empty() => {
            Judgement::NotJudged(format!("there is no HPA {name} in {namespace}, which has others"))
        }
        _ => {
            let served = evidence.autoscaling.items().join(", ");
            let served =
                if served.is_empty() { String::new() } else { format!("; the API server serves autoscaling/{served}") };
            Judgement::Broken(Finding::new(
                Cause::OldApiVersion,
                format!("namespace {namespace} has no HorizontalPodAutoscaler{served}"),
                "Look at the `apiVersion` of the HPA's manifest: `autoscaling/v2beta1` and `v2beta2` are refused since \
                 Kubernetes 1.26. Write `autoscaling/v2`, whose fields are the same, and apply it again.",
                Vec::new(),
            ))
        }
    }
}

fn elsewhere(evidence: &Evidence) -> Judgement {
    let (scaler, target) = match (evidence.scaled_object.seen(), evidence.hpa.seen()) {
        (Some(scaled), _) => (scaled, &scaled["spec"]["scaleTargetRef"]),
        (None, Some(hpa)) => (hpa, &hpa["spec"]["scaleTargetRef"]),
        (None, None) => return Judgement::NotJudged("what is scaled is not known".to_owned()),
    };
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    let target = target["name"].as_str().unwrap_or_default();
    let of = namespace(scaler);
    let missing = format!("{} scales {kind}/{target}, which namespace {of} has not", titled(scaler));
    let broken = |evidence: String, advice: String, commands| {
        Judgement::Broken(Finding::new(Cause::TargetElsewhere, evidence, advice, commands))
    };
    match evidence.elsewhere.as_slice() {
        [] => broken(
            format!("{missing}, and no other that could be looked at"),
            format!("Deploy {kind}/{target} to {of}, or correct `spec.scaleTargetRef`."),
            Vec::new(),
        ),
        [other] => {
            let mut moved = json!({
                "apiVersion": scaler["apiVersion"], "kind": scaler["kind"],
                "metadata": {"name": name(scaler), "namespace": other}, "spec": scaler["spec"],
            });
            if let Some(labels) = scaler["metadata"]["labels"].as_object() {
                moved["metadata"]["labels"] = json!(labels);
            }
            // What was left out of the evidence would be missing there.
            let whole = !moved.to_string().contains(LEFT_OUT);
            let delete = || format!("kubectl {}delete {}", in_namespace(of), argument(scaler));
            broken(
                format!("{missing}; namespace {other} has it"),
                format!("Move it to {other}: an HPA scales what is in its own namespace."),
                if whole { vec![apply(&moved), delete()] } else { Vec::new() },
            )
        }
        others => broken(
            format!("{missing}; namespaces {} have one", others.join(", ")),
            "Move it to the namespace of the one that is meant: an HPA scales what is in its own namespace.".to_owned(),
            Vec::new(),
        ),
    }
}

/// An HPA leaves 0 alone. KEDA does not, and nor does one that may go there itself.
pub fn leaves_zero(evidence: &Evidence) -> bool {
    let zero = |object: &Value, field: &str| object["spec"][field].as_u64() == Some(0);
    let by_keda = evidence.scaled_object.seen().is_some_and(|scaled| {
        zero(scaled, "minReplicaCount")
            || scaled["spec"]["minReplicaCount"].is_null()
            || zero(scaled, "idleReplicaCount")
    });
    by_keda || evidence.hpa.seen().is_some_and(|hpa| zero(hpa, "minReplicas"))
}

fn at_zero(evidence: &Evidence, workload: &Value) -> Judgement {
    if leaves_zero(evidence) {
        return Judgement::Holds(format!("{}: 0 replicas, from which it is scaled out again", titled(workload)));
    }
    let least = evidence.hpa.seen().and_then(|hpa| hpa["spec"]["minReplicas"].as_u64()).unwrap_or(1);
    Judgement::Broken(Finding::new(
        Cause::ReplicasZero,
        format!("{}: spec.replicas is 0", titled(workload)),
        format!("Scale it to {least}: from 0 an HPA does not scale."),
        vec![format!("kubectl {}scale {} --replicas={least}", in_namespace(namespace(workload)), argument(workload))],
    ))
}

fn none_ready(evidence: &Evidence, workload: &Value, pods: &[&Value]) -> Judgement {
    let failing = pods.iter().find_map(|pod| Some((*pod, failing::of(pod)?)));
    if let Some((pod, reason)) = failing {
        return Judgement::Broken(broken_pod(evidence, workload, pod, &reason));
    }
    let refused = || {
        let events = evidence.events.items().iter().filter(|event| event["reason"] == "FailedCreate");
        let recent = |event: &&Value| {
            let times = [&event["lastTimestamp"], &event["series"]["lastObservedTime"], &event["eventTime"]];
            let last = times.into_iter().find_map(time);
            last.is_none_or(|last| evidence.taken - last < 600.0)
        };
        let of_workload = |event: &&Value| {
            event["involvedObject"]["name"].as_str().is_some_and(|object| object.starts_with(name(workload)))
        };
        events.filter(recent).filter(of_workload).find_map(|event| event["message"].as_str())
    };
    let unscheduled: Vec<_> = pods
        .iter()
        .filter_map(|pod| Some((failing::unschedulable(pod)?, failing::node_to_come(evidence, pod))))
        .collect();
    let pending = match unscheduled.first() {
        Some((why, Some(to_come))) if unscheduled.len() == pods.len() => {
            return Judgement::NotJudged(format!("no pod has a node: {why} ({to_come})"));
        }
        Some((why, None)) if unscheduled.len() == pods.len() => Some(format!("no pod has a node: {why}")),
        _ if pods.is_empty() => refused().map(|why| format!("there is no pod: {why}")),
        _ => None,
    };
    if let Some(why) = pending {
        return Judgement::Broken(Finding::new(
            Cause::PodsPending,
            format!("{}: {why}", titled(workload)),
            "Make room for a pod: more or larger nodes, smaller requests, a wider quota.",
            Vec::new(),
        ));
    }
    let youngest = pods.iter().map(|pod| age(pod, evidence.taken)).fold(f64::INFINITY, f64::min);
    match pods.first() {
        Some(pod) if pods.iter().all(|pod| failing::is_overdue(evidence, pod)) => Judgement::Broken(Finding::new(
            Cause::PodsNotCounted,
            format!("pod {} runs and is not ready: {}", name(pod), unready(evidence, pod)),
            "See why the readiness probe fails: the HPA counts no pod that is not ready.",
            Vec::new(),
        )),
        Some(pod) => Judgement::NotJudged(format!("no pod is ready yet: {} is {youngest:.0} s old", name(pod))),
        None => Judgement::NotJudged(format!("{} has no pod yet", titled(workload))),
    }
}

/// What is told of a pod that is not ready.
fn unready(evidence: &Evidence, pod: &Value) -> String {
    let of_pod = |event: &&Value| event["involvedObject"]["name"] == name(pod) && event["reason"] == "Unhealthy";
    let event = evidence.events.items().iter().rev().find(of_pod).and_then(|event| event["message"].as_str());
    let condition = || super::objects::condition(pod, "Ready")?["message"].as_str();
    event.or_else(condition).unwrap_or("its readiness probe fails").to_owned()
}

/// Whether a pod is of a change of the workload that was made lately, and until which there were others that served.
fn of_a_bad_change(all: &Evidence, workload: &Value, pod: &Value) -> bool {
    let revision = workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    let hash = |pod: &Value| pod["metadata"]["labels"]["pod-template-hash"].clone();
    let alike = all.pods.items().iter().filter(|other| hash(other) == hash(pod));
    let first = alike.map(|pod| age(pod, all.taken)).fold(0.0, f64::max);
    if revision.and_then(|revision| revision.parse::<u64>().ok()).is_none_or(|revision| revision < 2) || first > LATELY
    {
        return false;
    }
    let older = |other: &&Value| hash(other) != hash(pod) && age(other, all.taken) > first;
    let served = |other: &Value| {
        let mut containers = other["status"]["containerStatuses"].as_array().into_iter().flatten();
        containers.any(|container| container["ready"] == true)
    };
    if let Some(other) = all.pods.items().iter().find(older) {
        return served(other);
    }
    // They have gone: the Deployment was available until it was changed, just before the first of these was made.
    let managed = workload["metadata"]["managedFields"].as_array().into_iter().flatten();
    let times = managed.filter(|change| change["subresource"].is_null()).filter_map(|change| time(&change["time"]));
    let changed = all.taken - times.fold(f64::NEG_INFINITY, f64::max);
    let available = super::objects::condition(workload, "Available").filter(|available| available["status"] == "False");
    let lost = available.and_then(|available| time(&available["lastTransitionTime"])).map(|lost| all.taken - lost);
    let just_before = (first - 5.0..first + START).contains(&changed);
    just_before && lost.is_some_and(|lost| lost <= changed + 5.0)
}

/// Why a pod cannot start, and what mends it: the change before is taken back where that was it.
fn broken_pod(all: &Evidence, workload: &Value, pod: &Value, reason: &Reason) -> Finding {
    let Reason { container, what, starts } = reason;
    let evidence = format!("pod {}, container {container}: {what}", name(pod));
    if !starts && of_a_bad_change(all, workload, pod) {
        let undo = format!("kubectl {}rollout undo {}", in_namespace(namespace(workload)), argument(workload));
        return Finding::new(
            Cause::PodFails,
            evidence,
            "Take the last change of the workload back; then mend what the reason says, and roll it out anew.",
            vec![undo],
        );
    }
    let advice = if what.contains("OOMKilled") {
        "Raise the container's `limits.memory`, or have it use less."
    } else if what.contains("Image") {
        "Correct the image's name, or give the pod a pull secret for its registry."
    } else {
        "See the end of its log (kubectl logs --previous), and mend the program, its arguments or its configuration."
    };
    Finding::new(Cause::PodFails, evidence, advice, Vec::new())
}
