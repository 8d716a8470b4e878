//! Who serves the metrics API: what it is, how it was started, and since when it runs.

use serde_json::Value;

use super::pod_state;
use crate::autoscaling::adapter_rules::flags::{MAX_AGE, RELIST_INTERVAL, arguments};
pub use crate::autoscaling::adapter_rules::flags::{PROMETHEUS_URL as URL, flag as argument};
use crate::autoscaling::timing;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::facts::requests;
use crate::doctor::facts::scaling_metric::Source;
use crate::doctor::objects::{Pod, Workload, condition, is_ready, lives, name, ready_for, text};

/// The API group that metrics of this source belong to.
pub const fn group(source: Source) -> &'static str {
    match source {
        Source::Adapter => "custom.metrics.k8s.io",
        Source::Keda | Source::AdapterExternal => "external.metrics.k8s.io",
        Source::Resource => "metrics.k8s.io",
    }
}

/// What serves metrics of this source.
pub const fn title(source: Source) -> &'static str {
    match source {
        Source::Adapter | Source::AdapterExternal => "prometheus-adapter",
        Source::Keda => "KEDA's metrics server",
        Source::Resource => "a metrics server",
    }
}

/// Whether a Deployment is what serves metrics of this source, by its image, its name or its arguments. Any can serve
/// CPU and memory.
pub fn serves(deployment: &Value, source: Source) -> bool {
    let named = |part: &str| name(deployment).contains(part) || Workload(deployment).runs_image(part);
    let keda = named("keda");
    match source {
        Source::Adapter | Source::AdapterExternal => {
            !keda && (named("prometheus-adapter") || arguments(deployment).any(|text| text.starts_with(URL)))
        }
        Source::Keda => keda,
        Source::Resource => true,
    }
}

/// Whether a Deployment is known to serve other metrics than those of this source.
pub fn is_another(deployment: &Value, source: Source) -> bool {
    match source {
        Source::Adapter | Source::AdapterExternal => serves(deployment, Source::Keda),
        Source::Keda => serves(deployment, Source::Adapter),
        Source::Resource => false,
    }
}

/// Whether the registered server answers with a list of metrics; none if it was not queried, or may not be.
pub fn lists(evidence: &Evidence, source: Source) -> Option<bool> {
    let answer = evidence.answers.get(&requests::listing(evidence, group(source)))?;
    match answer.status {
        0 | 401 | 403 => None,
        status => Some(status == 200),
    }
}

/// The arguments of a server that are read: the only ones that a bundle keeps.
pub const FLAGS: [&str; 4] = [URL, RELIST_INTERVAL, MAX_AGE, "--secure-port"];

/// What the server logs when it generates its own certificate.
pub const SELF_SIGNED: &str = "Generated self-signed cert";

/// Go's words for network errors.
const NETWORK: [&str; 8] = [
    "no such host",
    "connection refused",
    "i/o timeout",
    "deadline exceeded",
    "no route to host",
    "x509:",
    "server gave HTTP response",
    "connection reset",
];

/// Whether a log line says that the adapter could not reach Prometheus.
pub fn is_failure(line: &str) -> bool {
    let failed = line.contains("unable to update list") || line.contains("unable to fetch metrics");
    failed && NETWORK.iter().any(|word| line.contains(word))
}

/// Whether a log line says that metrics-server could not read a kubelet.
pub fn is_kubelet_failure(line: &str) -> bool {
    line.contains("Failed to scrape node")
}

/// Whether a judge reads this log line. A bundle keeps no others.
pub fn is_read_of_log(line: &str) -> bool {
    is_failure(line) || is_kubelet_failure(line) || line.contains(SELF_SIGNED)
}

/// Seconds since each of the server's containers started.
pub fn ages(evidence: &Evidence) -> impl Iterator<Item = f64> {
    living(evidence).filter_map(|pod| started(evidence, pod))
}

/// The least seconds since a pod of the server started. A pod that fails starts again and again, which tells nothing.
pub fn newest(evidence: &Evidence) -> Option<f64> {
    steady(evidence).filter_map(|pod| started(evidence, pod)).reduce(f64::min)
}

/// The least seconds since a pod of the server started, or became ready.
pub fn newly_ready(evidence: &Evidence) -> Option<f64> {
    steady(evidence).filter_map(|pod| ready_for(pod, evidence.taken)).chain(newest(evidence)).reduce(f64::min)
}

fn living(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    evidence.server.pods.items().iter().filter(|pod| lives(pod))
}

fn steady(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    living(evidence).filter(|pod| pod_state::of(pod).is_none())
}

fn started(evidence: &Evidence, pod: &Value) -> Option<f64> {
    let started =
        Pod(pod).container_statuses().iter().filter_map(|one| since(evidence, one, "/state/running/startedAt"));
    started.reduce(f64::min).or_else(|| since(evidence, pod, "/status/startTime"))
}

/// Whether the server's Deployment is being changed, or its pods are on their way: for no longer than either may take.
pub fn rolls(evidence: &Evidence) -> bool {
    let Some(deployment) = evidence.server.deployment.seen() else { return false };
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return true;
    }
    let updated = number("/status/updatedReplicas").unwrap_or(0);
    // Between the old pods and the new ones, with the strategy Recreate, there are none, and none is unavailable.
    let behind = updated < number("/spec/replicas").unwrap_or(1).max(number("/status/replicas").unwrap_or(0))
        || number("/status/unavailableReplicas").is_some_and(|missing| missing > 0);
    let given_up = condition(deployment, "Progressing").is_some_and(|progressing| progressing["status"] == "False");
    // Where none is to be seen, they are refused, or not ours to read.
    let lately = condition(deployment, "Progressing")
        .and_then(|progressing| since(evidence, progressing, "/lastUpdateTime"))
        .is_none_or(|since| since < timing::POD_RUNS);
    let mut starting = living(evidence).filter(|pod| !is_ready(pod)).peekable();
    let on_its_way = |pod: &Value| pod_state::of(pod).is_none() && !pod_state::is_overdue(evidence, pod);
    behind && !given_up && (starting.peek().is_none() && lately || starting.any(on_its_way))
}

/// Whether the API server reaches who is registered, and finds no such API there.
pub fn answers_with_404(evidence: &Evidence) -> bool {
    let available = evidence.server.api_service.seen().and_then(|api| condition(api, "Available"));
    available.is_some_and(|available| {
        let message = text(available, "/message").trim_end();
        available["status"] == "False" && message.contains("bad status from") && message.ends_with(": 404")
    })
}
