//! Whether something else sets the replicas that the HPA sets.

use serde_json::Value;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{APPLIED, list, name, namespace, text, time, titled};
use crate::doctor::status::Finding;

/// Something else writes the replicas, or reverts them.
pub fn check(evidence: &Evidence, hpa: &Value) -> Option<Finding> {
    let workload = evidence.workload.seen()?;
    let seen = writer(workload, hpa).or_else(|| see_saw(evidence))?;
    let advice = format!(
        "Remove spec.replicas from the manifest of {}, and make the tool that applies it ignore the field (Argo CD: \
         spec.ignoreDifferences with jsonPointers [/spec/replicas]).",
        name(workload)
    );
    if !is_applied(workload) {
        return Some(Finding::new(Cause::ReplicasSetElsewhere, seen, advice, None));
    }
    let advice =
        format!("{advice} The command makes kubectl forget the field, so that a manifest without it sets nothing.");
    let command = about(workload, "apply view-last-applied")
        .words("-o yaml | sed '/^  replicas:/d' | kubectl")
        .namespace(namespace(workload))
        .words("apply set-last-applied -f -");
    Some(Finding::new(Cause::ReplicasSetElsewhere, seen, advice, [command]))
}

/// Whether the last manifest that `kubectl apply` applied sets the replicas.
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
        // It does if its last manifest has the field. The entry stays when a manifest without it is applied.
        "kubectl-client-side-apply" => is_applied(workload),
        // Somebody who uses `kubectl edit` or `kubectl patch` writes it once.
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
    let is_rescale = |event: &&Value| {
        event["reason"] == "SuccessfulRescale"
            && event["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
            && event["involvedObject"]["name"] == *evidence.name
    };
    let rescales: Vec<&Value> = evidence.events.items().iter().filter(is_rescale).collect();
    let size = |event: &Value| text(event, "/message").split(';').next().unwrap_or_default().to_owned();
    let times = |event: &Value| ["firstTimestamp", "lastTimestamp"].map(|field| time(&event[field]));
    let repeated = rescales.iter().find_map(|event| {
        let [Some(first), Some(last)] = times(event) else { return None };
        let between = |other: &&Value| {
            size(other) != size(event) && times(other).into_iter().flatten().any(|at| (first..=last).contains(&at))
        };
        let is_repeated = event["count"].as_u64().unwrap_or(1) > 1 && !rescales.iter().any(between);
        (evidence.taken - first < timing::REPLICAS_WRITER && is_repeated).then_some((event, last - first))
    });
    let (event, seconds) = repeated?;
    let (count, message) = (&event["count"], text(event, "/message"));
    let hpa = &evidence.name;
    Some(format!("HPA {hpa}: {count} times in {seconds:.0} s: {message}, with no other size in between"))
}
