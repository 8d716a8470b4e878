//! The workload that the HPA scales, and a pod of it that runs.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::pods::leaves_zero;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::findings::{pending_pod, pod_failure};
use crate::doctor::fixes::kubectl::{apply, delete, scale};
use crate::doctor::objects::{age, lives, name, namespace, titled};
use crate::kube::read::Read;
use crate::kube::words::LEFT_OUT;

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
    if evidence.own_namespace == Read::Absent {
        return Judgement::NotJudged(format!("there is no namespace {namespace}"));
    }
    let versions = evidence.autoscaling.items();
    match &evidence.hpas {
        Read::Unread(unread) => Judgement::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => Judgement::NotJudged(format!(
            "there is no HPA {name} in {namespace}, and whether it has others is not known"
        )),
        Read::Seen(others) if !others.is_empty() => {
            Judgement::NotJudged(format!("there is no HPA {name} in {namespace}, which has others"))
        }
        Read::Seen(_) if versions.iter().any(|version| version == "v2beta2") => {
            Judgement::NotJudged(format!("there is no HPA in {namespace}: its manifest is not applied"))
        }
        Read::Seen(_) => {
            let served = versions.join(", ");
            let served =
                if served.is_empty() { String::new() } else { format!("; the API server serves autoscaling/{served}") };
            Judgement::Broken(Finding::new(
                Cause::OldApiVersion,
                format!("namespace {namespace} has no HorizontalPodAutoscaler{served}"),
                "Apply the HPA's manifest. If the API server refuses it, check its `apiVersion`: Kubernetes 1.25 removed \
                 `autoscaling/v2beta1` and 1.26 removed `v2beta2`. Change the line to `apiVersion: autoscaling/v2` and apply \
                 the manifest again. The fields of v2beta2 are the same. In v2beta1, a metric's `targetAverageValue` becomes \
                 `target: {type: AverageValue, averageValue: ...}`; `kubectl convert` rewrites it.",
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
            broken(
                format!("{missing}; namespace {other} has it"),
                format!("Move it to {other}: an HPA scales what is in its own namespace."),
                if whole { vec![apply(&moved), delete(scaler)] } else { Vec::new() },
            )
        }
        others => broken(
            format!("{missing}; namespaces {} have one", others.join(", ")),
            "Move it to the namespace of the one that is meant: an HPA scales what is in its own namespace.".to_owned(),
            Vec::new(),
        ),
    }
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
        vec![scale(workload, namespace(workload), least)],
    ))
}

fn none_ready(evidence: &Evidence, workload: &Value, pods: &[&Value]) -> Judgement {
    if let Some(finding) =
        pods.iter().find_map(|pod| pod_failure::finding(evidence, Some(workload), evidence.pods.items(), pod))
    {
        return Judgement::Broken(finding);
    }
    // One that has a node may be ready before the others have theirs.
    if pods.iter().all(|pod| pod_state::unschedulable(pod).is_some())
        && let Some(judgement) = pending_pod::judge(evidence, &titled(workload))
    {
        return judgement;
    }
    let youngest = pods.iter().map(|pod| age(pod, evidence.taken)).fold(f64::INFINITY, f64::min);
    match pods.first() {
        Some(pod) if pods.iter().all(|pod| pod_state::is_overdue(evidence, pod)) => {
            Judgement::Broken(pod_failure::not_ready(evidence, pod))
        }
        Some(pod) => Judgement::NotJudged(format!("no pod is ready yet: {} is {youngest:.0} s old", name(pod))),
        None => Judgement::NotJudged(format!("{} has no pod yet", titled(workload))),
    }
}
