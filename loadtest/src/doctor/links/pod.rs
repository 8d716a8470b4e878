//! The workload that the HPA scales, and a running pod of it.

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::pods::leaves_zero;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::findings::{pending_pod, pod_failure};
use crate::doctor::fixes::kubectl::{apply, delete, scale};
use crate::doctor::objects::{age, lives, name, namespace, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Read;
use crate::kube::words::LEFT_OUT;

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    match (&evidence.hpa, &evidence.scaled_object) {
        (Read::Unread(unread), _) => return Status::Unread(unread.clone()),
        // If KEDA has created no HPA, its trigger's check says why.
        (Read::Absent, scaled) if scaled.seen().is_none() => return without_hpa(evidence),
        _ => {}
    }
    let workload = match &evidence.workload {
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        Read::Absent => return elsewhere(evidence),
        Read::NotAsked => return Status::missing(Input::Workload, "the workload is not known"),
        Read::Seen(workload) => workload,
    };
    // The API server leaves a 0 out.
    let desired = evidence.scale.seen().map(|scale| scale["spec"]["replicas"].as_u64().unwrap_or(0));
    if desired == Some(0) {
        return at_zero(evidence, workload);
    }
    let pods: Vec<&Value> = match &evidence.pods {
        Read::Unread(unread) => return Status::Unread(unread.clone()),
        pods => pods.items().iter().filter(|pod| lives(pod)).collect(),
    };
    if subject.ready.is_empty() {
        return none_ready(evidence, workload, &pods);
    }
    Status::Ok(format!("{}: {} of {} pods are ready", titled(workload), subject.ready.len(), pods.len()))
}

fn without_hpa(evidence: &Evidence) -> Status {
    let Evidence { namespace, name, .. } = evidence;
    if evidence.own_namespace == Read::Absent {
        return Status::missing(Input::Hpa, format!("there is no namespace {namespace}"));
    }
    let versions = evidence.autoscaling.items();
    match &evidence.hpas {
        Read::Unread(unread) => Status::Unread(unread.clone()),
        Read::Absent | Read::NotAsked => Status::missing(
            Input::Hpa,
            format!("namespace {namespace} has no HPA {name}, and its other HPAs are not known"),
        ),
        Read::Seen(others) if !others.is_empty() => {
            Status::missing(Input::Hpa, format!("namespace {namespace} has no HPA {name}, but others"))
        }
        Read::Seen(_) if versions.iter().any(|version| version == "v2beta2") => {
            Status::missing(Input::Hpa, format!("namespace {namespace} has no HPA: its manifest is not applied"))
        }
        Read::Seen(_) => {
            let served = versions.join(", ");
            let served =
                if served.is_empty() { String::new() } else { format!("; the API server serves autoscaling/{served}") };
            Status::Broken(Finding::new(
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

fn elsewhere(evidence: &Evidence) -> Status {
    let (scaler, target) = match (evidence.scaled_object.seen(), evidence.hpa.seen()) {
        (Some(scaled), _) => (scaled, &scaled["spec"]["scaleTargetRef"]),
        (None, Some(hpa)) => (hpa, &hpa["spec"]["scaleTargetRef"]),
        (None, None) => return Status::missing(Input::Hpa, "there is no HPA"),
    };
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    let target = target["name"].as_str().unwrap_or_default();
    let of = namespace(scaler);
    let missing = format!("{} targets {kind}/{target}, which does not exist in namespace {of}", titled(scaler));
    let broken = |evidence: String, advice: String, commands| {
        Status::Broken(Finding::new(Cause::TargetElsewhere, evidence, advice, commands))
    };
    match evidence.elsewhere.as_slice() {
        [] => broken(
            format!("{missing} or in another namespace that could be read"),
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
                format!("Move it to {other}: an HPA scales only targets in its own namespace."),
                if whole { vec![apply(&moved), delete(scaler)] } else { Vec::new() },
            )
        }
        others => broken(
            format!("{missing}; namespaces {} have one", others.join(", ")),
            "Move it to the right one of these namespaces: an HPA scales only targets in its own namespace.".to_owned(),
            Vec::new(),
        ),
    }
}

fn at_zero(evidence: &Evidence, workload: &Value) -> Status {
    if leaves_zero(evidence) {
        return Status::Ok(format!("{}: 0 replicas, from which KEDA or the HPA scales it", titled(workload)));
    }
    let minimum = evidence.hpa.seen().and_then(|hpa| hpa["spec"]["minReplicas"].as_u64()).unwrap_or(1);
    Status::Broken(Finding::new(
        Cause::ReplicasZero,
        format!("{}: spec.replicas is 0", titled(workload)),
        format!("Scale it to {minimum}: an HPA does not scale from 0."),
        vec![scale(workload, namespace(workload), minimum)],
    ))
}

fn none_ready(evidence: &Evidence, workload: &Value, pods: &[&Value]) -> Status {
    if let Some(finding) =
        pods.iter().find_map(|pod| pod_failure::finding(evidence, Some(workload), evidence.pods.items(), pod))
    {
        return Status::Broken(finding);
    }
    // One that has a node may be ready before the others have theirs.
    if pods.iter().all(|pod| pod_state::unschedulable(pod).is_some())
        && let Some(status) = pending_pod::check(evidence, &titled(workload))
    {
        return status;
    }
    let youngest = pods.iter().map(|pod| age(pod, evidence.taken)).fold(f64::INFINITY, f64::min);
    match pods.first() {
        Some(pod) if pods.iter().all(|pod| pod_state::is_overdue(evidence, pod)) => {
            Status::Broken(pod_failure::not_ready(evidence, pod))
        }
        Some(pod) => {
            let why = format!("no pod is ready yet: {} is {youngest:.0} s old", name(pod));
            Status::pending(timing::POD_RUNS - youngest, why)
        }
        None => Status::pending(timing::POD_RUNS, format!("{} has no pod yet", titled(workload))),
    }
}
