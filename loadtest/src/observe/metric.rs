//! The metric of an HPA that is a rate for each pod: the one that load drives.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricIdentifier, MetricSpec, MetricStatus, MetricTarget,
};
use kube::ResourceExt;
use kube::core::Selector;

use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity;

/// What the HPA compares with its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The wanted average of a pod.
    pub target: f64,
    /// The API that it is read from.
    pub source: Source,
    /// The label selector of that API, if the HPA has one.
    pub selector: String,
    /// Where it stands among the HPA's.
    pub index: usize,
}

impl Metric {
    /// The first metric of the HPA that is known here, and what the others are called.
    pub fn of(hpa: &HorizontalPodAutoscaler) -> Result<(Self, Vec<String>), String> {
        let metrics = hpa.spec.as_ref().and_then(|spec| spec.metrics.as_deref()).unwrap_or_default();
        let found = metrics.iter().enumerate().find_map(|(index, metric)| Self::known(index, metric));
        let names = |but: Option<usize>| {
            let others = metrics.iter().enumerate().filter(move |(index, _)| Some(*index) != but);
            others.map(|(_, metric)| named(metric)).collect::<Vec<_>>()
        };
        let Some(metric) = found else {
            let (name, namespace) = (hpa.name_any(), hpa.namespace().unwrap_or_default());
            return Err(format!(
                "the HPA {namespace}/{name} scales by {}: what is watched is a metric of type Pods or External with an \
                 averageValue; give the HPA one, name another HPA with --hpa, or send load alone with --hpa none and --url",
                names(None).join(", ")
            ));
        };
        let others = names(Some(metric.index));
        Ok((metric, others))
    }

    fn known(index: usize, metric: &MetricSpec) -> Option<Self> {
        let (identifier, target, source): (&MetricIdentifier, &MetricTarget, _) = match (&metric.pods, &metric.external)
        {
            (Some(pods), _) => (&pods.metric, &pods.target, Source::Pods),
            (_, Some(external)) => (&external.metric, &external.target, Source::External),
            _ => return None,
        };
        let selector = identifier.selector.clone().and_then(|selector| Selector::try_from(selector).ok());
        Some(Self {
            name: identifier.name.clone(),
            target: quantity::value(&target.average_value.as_ref()?.0)?,
            source,
            selector: selector.unwrap_or_default().to_string(),
            index,
        })
    }

    /// The average that the HPA last compared with its target.
    pub fn value(&self, current: &[MetricStatus]) -> Option<f64> {
        current.iter().find_map(|metric| {
            let (identifier, current) = match (self.source, &metric.pods, &metric.external) {
                (Source::Pods, Some(pods), _) => (&pods.metric, &pods.current),
                (Source::External, _, Some(external)) => (&external.metric, &external.current),
                _ => return None,
            };
            let average = current.average_value.as_ref().filter(|_| identifier.name == self.name)?;
            quantity::value(&average.0)
        })
    }
}

/// A metric as a user would call it.
fn named(metric: &MetricSpec) -> String {
    let name = match metric {
        MetricSpec { resource: Some(resource), .. } => &resource.name,
        MetricSpec { container_resource: Some(resource), .. } => &resource.name,
        MetricSpec { object: Some(object), .. } => &object.metric.name,
        MetricSpec { pods: Some(pods), .. } => &pods.metric.name,
        MetricSpec { external: Some(external), .. } => &external.metric.name,
        _ => "",
    };
    format!("{} {name}", metric.type_).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hpa(metrics: &Value) -> HorizontalPodAutoscaler {
        let target = json!({"kind": "Deployment", "name": "shop"});
        let spec = json!({"maxReplicas": 3, "scaleTargetRef": target, "metrics": metrics});
        serde_json::from_value(json!({"metadata": {"name": "shop", "namespace": "shops"}, "spec": spec})).unwrap()
    }

    fn cpu() -> Value {
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}})
    }

    fn pods(name: &str) -> Value {
        let target = json!({"type": "AverageValue", "averageValue": "2"});
        json!({"type": "Pods", "pods": {"metric": {"name": name}, "target": target}})
    }

    #[test]
    fn an_hpa_without_such_a_metric_is_told_in_one_line_what_to_do() {
        let error = Metric::of(&hpa(&json!([cpu()]))).unwrap_err();
        assert!(error.contains("shops/shop scales by Resource cpu"), "{error}");
        assert!(error.contains("--hpa none") && !error.contains('\n'), "{error}");
        let total = json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}});
        assert!(Metric::of(&hpa(&json!([total]))).unwrap_err().contains("External queue"));
    }

    #[test]
    fn of_several_metrics_the_value_is_that_of_the_one_that_is_watched() {
        let (metric, others) = Metric::of(&hpa(&json!([cpu(), pods("requests"), pods("bytes")]))).unwrap();
        assert_eq!((metric.name.as_str(), metric.index), ("requests", 1));
        assert_eq!(others, ["Resource cpu", "Pods bytes"]);
        let status = |name: &str, value: &str| {
            let pods = json!({"metric": {"name": name}, "current": {"averageValue": value}});
            serde_json::from_value::<MetricStatus>(json!({"type": "Pods", "pods": pods})).unwrap()
        };
        assert_eq!(metric.value(&[status("bytes", "900"), status("requests", "1500m")]), Some(1.5));
        assert_eq!(metric.value(&[status("bytes", "900")]), None);
    }
}
