//! The workload that the HPA scales, and a running pod of it.

mod scale_target;
mod strangers;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::pods::{leaves_zero, living};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::findings::{pending_pod, pod_failure};
use crate::doctor::fixes::kubectl::{about, apply, replace, scale};
use crate::doctor::objects::{Hpa, age, changed, name, namespace, text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::read::Read;

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    Status::stop(evidence.hpa.unread())?;
    // If KEDA has created no HPA, its trigger's check says why.
    if evidence.hpa == Read::Absent && evidence.scaled_object.seen().is_none() {
        return Err(without_hpa(evidence));
    }
    let workload = Status::require(&evidence.workload, || match evidence.workload {
        Read::Absent => elsewhere(evidence),
        _ => Status::missing(Input::Workload, "the workload is not known"),
    })?;
    Status::stop(scale_target::wrong_group(evidence, workload))?;
    // The API server leaves a 0 out.
    let desired = evidence.scale.seen().map(|scale| scale["spec"]["replicas"].as_u64().unwrap_or(0));
    if desired == Some(0) {
        return at_zero(evidence, workload);
    }
    Status::stop(evidence.pods.unread())?;
    Status::stop(strangers::finding(evidence))?;
    let pods: Vec<&Value> = living(evidence).collect();
    if scaling.ready.is_empty() {
        return Err(none_ready(evidence, workload, &pods));
    }
    Ok(format!("{}: {} of {} pods are ready", titled(workload), scaling.ready.len(), pods.len()))
}

fn without_hpa(evidence: &Evidence) -> Status {
    let Evidence { namespace, name, .. } = evidence;
    let versions = evidence.autoscaling.items();
    let why = match &evidence.hpas {
        _ if evidence.own_namespace == Read::Absent => format!("there is no namespace {namespace}"),
        Read::Unread(unread) => return unread.into(),
        Read::Absent | Read::NotAsked => {
            format!("namespace {namespace} has no HPA {name}, and its other HPAs are not known")
        }
        Read::Seen(others) if !others.is_empty() => format!("namespace {namespace} has no HPA {name}, but others"),
        Read::Seen(_) if versions.iter().any(|version| version == "v2beta2") => {
            format!("namespace {namespace} has no HPA: its manifest is not applied")
        }
        Read::Seen(_) => return not_accepted(namespace, versions),
    };
    Status::missing(Input::Hpa, why)
}

/// There is no HPA, most likely because the API server rejects its version.
fn not_accepted(namespace: &str, versions: &[String]) -> Status {
    let served = if versions.is_empty() {
        String::new()
    } else {
        format!("; the API server serves autoscaling/{}", versions.join(", "))
    };
    let advice = "Apply the HPA's manifest. If the API server rejects it, check its `apiVersion`: Kubernetes 1.25 removed \
                  `autoscaling/v2beta1` and 1.26 removed `v2beta2`. Change the line to `apiVersion: autoscaling/v2` and apply \
                  the manifest again. The fields of v2beta2 are the same. In v2beta1, a metric's `targetAverageValue` becomes \
                  `target: {type: AverageValue, averageValue: ...}`; `kubectl convert` rewrites it.";
    let seen = format!("namespace {namespace} has no HorizontalPodAutoscaler{served}");
    Finding::new(Cause::OldApiVersion, seen, advice, None).into()
}

fn elsewhere(evidence: &Evidence) -> Status {
    let Some(scaler) = evidence.scaled_object.seen().or(evidence.hpa.seen()) else {
        return Status::missing(Input::Hpa, "there is no HPA");
    };
    if let Some(other) = evidence.namesake.seen() {
        return of_another_kind(scaler, other).into();
    }
    let (kind, target) = (Hpa(scaler).target_kind(), text(Hpa(scaler).target(), "/name"));
    let of = namespace(scaler);
    let missing = format!("{} targets {kind}/{target}, which does not exist in namespace {of}", titled(scaler));
    let (seen, advice, commands) = match evidence.elsewhere.as_slice() {
        [] => (
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
            (
                format!("{missing}; namespace {other} has it"),
                format!("Move it to {other}: an HPA scales only targets in its own namespace."),
                vec![apply(&moved), about(scaler, "delete")],
            )
        }
        others => (
            format!("{missing}; namespaces {} have one", others.join(", ")),
            "Move it to the right one of these namespaces: an HPA scales only targets in its own namespace.".to_owned(),
            Vec::new(),
        ),
    };
    Finding::new(Cause::TargetElsewhere, seen, advice, commands).into()
}

