//! The checks: one file or folder a link. Each reads the evidence, and results in a [`Status`].

mod answer;
mod api_service;
mod condition;
mod metrics;
mod monitor;
mod pod;
mod ready;
mod replicas;
mod rule;
mod series;
mod target;
mod traffic;

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Source, Subject};
use crate::doctor::link::Link;
use crate::doctor::status::Status;

/// The kinds of metric that a link has a part in.
const fn applies(link: Link) -> &'static [Source] {
    use Source::{Adapter, AdapterExternal, Keda, Resource};
    const ALL: &[Source] = &[Adapter, AdapterExternal, Keda, Resource];
    const OF_PROMETHEUS: &[Source] = &[Adapter, AdapterExternal, Keda];
    match link {
        Link::Metrics | Link::Monitor | Link::Target | Link::Series | Link::Rule => OF_PROMETHEUS,
        Link::Pod
        | Link::ApiService
        | Link::Answer
        | Link::Condition
        | Link::Replicas
        | Link::Ready
        | Link::Traffic => ALL,
    }
}

/// The status of every link, in their order.
pub fn check(evidence: &Evidence) -> Vec<(Link, Status)> {
    let subject = Subject::of(evidence);
    let check = |link| {
        if let Some(metric) = subject.metric.as_ref().filter(|metric| !applies(link).contains(&metric.source)) {
            return Status::NotApplicable(format!("{} comes from metrics.k8s.io", metric.name));
        }
        let status = match link {
            Link::Pod => pod::check(evidence, &subject),
            Link::Metrics => metrics::check(evidence, &subject),
            Link::Monitor => monitor::check(evidence, &subject),
            Link::Target => target::check(evidence, &subject),
            Link::Series => series::check(evidence, &subject),
            Link::Rule => rule::check(evidence, &subject),
            Link::ApiService => api_service::check(evidence, &subject),
            Link::Answer => answer::check(evidence, &subject),
            Link::Condition => condition::check(evidence, &subject),
            Link::Replicas => replicas::check(evidence, &subject),
            Link::Ready => ready::check(evidence, &subject),
            Link::Traffic => traffic::check(evidence, &subject),
        };
        debug_assert!(owns(link, &status), "{link:?} must not raise {:?}", status.finding());
        status
    };
    Link::ALL.map(|link| (link, check(link))).into()
}

/// Whether the catalogue lets this link raise the cause that it found.
pub fn owns(link: Link, status: &Status) -> bool {
    status.finding().is_none_or(|finding| finding.cause.entry().links.contains(&link))
}
