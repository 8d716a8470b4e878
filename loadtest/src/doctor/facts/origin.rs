//! Whether Prometheus has a part in the metric. Other servers and other triggers read what they want.

use super::{scaled_object, server, values};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::objects::{Workload, leads_to, namespace, text, titled};
use crate::kube::read::Read;

/// Why the links between the pods' pages and the series have no part in the metric; none if they have, or may have.
pub fn without_prometheus(evidence: &Evidence, scaling: &ScalingMetric) -> Option<String> {
    let Some(metric) = &scaling.metric else {
        let object = evidence.scaled_object.seen().filter(|_| evidence.hpa == Read::Absent)?;
        return Some(format!("{} has no HPA", titled(object)));
    };
    match metric.source {
        Source::Keda => {
            let triggers = scaled_object::triggers(evidence.scaled_object.seen()?, &metric.name);
            if triggers.is_empty() || triggers.iter().any(|(_, trigger)| trigger["type"] == "prometheus") {
                return None;
            }
            let kinds =
                triggers.iter().map(|(number, trigger)| format!("trigger {number} is {}", text(trigger, "/type")));
            Some(kinds.collect::<Vec<_>>().join(", "))
        }
        // An External metric may be of anything: only a rule ties it to series of Prometheus.
        Source::AdapterExternal if scaling.rule.is_none() && evidence.server.api_service == Read::Absent => {
            Some(format!("no server of external metrics is registered to have {}", metric.name))
        }
        Source::Adapter | Source::AdapterExternal => {
            let server = other_server(evidence, scaling, metric.source)?;
            Some(format!("{server} serves {} from its own source", metric.name))
        }
        Source::Resource => Some(format!("{} comes from metrics.k8s.io", metric.name)),
    }
}

/// Why the pods' pages and what scrapes them are not checked: no rule says which series an Object or External metric is made
/// of, and it may be of anything.
pub fn of_unknown_series(scaling: &ScalingMetric) -> Option<String> {
    let of_adapter = |metric: &&Metric| matches!(metric.source, Source::Adapter | Source::AdapterExternal);
    let metric = scaling.metric.as_ref().filter(of_adapter).filter(|_| !scaling.is_of_pods())?;
    let is_unknown = scaling.rule.is_none() && scaling.series.is_none();
    is_unknown.then(|| format!("no rule says which series {} is made of", metric.name))
}

/// The server of the metric's API, if it is neither prometheus-adapter nor known to be the wrong one.
pub fn other_server(evidence: &Evidence, scaling: &ScalingMetric, source: Source) -> Option<String> {
    if source == Source::Resource || server::lists(evidence, source) == Some(false) {
        return None;
    }
    let service = evidence.server.service.seen();
    let behind = evidence.server.deployment.seen().filter(|deployment| {
        service.is_none_or(|service| {
            namespace(service) == namespace(deployment)
                && Workload(deployment).pod_labels().is_some_and(|labels| leads_to(service, labels))
        })
    });
    if let Some(deployment) = behind {
        let is_other = !server::serves(deployment, source) && !server::is_another(deployment, source);
        return is_other.then(|| titled(deployment));
    }
    // Something else than a Deployment runs behind the Service: what it answers shows that it runs.
    let is_there = evidence.server.deployment.unread().is_none() && values::works(evidence, scaling) == Some(true);
    service.filter(|_| is_there).map(titled)
}
