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
use crate::doctor::diagnosis::Walk;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::{origin, proof, subjects};
use crate::doctor::link::Link;
use crate::doctor::status::{Finding, Status};

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

/// The links that each metric has by itself.
const OF_A_METRIC: [Link; 7] =
    [Link::Metrics, Link::Monitor, Link::Target, Link::Series, Link::Rule, Link::ApiService, Link::Answer];

/// The status of every link, in their order, and the links of the HPA's other metrics.
pub struct Chain {
    /// The links of the metric whose chain is walked first, and of what all metrics share.
    pub links: Vec<(Link, Status)>,
    /// The links of each other metric.
    pub others: Vec<Walk>,
}

/// Checks every link.
pub fn check(evidence: &Evidence) -> Chain {
    let scaling = ScalingMetric::of(evidence);
    let (mut others, mut own, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for subject in subjects::others(evidence) {
        let unneeded = origin::without_prometheus(&subject.evidence, &subject.scaling);
        let check = |link| (link, checked(link, &subject.evidence, &subject.scaling, unneeded.as_deref(), &[]));
        let walk = Walk { place: subject.place, links: OF_A_METRIC.map(check).into() };
        if let Some((link, finding)) = walk.broken() {
            let after = format!("spec.metrics[{}], {}", subject.place, subject.title());
            let is_own = match subject.works() {
                // What lies before a value works, unless the value itself is wrong.
                Some(true) => spoils_value(finding.cause),
                _ => subject.scaling.is_resource(),
            };
            if is_own {
                own.push((link, finding.clone().after(&after)));
            } else if subject.works() != Some(true) {
                invalid.push((subject.place, link, finding.clone()));
            }
        }
        others.push(walk);
    }
    let unneeded = origin::without_prometheus(evidence, &scaling);
    let check = |link| {
        let status = checked(link, evidence, &scaling, unneeded.as_deref(), &invalid);
        let other = own.iter().find(|(at, _)| *at == link).filter(|_| !matches!(status, Status::Broken(_)));
        (link, other.map_or(status, |(_, finding)| Status::Broken(finding.clone())))
    };
    Chain { links: Link::ALL.map(check).into(), others }
}

/// The status of a link, for one metric. `unneeded` is why Prometheus has no part in it, and `invalid` are the broken links of
/// other metrics that have no value.
fn checked(
    link: Link,
    evidence: &Evidence,
    scaling: &ScalingMetric,
    unneeded: Option<&str>,
    invalid: &[(usize, Link, Finding)],
) -> Status {
    // KEDA's object is checked whatever its metric is.
    if let Some(why) = unneeded
        && OF_PROMETHEUS.contains(&link)
        && (link != Link::Rule || evidence.scaled_object.seen().is_none())
    {
        return Status::NotApplicable(why.to_owned());
    }
    if OF_PROMETHEUS.contains(&link)
        && link != Link::Rule
        && let Some(why) = origin::of_unknown_series(scaling)
    {
        return Status::NotApplicable(why);
    }
    let checked = match link {
        Link::Pod => pod::check(evidence, scaling),
        Link::Metrics => metrics::check(evidence, scaling),
        Link::Monitor => monitor::check(evidence, scaling),
        Link::Target => target::check(evidence, scaling),
        Link::Series => series::check(evidence, scaling),
        Link::Rule => rule::check(evidence, scaling),
        Link::ApiService => api_service::check(evidence, scaling),
        Link::Answer => answer::check(evidence, scaling),
        Link::Condition => condition::check(evidence, scaling, invalid),
        Link::Replicas => replicas::check(evidence),
        Link::Ready => ready::check(evidence),
        Link::Traffic => traffic::check(evidence, scaling),
    };
    let status = checked.map_or_else(|status| status, Status::Ok);
    debug_assert!(owns(link, &status), "{link:?} must not raise {:?}", status.finding());
    let is_unneeded = |cause| BEFORE_THE_ANSWER.contains(&link) && !spoils_value(cause);
    match status {
        Status::Broken(finding) if is_unneeded(finding.cause) && proof::has_current_value(evidence, scaling) => {
            Status::NotApplicable("not needed: the metrics API has a value".to_owned())
        }
        other => other,
    }
}

/// Whether the catalogue lets this link raise the cause that it found.
pub fn owns(link: Link, status: &Status) -> bool {
    status.finding().is_none_or(|finding| finding.cause.entry().links.contains(&link))
}
