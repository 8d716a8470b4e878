//! Monitors: which of them made a target, and where its endpoints stand.

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{name, namespace};

/// The monitor, and the number of its endpoint, that a target's job is made from: `serviceMonitor/NAMESPACE/NAME/0`.
pub fn of_target<'a>(evidence: &'a Evidence, target: &Value) -> Option<(&'a Value, usize)> {
    let mut parts = target["scrapePool"].as_str()?.split('/');
    let kind = match parts.next()? {
        "serviceMonitor" => "ServiceMonitor",
        "podMonitor" => "PodMonitor",
        _ => return None,
    };
    let (of, named, number) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    let is_it = |monitor: &&Value| monitor["kind"] == kind && namespace(monitor) == of && name(monitor) == named;
    evidence.monitors.items().iter().find(is_it).map(|monitor| (monitor, number))
}

/// The field of a monitor's endpoints.
pub fn endpoints(monitor: &Value) -> &'static str {
    if monitor["kind"] == "PodMonitor" { "podMetricsEndpoints" } else { "endpoints" }
}
