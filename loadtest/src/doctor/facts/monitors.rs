//! Which monitors and Services serve the pods, how often the monitors have them scraped, and which one made a target.

use serde_json::Value;

use crate::autoscaling::{duration, timing};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{in_front, living, template_labels};
use crate::doctor::objects::{Monitor, labels, name, namespace, selects, text};

/// Pods, as Services and monitors see them.
pub struct Served<'a> {
    /// Their labels: one set, or another.
    labels: Vec<&'a Value>,
    /// The Services that lead to them.
    pub services: Vec<&'a Value>,
}

impl<'a> Served<'a> {
    /// The workload's pods: those that its template makes, and those that are there, which may have further labels.
    pub fn workload(evidence: &'a Evidence) -> Self {
        Self::with(evidence, template_labels(evidence).into_iter().chain(living(evidence).next().map(labels)).collect())
    }

    /// Pods with these labels.
    pub fn of(evidence: &'a Evidence, labels: &'a Value) -> Self {
        Self::with(evidence, vec![labels])
    }

    fn with(evidence: &'a Evidence, labels: Vec<&'a Value>) -> Self {
        let mut services: Vec<&Value> = Vec::new();
        for service in labels.iter().flat_map(|labels| in_front(evidence, labels)) {
            if !services.iter().any(|known| std::ptr::eq(*known, service)) {
                services.push(service);
            }
        }
        Self { labels, services }
    }

    /// The Services by which a monitor selects these pods, in whatever namespace it looks: none of them if it selects the
    /// pods themselves. None if it does not select the pods.
    pub fn selected_by(&self, monitor: Monitor) -> Option<Vec<&'a Value>> {
        let selector = monitor.selector();
        if monitor.is_of_pods() {
            return self.labels.iter().any(|labels| selects(selector, labels)).then(Vec::new);
        }
        let services = self.services.iter().copied().filter(|service| selects(selector, labels(service)));
        Some(services.collect::<Vec<_>>()).filter(|services| !services.is_empty())
    }

    /// The monitors that select these pods and look in their namespace, each with the Services by which it selects them.
    pub fn monitors(&self, evidence: &'a Evidence) -> impl Iterator<Item = (Monitor<'a>, Vec<&'a Value>)> {
        let monitors = evidence.monitors.items().iter().map(Monitor);
        monitors.filter_map(|monitor| {
            let services = self.selected_by(monitor).filter(|_| monitor.looks_in(&evidence.namespace))?;
            Some((monitor, services))
        })
    }
}

/// Seconds between two scrapes of the pods, as their monitors have it; the shortest, if there are several. None without a
/// monitor.
pub fn interval(evidence: &Evidence) -> Option<f64> {
    let pods = Served::workload(evidence);
    let endpoints = pods.monitors(evidence).flat_map(|(monitor, _)| monitor.endpoints());
    let interval = |endpoint| duration::prometheus(text(endpoint, "/interval")).unwrap_or(timing::SCRAPE_INTERVAL);
    endpoints.map(interval).reduce(f64::min)
}

/// The monitor, and the number of its endpoint, that a target's job is made from: `serviceMonitor/NAMESPACE/NAME/0`.
pub fn of_target<'a>(evidence: &'a Evidence, target: &Value) -> Option<(&'a Value, usize)> {
    let mut parts = target["scrapePool"].as_str()?.split('/');
    let of_pods = match parts.next()? {
        "serviceMonitor" => false,
        "podMonitor" => true,
        _ => return None,
    };
    let (of, named, number) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    let mut monitors = evidence.monitors.items().iter();
    let monitor = monitors
        .find(|monitor| Monitor(monitor).is_of_pods() == of_pods && namespace(monitor) == of && name(monitor) == named);
    monitor.map(|monitor| (monitor, number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::facts::intervals::scrape;
    use crate::kube::read::Read;

    #[test]
    fn interval_is_that_of_the_monitor_of_the_pods_own_service() {
        let service =
            |app: &str| json!({"metadata": {"name": app, "labels": {"svc": app}}, "spec": {"selector": {"app": app}}});
        let monitor = |kind: &str, selector: Value, interval: &str| {
            let endpoints = json!([{"port": "web", "interval": interval}]);
            json!({"kind": kind, "metadata": {"name": "m", "namespace": "shops"},
                   "spec": {"selector": {"matchLabels": selector}, "endpoints": endpoints,
                            "podMetricsEndpoints": endpoints}})
        };
        let labels = json!({"app": "shop", "pod-template-hash": "7"});
        let pod = json!({"metadata": {"name": "shop-1", "labels": labels}, "status": {"phase": "Running"}});
        let other = monitor("ServiceMonitor", json!({"svc": "cart"}), "5s");
        let other_pods = monitor("PodMonitor", json!({"app": "cart"}), "3s");
        let mut evidence = Evidence {
            namespace: "shops".to_owned(),
            workload: Read::Seen(json!({"spec": {"template": {"metadata": {"labels": {"app": "shop"}}}}})),
            pods: Read::Seen(vec![pod]),
            services: Read::Seen(vec![service("cart"), service("shop")]),
            monitors: Read::Seen(vec![
                other.clone(),
                other_pods,
                monitor("ServiceMonitor", json!({"svc": "shop"}), "20s"),
            ]),
            ..Evidence::default()
        };
        assert_eq!(scrape(&evidence), Some(20.0));
        let of_pods = monitor("PodMonitor", json!({"pod-template-hash": "7"}), "10s");
        evidence.monitors = Read::Seen(vec![other.clone(), of_pods]);
        assert_eq!(scrape(&evidence), Some(10.0));
        evidence.monitors = Read::Seen(vec![other]);
        assert_eq!(scrape(&evidence), None);
    }
}
