//! Why a pod does not run, or is not ready.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state::{Reason, of, runs};
use crate::doctor::fixes::kubectl::{about, in_namespace};
use crate::doctor::fixes::{Command, rollback};
use crate::doctor::objects::{Pod, condition, name, namespace, text};
use crate::doctor::status::Finding;

/// Why a container of the pod fails, if one does, and the fix: a rollback, if the last change is the reason.
pub fn finding(evidence: &Evidence, workload: Option<&Value>, pods: &[Value], pod: &Value) -> Option<Finding> {
    let Reason { container, what, never_started, starts } = of(pod)?;
    let seen = format!("pod {}, container {container}: {what}", name(pod));
    let found =
        |advice: String, command: Option<Command>| Some(Finding::new(Cause::PodFails, seen.clone(), advice, command));
    if !starts && let Some(undo) = rollback::undo(evidence.taken, workload, pods, pod) {
        return found(rollback::ADVICE.to_owned(), Some(undo));
    }
    if never_started {
        let advice = "The container never started, so it has no log. Correct what the message names: its command, its working directory, or its mounts.";
        return found(advice.to_owned(), None);
    }
    if what.contains("OOMKilled") {
        let advice = "Raise the container's `limits.memory`, or make it use less memory.".to_owned();
        // kubectl knows the templates of these kinds only.
        let workload = workload.filter(|workload| text(workload, "/apiVersion").starts_with("apps/"));
        let limit = doubled(pod, &container).zip(workload);
        let command = limit.map(|(limit, workload)| {
            let resources = about(workload, "set resources").name("--containers=", &container);
            resources.plain("--limits=memory=", &limit)
        });
        return found(advice, command);
    }
    if what.contains("Image") {
        let advice = "Correct the image's name, or give the pod a pull secret for its registry.";
        return found(advice.to_owned(), None);
    }
    let log = in_namespace(namespace(pod)).words("logs").name("", name(pod)).name("--container ", &container);
    let log = log.words("--previous");
    let log = log.text().map(|log| format!(" ({log})")).unwrap_or_default();
    let advice = format!("Read the end of its log{log}. Then fix the program, its arguments or its configuration.");
    found(advice, None)
}

/// Twice the container's memory limit.
fn doubled(pod: &Value, container: &str) -> Option<String> {
    let spec = Pod(pod).containers().iter().find(|spec| spec["name"] == container)?;
    let limit = text(spec, "/resources/limits/memory");
    let (number, unit) = with_unit(limit)?;
    // Bundles come from others, and this becomes part of a command. `1.5Gi` is not a whole number.
    let plain = unit.chars().all(|c| c.is_ascii_alphanumeric());
    plain.then(|| Some(format!("{}{unit}", number.checked_mul(2)?)))?
}

/// A whole number and its unit, such as 300 and `Mi`.
pub fn with_unit(quantity: &str) -> Option<(u64, &str)> {
    let (number, unit) = quantity.split_at(quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len()));
    Some((number.parse().ok()?, unit))
}

/// A pod that has not become ready in time.
pub fn not_ready(evidence: &Evidence, pod: &Value) -> Finding {
    let does = if runs(pod) { "runs, but is not ready" } else { "does not start" };
    let seen = format!("pod {} {does}: {}", name(pod), unready(evidence, pod));
    let undo = rollback::undo(evidence.taken, evidence.workload.seen(), evidence.pods.items(), pod);
    let advice = "Fix what the message reports. When the HPA adds replicas, it counts a pod that is not ready as idle. \
                  When it removes replicas, it does not count that pod.";
    Finding::new(Cause::PodsNotCounted, seen, if undo.is_some() { rollback::ADVICE } else { advice }, undo)
}

/// What is reported about a pod that is not ready.
fn unready(evidence: &Evidence, pod: &Value) -> String {
    let is_of_pod = |event: &&Value| {
        let reason = text(event, "/reason");
        event["involvedObject"]["name"] == name(pod) && (reason == "Unhealthy" || reason.starts_with("Failed"))
    };
    let event = evidence.events.items().iter().rev().find(is_of_pod).map(|event| text(event, "/message").trim());
    let ready = || condition(pod, "Ready").map(|ready| text(ready, "/message")).filter(|message| !message.is_empty());
    let message = event.or_else(ready).unwrap_or("no reason is reported");
    let probes = if message.starts_with("Readiness probe failed") { readiness_probes(pod) } else { Vec::new() };
    if probes.is_empty() { message.to_owned() } else { format!("{message} ({})", probes.join("; ")) }
}

/// What the kubelet asks for, container by container.
fn readiness_probes(pod: &Value) -> Vec<String> {
    let probes = Pod(pod).containers().iter().filter_map(|container| {
        let probe = &container["readinessProbe"];
        let port = |how: &str| probe[how]["port"].to_string().trim_matches('"').to_owned();
        let what = match probe.as_object()? {
            all if all.contains_key("httpGet") => {
                let path = probe["httpGet"]["path"].as_str().unwrap_or("/");
                format!("GET {path} on port {}", port("httpGet"))
            }
            all if all.contains_key("tcpSocket") => format!("a connection to port {}", port("tcpSocket")),
            all if all.contains_key("grpc") => format!("a gRPC health check on port {}", port("grpc")),
            _ => "a command".to_owned(),
        };
        Some(format!("container {}: {what}", text(container, "/name")))
    });
    probes.collect()
}
