//! The checks: one file or folder a link. Each reads the evidence, and returns the evidence that the link works or another
//! [`Status`].

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
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::link::Link;
use crate::doctor::status::Status;

/// The links that only a metric from Prometheus needs.
const OF_PROMETHEUS: [Link; 5] = [Link::Metrics, Link::Monitor, Link::Target, Link::Series, Link::Rule];

/// The status of every link, in their order.
pub fn check(evidence: &Evidence) -> Vec<(Link, Status)> {
    let scaling = ScalingMetric::of(evidence);
    let check = |link| {
        if let Some(metric) = scaling.metric.as_ref().filter(|metric| metric.source == Source::Resource)
            && OF_PROMETHEUS.contains(&link)
        {
            return Status::NotApplicable(format!("{} comes from metrics.k8s.io", metric.name));
        }
        let checked = match link {
            Link::Pod => pod::check(evidence, &scaling),
            Link::Metrics => metrics::check(evidence, &scaling),
            Link::Monitor => monitor::check(evidence, &scaling),
            Link::Target => target::check(evidence, &scaling),
            Link::Series => series::check(evidence, &scaling),
            Link::Rule => rule::check(evidence, &scaling),
            Link::ApiService => api_service::check(evidence, &scaling),
            Link::Answer => answer::check(evidence, &scaling),
            Link::Condition => condition::check(evidence, &scaling),
            Link::Replicas => replicas::check(evidence, &scaling),
            Link::Ready => ready::check(evidence),
            Link::Traffic => traffic::check(evidence, &scaling),
        };
        let status = checked.map_or_else(|status| status, Status::Ok);
        debug_assert!(owns(link, &status), "{link:?} must not raise {:?}", status.finding());
        status
    };
    Link::ALL.map(|link| (link, check(link))).into()
}

/// Whether the catalogue lets this link raise the cause that it found.
pub fn owns(link: Link, status: &Status) -> bool {
    status.finding().is_none_or(|finding| finding.cause.entry().links.contains(&link))
}
