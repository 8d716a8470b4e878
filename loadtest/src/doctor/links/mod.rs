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

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::{origin, proof};
use crate::doctor::link::Link;
use crate::doctor::status::Status;

/// The links that only a metric from Prometheus needs.
const OF_PROMETHEUS: [Link; 5] = [Link::Metrics, Link::Monitor, Link::Target, Link::Series, Link::Rule];

/// The links that bring the value to the metrics API.
const BEFORE_THE_ANSWER: [Link; 6] =
    [Link::Metrics, Link::Monitor, Link::Target, Link::Series, Link::Rule, Link::ApiService];

/// Whether a cause makes the value wrong, or makes it come and go. Any other is no fault while there is a value.
const fn spoils_value(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ProbesCounted
            | Cause::BalancerChecksCounted
            | Cause::ScrapedTwice
            | Cause::GroupByDropped
            | Cause::PrometheusNotReady
            | Cause::EmptyReadAsZero
            | Cause::SeveralSeries
            | Cause::KedaBlocked
            | Cause::ScalerPaused
            | Cause::FallbackActive
            | Cause::IdleReplicas
    )
}

/// The status of every link, in their order.
pub fn check(evidence: &Evidence) -> Vec<(Link, Status)> {
    let scaling = ScalingMetric::of(evidence);
    let unneeded = origin::without_prometheus(evidence, &scaling);
    let is_proven = proof::has_current_value(evidence, &scaling);
    let check = |link| {
        // KEDA's object is checked whatever its metric is.
        if let Some(why) = &unneeded
            && OF_PROMETHEUS.contains(&link)
            && (link != Link::Rule || evidence.scaled_object.seen().is_none())
        {
            return Status::NotApplicable(why.clone());
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
        match status {
            Status::Broken(finding)
                if is_proven && BEFORE_THE_ANSWER.contains(&link) && !spoils_value(finding.cause) =>
            {
                Status::NotApplicable("not needed: the metrics API has a value".to_owned())
            }
            other => other,
        }
    };
    Link::ALL.map(|link| (link, check(link))).into()
}

/// Whether the catalogue lets this link raise the cause that it found.
pub fn owns(link: Link, status: &Status) -> bool {
    status.finding().is_none_or(|finding| finding.cause.entry().links.contains(&link))
}
