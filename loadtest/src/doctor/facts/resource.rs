//! CPU and memory: what the Resource Metrics API has of each pod, and whether the HPA's controller counts it.

use serde_json::Value;

use super::requests;
use crate::autoscaling::{duration, quantity, timing};
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{condition, list, name, text, time};

/// A metric of type `Resource` or `ContainerResource`.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// `cpu` or `memory`.
    pub name: &'a str,
    /// The container that it is of; none for the pods as a whole.
    pub container: Option<&'a str>,
    /// The target in per cent of the requests; none for a value.
    pub utilization: Option<f64>,
}

impl<'a> Resource<'a> {
    /// Of an item of `spec.metrics`.
    pub fn of(spec: &'a Value) -> Option<Self> {
        let body = match spec["type"].as_str()? {
            "Resource" => &spec["resource"],
            "ContainerResource" => &spec["containerResource"],
            _ => return None,
        };
        Some(Self {
            name: body["name"].as_str()?,
            container: body["container"].as_str(),
            utilization: body["target"]["averageUtilization"].as_f64().filter(|target| *target > 0.0),
        })
    }
}

/// What the API has of a pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What it uses.
    pub usage: f64,
    /// When its window ended: Unix time in seconds.
    pub at: f64,
    /// The window's length in seconds.
    pub window: f64,
}

/// The list of pods that the API answered with; none where it did not.
pub fn answered<'a>(evidence: &'a Evidence, spec: &Value) -> Option<&'a [Value]> {
    let answer = evidence.answers.get(&requests::metric(evidence, spec)?)?;
    (answer.status == 200).then(|| list(&answer.body, "/items"))
}

/// What the API has of a pod: the sum over its containers, each of which needs a value, or that of one container.
pub fn sample(items: &[Value], pod: &str, resource: Resource<'_>) -> Option<Sample> {
    let item = items.iter().find(|item| name(item) == pod)?;
    let containers = list(item, "/containers").iter();
    let usage = |one: &Value| quantity::value(text(one, &format!("/usage/{}", resource.name)));
    let usage = match resource.container {
        Some(wanted) => usage(containers.clone().find(|one| text(one, "/name") == wanted)?)?,
        None => containers.clone().map(usage).sum::<Option<f64>>().filter(|_| containers.len() > 0)?,
    };
    let window = duration::go(text(item, "/window")).unwrap_or_default();
    Some(Sample { usage, at: time(&item["timestamp"]).unwrap_or_default(), window })
}

/// Why the controller does not count a pod's CPU yet, and the most seconds until it does; none where it counts.
pub fn initialising(evidence: &Evidence, pod: &Value, sample: Sample) -> Option<f64> {
    let started = time(&pod["status"]["startTime"]);
    let (Some(started), Some(ready)) = (started, condition(pod, "Ready")) else {
        return Some(timing::CPU_INITIALISATION);
    };
    let since = time(&ready["lastTransitionTime"]).unwrap_or_default();
    let unready = ready["status"] == "False";
    let rest = started + timing::CPU_INITIALISATION - evidence.taken;
    if rest > 0.0 {
        return (unready || sample.at < since + sample.window).then_some(rest);
    }
    // It has never been ready.
    (unready && started + timing::INITIAL_READINESS > since).then_some(timing::SYNC_PERIOD)
}
