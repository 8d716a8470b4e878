//! The HPA's metrics as the diagnosis lists them.

use crate::doctor::diagnosis::{Measure, MetricResult, Walk, result};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::arithmetic::{asks, bounds, changes, why};
use crate::doctor::facts::decision::decision;
use crate::doctor::facts::proposals;

/// Each metric, with the links of those whose chain is not the first one's; and why the replicas are what they are.
pub fn metrics(evidence: &Evidence, walks: &[Walk]) -> (Vec<MetricResult>, Option<String>) {
    let Some(decision) = decision(evidence) else { return (Vec::new(), None) };
    let metrics = decision.metrics.iter().enumerate().map(|(place, metric)| {
        let walk = walks.iter().find(|walk| walk.place == metric.place);
        let links = walk.iter().flat_map(|walk| &walk.links).map(|(link, status)| result(*link, status.clone()));
        let (in_at, out_above) = bounds(metric, &decision);
        MetricResult {
            kind: metric.kind.to_owned(),
            name: metric.name.to_owned(),
            container: metric.container.map(str::to_owned),
            measure: match metric.measure {
                proposals::Measure::Utilization => Measure::Utilization,
                proposals::Measure::Average => Measure::Average,
                proposals::Measure::Value => Measure::Value,
            },
            value: metric.value,
            target: metric.target,
            desired: metric.proposal.map(|proposal| proposal.replicas),
            decides: decision.decides == Some(place),
            evidence: asks(metric, &decision.behavior),
            out_above,
            in_at,
            changes: changes(metric, &decision),
            links: links.collect(),
            broken: walk.and_then(Walk::broken).map(|(_, finding)| finding.clone()),
        }
    });
    (metrics.collect(), Some(why(&decision)))
}
