//! The HPA's metrics, each with the evidence that it is judged by: its own chain.

use std::borrow::Cow;

use serde_json::Value;

use super::scaling_metric::{self, ScalingMetric, deciding};
use super::{requests, values};
use crate::doctor::evidence::Evidence;

/// One metric of the HPA.
pub struct Subject<'a> {
    /// Its place in `spec.metrics`.
    pub place: usize,
    /// It, and the series that it is made of.
    pub scaling: ScalingMetric,
    /// The evidence, with the server of its own API.
    pub evidence: Cow<'a, Evidence>,
}

impl Subject<'_> {
    /// Type and name, such as `Resource cpu`.
    pub fn title(&self) -> String {
        self.scaling.metric.as_ref().map(|metric| scaling_metric::titled(&metric.spec)).unwrap_or_default()
    }

    /// Whether its API has a value now; none where it could not be asked.
    pub fn works(&self) -> Option<bool> {
        values::works(&self.evidence, &self.scaling)
    }
}

/// Every metric of the HPA but the one whose chain is walked first, as [`deciding`] finds it.
pub fn others(evidence: &Evidence) -> Vec<Subject<'_>> {
    let first = deciding(evidence);
    let all = scaling_metric::all(evidence).iter().enumerate();
    let others = all.filter(|(_, spec)| first.is_none_or(|first| !std::ptr::eq(first, *spec)));
    others.map(|(place, spec)| subject(evidence, place, spec)).collect()
}

fn subject<'a>(evidence: &'a Evidence, place: usize, spec: &Value) -> Subject<'a> {
    let evidence = of_group(evidence, requests::group(spec));
    let scaling = ScalingMetric::of_spec(&evidence, spec);
    Subject { place, scaling, evidence }
}

/// The groups of the APIs that the HPA's metrics belong to, apart from the first one's.
pub fn other_groups(evidence: &Evidence) -> Vec<&'static str> {
    let first = deciding(evidence).map(requests::group);
    let mut groups: Vec<_> = scaling_metric::all(evidence).iter().map(requests::group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|group| Some(*group) != first);
    groups
}

/// The evidence, with the server of this group's API instead of the first metric's.
fn of_group<'a>(evidence: &'a Evidence, group: &str) -> Cow<'a, Evidence> {
    if deciding(evidence).map(requests::group) == Some(group) {
        return Cow::Borrowed(evidence);
    }
    let server = evidence.servers.get(group).cloned().unwrap_or_default();
    if group != "metrics.k8s.io" {
        return Cow::Owned(Evidence { server, ..evidence.clone() });
    }
    // Prometheus has no part in CPU and memory, and may have much to copy.
    let Evidence { version, taken, kubernetes, namespace, name, hpa, workload, scale, pods, events, .. } = evidence;
    Cow::Owned(Evidence {
        version: version.clone(),
        taken: *taken,
        kubernetes: kubernetes.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        hpa: hpa.clone(),
        workload: workload.clone(),
        scale: scale.clone(),
        pods: pods.clone(),
        events: events.clone(),
        answers: evidence.answers.clone(),
        access: evidence.access.clone(),
        server,
        ..Evidence::default()
    })
}