/// The namespace has the target under another kind.
fn of_another_kind(scaler: &Value, other: &Value) -> Finding {
    let (target, kind) = (Hpa(scaler).target(), text(other, "/kind"));
    let written = Hpa(scaler).target_kind();
    let seen =
        format!("{} targets {written}/{}, which does not exist; {} does", titled(scaler), name(other), titled(other));
    if kind == "DaemonSet" {
        let advice = "A DaemonSet has a pod on every node, and no replicas to scale. Remove the HPA, or make the workload a \
                      Deployment.";
        return Finding::new(Cause::TargetElsewhere, seen, advice, None);
    }
    let path = "/spec/scaleTargetRef";
    let mut meant = target.clone();
    (meant["kind"], meant["apiVersion"]) = (json!(kind), other["apiVersion"].clone());
    let advice = format!("Set spec.scaleTargetRef.kind to {kind}, as the command does, and in the manifest.");
    Finding::new(Cause::TargetElsewhere, seen, advice, [replace(scaler, path, target, &meant)])
}

fn at_zero(evidence: &Evidence, workload: &Value) -> Checked {
    if leaves_zero(evidence) {
        return Ok(format!("{}: 0 replicas, from which KEDA or the HPA scales it", titled(workload)));
    }
    let minimum = evidence.hpa.seen().and_then(|hpa| hpa["spec"]["minReplicas"].as_u64()).unwrap_or(1);
    let by_hand = if minimum == 0 { ", and it was not the HPA that scaled it to 0" } else { "" };
    let seen = format!("{}: spec.replicas is 0{by_hand}", titled(workload));
    let minimum = minimum.max(1);
    let advice = format!("Scale it to {minimum}: an HPA does not scale from 0 that it has not gone to itself.");
    Err(Finding::new(Cause::ReplicasZero, seen, advice, [scale(workload, minimum)]).into())
}

fn none_ready(evidence: &Evidence, workload: &Value, pods: &[&Value]) -> Status {
    let failing = |pod: &&Value| pod_failure::finding(evidence, Some(workload), evidence.pods.items(), pod);
    if let Some(finding) = pods.iter().find_map(failing) {
        return finding.into();
    }
    // A pod that has a node may be ready before the others have theirs.
    if pods.iter().all(|pod| pod_state::unschedulable(pod).is_some())
        && let Some(status) = pending_pod::check(evidence, &titled(workload))
    {
        return status;
    }
    let youngest = pods.iter().map(|pod| age(pod, evidence.taken)).fold(f64::INFINITY, f64::min);
    match pods.first() {
        Some(pod) if pods.iter().all(|pod| pod_state::is_overdue(evidence, pod)) => {
            pod_failure::not_ready(evidence, pod).into()
        }
        Some(pod) => {
            let why = format!("no pod is ready yet: {} is {youngest:.0} s old", name(pod));
            Status::pending(timing::POD_RUNS - youngest, why)
        }
        None => without_pod(evidence, workload),
    }
}

/// No event says why there is no pod.
fn without_pod(evidence: &Evidence, workload: &Value) -> Status {
    let (seen, since) = (format!("{} has no pod", titled(workload)), changed(workload, evidence.taken));
    // A paused Deployment scales the ReplicaSets that it has, but makes none.
    if workload["kind"] == "Deployment" && workload["spec"]["paused"] == true && since > timing::POD_CREATED {
        let advice = "Resume its rollout: while it is paused, the Deployment makes no ReplicaSet.";
        let seen = format!("{seen}, and spec.paused is true");
        return Finding::new(Cause::PodsPending, seen, advice, [about(workload, "rollout resume")]).into();
    }
    if since < timing::POD_RUNS {
        return Status::pending(timing::POD_RUNS - since, format!("{seen} yet"));
    }
    let kind = text(workload, "/kind");
    let seen = format!("{seen}, and no event says why; it was changed {since:.0} s ago");
    let advice = format!("Check that the controller of kind {kind} runs, and read its log: it has made no pod.");
    Finding::new(Cause::PodsPending, seen, advice, None).into()
}
