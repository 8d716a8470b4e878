//! Whether something else sets the replicas that the HPA sets.

use serde_json::Value;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{APPLIED, list, name, namespace, text, time, titled};
use crate::doctor::status::Finding;

pub fn check(evidence: &Evidence, hpa: &Value) -> Option<Finding> {
    let workload = evidence.workload.seen()?;
    let seen = writer(workload, hpa).or_else(|| see_saw(evidence))?;
    let advice = format!(
        "Remove spec.replicas from the manifest of {}, and make the tool that applies it ignore the field (Argo CD: \
         spec.ignoreDifferences with jsonPointers [/spec/replicas]).",
        name(workload)
    );
    if !is_applied(workload) {
        return Some(Finding::new(Cause::ReplicasSetElsewhere, seen, advice, Vec::new()));
    }
    let advice =
        format!("{advice} The command makes kubectl forget the field, so that a manifest without it sets nothing.");
    let command = about(workload, "apply view-last-applied")
        .words("-o yaml | sed '/^  replicas:/d' | kubectl")
        .namespace(namespace(workload))
        .words("apply set-last-applied -f -");
    Some(Finding::new(Cause::ReplicasSetElsewhere, seen, advice, vec![command.end()]))
}

/// Whether the manifest that `kubectl apply` was given last sets the replicas.
fn is_applied(workload: &Value) -> bool {
    let applied = workload["metadata"]["annotations"][APPLIED].as_str();
    let applied: Option<Value> = applied.and_then(|text| serde_json::from_str(text).ok());
    applied.is_some_and(|manifest| manifest.pointer("/spec/replicas").is_some_and(Value::is_number))
}

/// Who wrote `spec.replicas` after the HPA did, and will again: with a manifest, or by a program.
fn writer(workload: &Value, hpa: &Value) -> Option<String> {
    let scaled = hpa.pointer("/status/lastScaleTime").and_then(time)?;
    let entries = list(workload, "/metadata/managedFields").iter();
    let after = |entry: &&Value| {
        let written = time(&entry["time"]).is_some_and(|at| at > scaled);
        entry.pointer("/fieldsV1/f:spec/f:replicas").is_some() && written && text(entry, "/subresource").is_empty()
    };
    let again = |entry: &&Value| match text(entry, "/manager") {
        manager if scales(manager) => false,
        // It does so where its last manifest says the field; the entry stays when a manifest without it is applied.
        "kubectl-client-side-apply" => is_applied(workload),
        // By hand, with `kubectl edit` or `kubectl patch`, is once.
        manager => !manager.starts_with("kubectl-"),
    };
    let entry = entries.filter(after).find(again)?;
    let replicas = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    Some(format!(
        "{}: metadata.managedFields: {} wrote spec.replicas, {replicas}, at {}, after the HPA's change at {}",
        titled(workload),
        text(entry, "/manager"),
        text(entry, "/time"),
        text(hpa, "/status/lastScaleTime"),
    ))
}

/// Managers that scale as they should.
fn scales(manager: &str) -> bool {
    manager == "kube-controller-manager" || manager.contains("horizontal-pod-autoscaler") || manager.starts_with("keda")
}

/// The HPA sets the same size again and again, with no other in between: something reverts it.
fn see_saw(evidence: &Evidence) -> Option<String> {
    let at = |event: &Value, field: &str| time(&event[field]);
    let rescales: Vec<_> = evidence
        .events
        .items()
        .iter()
        .filter(|event| {
            event["reason"] == "SuccessfulRescale"
                && event["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
                && event["involvedObject"]["name"] == *evidence.name
        })
        .collect();
    let size = |event: &Value| text(event, "/message").split(';').next().unwrap_or_default().to_owned();
    let alone = |event: &&&Value| {
        let (Some(first), Some(last)) = (at(event, "firstTimestamp"), at(event, "lastTimestamp")) else { return false };
        let between = |other: &&Value| {
            let times = [at(other, "firstTimestamp"), at(other, "lastTimestamp")];
            size(other) != size(event) && times.into_iter().flatten().any(|time| (first..=last).contains(&time))
        };
        event["count"].as_u64().unwrap_or(1) > 1 && !rescales.iter().any(between)
    };
    let lately = |event: &&&Value| {
        at(event, "firstTimestamp").is_some_and(|first| evidence.taken - first < timing::REPLICAS_WRITER)
    };
    let event = rescales.iter().filter(lately).find(alone)?;
    Some(format!(
        "HPA {}: {} times in {:.0} s: {}, with no other size in between",
        evidence.name,
        event["count"],
        at(event, "lastTimestamp")? - at(event, "firstTimestamp")?,
        text(event, "/message")
    ))
}
