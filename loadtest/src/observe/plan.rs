//! What is watched: names and addresses, resolved by the caller.

use k8s_openapi::api::autoscaling::v2::MetricStatus;

use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity;
use crate::kube::pod_http::{PodPage, PrometheusPods};

/// What is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The namespace of the HPA and its pods.
    pub namespace: String,
    /// The HPA's name.
    pub hpa: String,
    /// Kind and name of what it scales, such as `Deployment/shopfront-deploy`.
    pub scaled: String,
    /// The label selector of the pods.
    pub pods: String,
    /// The metric that the HPA scales by.
    pub metric: Metric,
    /// The pods' counter, or why it is not known.
    pub counter: Result<Counter, String>,
    /// The query for Prometheus, or why there is none.
    pub prometheus: Result<Query, String>,
}

/// A metric of the HPA.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The API that serves it.
    pub source: Source,
    /// Its path in that API.
    pub path: String,
}

/// A counter on the pods' metrics pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Its name.
    pub series: String,
    /// Where a pod may serve its page, the most likely first.
    pub pages: Vec<PodPage>,
}

/// A query for the sum over the pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The pods that answer it.
    pub pods: PrometheusPods,
    /// The query.
    pub text: String,
}

impl Metric {
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

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// A plan without a counter and without Prometheus.
    pub fn plan() -> Plan {
        Plan {
            namespace: "shops".to_owned(),
            hpa: "shop-hpa".to_owned(),
            scaled: "Deployment/shop".to_owned(),
            pods: "app=shop".to_owned(),
            metric: Metric { name: "rate".to_owned(), source: Source::Pods, path: String::new() },
            counter: Err(String::new()),
            prometheus: Err(String::new()),
        }
    }

    #[test]
    fn the_value_is_that_of_the_watched_metric() {
        let metric = Metric { name: "requests".to_owned(), source: Source::Pods, path: String::new() };
        let status = |name: &str, value: &str| {
            let pods = json!({"metric": {"name": name}, "current": {"averageValue": value}});
            serde_json::from_value::<MetricStatus>(json!({"type": "Pods", "pods": pods})).unwrap()
        };
        assert_eq!(metric.value(&[status("bytes", "900"), status("requests", "1500m")]), Some(1.5));
        assert_eq!(metric.value(&[status("bytes", "900")]), None);
    }
}
