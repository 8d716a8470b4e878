//! Whose a monitor is. Other people's monitors may nearly select the pods: they are neither blamed nor changed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::monitors::Served;
use crate::doctor::objects::{Monitor, name, namespace};

/// Words of names that tell nothing.
const COMMON: [&str; 22] = [
    "api",
    "app",
    "apps",
    "default",
    "deploy",
    "deployment",
    "exporter",
    "hpa",
    "http",
    "keda",
    "main",
    "metrics",
    "monitor",
    "monitoring",
    "ns",
    "pod",
    "pods",
    "prometheus",
    "server",
    "service",
    "sm",
    "svc",
];

/// How near a monitor is to the workload; none if it is somebody else's. Nearest is one in the HPA's namespace, then one
/// that names the namespace, then one beside Prometheus with a similar name. Among equals, the name decides.
pub fn nearness(evidence: &Evidence, monitor: &Value) -> Option<(u8, usize)> {
    let likeness = likeness(evidence, monitor);
    if namespace(monitor) == evidence.namespace {
        return Some((2, likeness));
    }
    if Monitor(monitor).namespaces().any(|of| of == evidence.namespace) {
        return Some((1, likeness));
    }
    let central = evidence.prometheuses.items().iter().chain(evidence.prometheus.pods.items());
    let is_central = central.map(namespace).any(|of| of == namespace(monitor));
    ((is_central || Monitor(monitor).looks_everywhere()) && likeness > 0).then_some((0, likeness))
}

/// Whether a change of a monitor touches no pods but those of the HPA's namespace, or is its own namespace's business.
pub fn is_own(evidence: &Evidence, monitor: &Value) -> bool {
    let monitor = Monitor(monitor);
    let mut named = monitor.namespaces().peekable();
    let names_it_alone = named.peek().is_some() && named.all(|of| of == evidence.namespace);
    namespace(monitor.0) == evidence.namespace || (names_it_alone && !monitor.looks_everywhere())
}

/// The words that the name of a monitor shares with the workload's, its Services' and the HPA's, and their namespace's.
fn likeness(evidence: &Evidence, monitor: &Value) -> usize {
    let served = Served::workload(evidence);
    let workload = evidence.workload.seen().map(name);
    let names = served.services.iter().map(|service| name(service)).chain(workload);
    let names: BTreeSet<&str> =
        names.chain([evidence.name.as_str(), evidence.namespace.as_str()]).flat_map(words).collect();
    words(name(monitor)).filter(|word| names.contains(word)).count()
}

/// The words of a name that tell it from others.
pub fn distinctive(name: &str) -> BTreeSet<&str> {
    words(name).collect()
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '.', '_']).filter(|word| word.len() > 1 && !COMMON.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::read::Read;

    fn monitor(of: &str, name: &str, selector: &Value) -> Value {
        json!({"kind": "ServiceMonitor", "metadata": {"name": name, "namespace": of}, "spec": {"namespaceSelector": selector}})
    }

    #[test]
    fn strangers_monitors_are_not_near() {
        let evidence = Evidence {
            namespace: "shop".to_owned(),
            name: "web-hpa".to_owned(),
            workload: Read::Seen(json!({"kind": "Deployment", "metadata": {"name": "web"}})),
            prometheuses: Read::Seen(vec![json!({"metadata": {"name": "k8s", "namespace": "monitoring"}})]),
            ..Evidence::default()
        };
        let near = |of: &str, name: &str, selector: &Value| {
            let monitor = monitor(of, name, selector);
            (nearness(&evidence, &monitor), is_own(&evidence, &monitor))
        };
        let any = json!({"any": true});
        assert_eq!(near("shop", "anything", &Value::Null), (Some((2, 0)), true));
        assert_eq!(near("monitoring", "web-monitor", &json!({"matchNames": ["shop"]})), (Some((1, 1)), true));
        assert_eq!(near("monitoring", "all", &json!({"matchNames": ["shop", "cart"]})), (Some((1, 0)), false));
        assert_eq!(near("monitoring", "web-monitor", &Value::Null), (Some((0, 1)), false));
        assert_eq!(near("monitoring", "all-pods", &any), (None, false));
        assert_eq!(near("staging", "web-monitor", &Value::Null), (None, false), "another tenant's, of the same name");
        assert_eq!(near("shop", "web", &any), (Some((2, 1)), true));
    }
}
