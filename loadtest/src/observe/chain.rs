//! The current value at each link between a request and the HPA: the pods' counters, Prometheus, the metrics API. The
//! report's reaction time needs them. A link that cannot be read is left out, and recorded as such.

use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity;
use crate::autoscaling::timing;
use crate::journal::Feed;
use crate::kube::cluster::{percent_encoded, why};
use crate::kube::forward::{container_ports, is_ready, port_of};
use crate::kube::pod_http::{Place, PodPage, PrometheusPods, Way};
use crate::kube::prometheus::{Unlike, sum};
use crate::kube::reader::Reader;
use crate::kube::{Failure, list, one_line};
use crate::observe::plan::{Counter, Metric, Plan, Query};

/// Sums over all pods; none for a link that cannot be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Requests that the ready pods have counted.
    pub counted: Option<f64>,
    /// The rate in Prometheus.
    pub prometheus: Option<f64>,
    /// The rate in the metrics API.
    pub api: Option<f64>,
    /// Links that could not be read at the first attempt, each with the reason.
    pub unread: Vec<(Feed, String)>,
}

/// Reads the links.
pub struct Chain {
    reader: Reader,
    plan: Plan,
}

impl Chain {
    /// Reads nothing yet.
    pub fn new(client: Client, plan: Plan) -> Self {
        Self { reader: Reader::new(client), plan }
    }

    /// Reads all links at each interval, until the receiver is dropped.
    pub fn read_each(self, interval: Duration) -> UnboundedReceiver<Readings> {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            let (mut counters, mut prometheus, mut api) = (Link::default(), Link::default(), Link::default());
            let mut way = None;
            loop {
                ticks.tick().await;
                let (counted, rate, served) = tokio::join!(
                    counters.read(self.counted()),
                    prometheus.read(self.prometheus(&mut way)),
                    api.read(self.metrics_api())
                );
                let links = [
                    (Feed::Counters, &mut counters),
                    (Feed::Prometheus, &mut prometheus),
                    (Feed::MetricsApi, &mut api),
                ];
                let unread = links.into_iter().filter_map(|(feed, link)| Some((feed, link.why.take()?)));
                let unread = unread.collect();
                if sender.send(Readings { counted, prometheus: rate, api: served, unread }).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    async fn counted(&self) -> Result<f64, Failure> {
        let Plan { namespace, pods: selector, counter, .. } = &self.plan;
        let Counter { series, pages } = counter.as_ref().map_err(Clone::clone)?;
        let mut sum = 0.0;
        for pod in self.pods(namespace, selector).await?.iter().filter(|pod| is_ready(pod)) {
            let page = place(pod, pages).ok_or_else(|| format!("no port of pod {} is known", pod.name_any()));
            let (path, place) = page?;
            let request = Request::get(place.proxy(&path)).body(Vec::new()).map_err(|error| one_line(&error))?;
            let text = self.reader.client.request_text(request).await;
            let text = text.map_err(|error| why(&error, &format!("get pods/proxy in namespace {namespace}")))?;
            sum += crate::autoscaling::exposition::sum_of(&text, series);
        }
        Ok(sum)
    }

    /// The pods that a selector selects.
    async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, Failure> {
        let pods = Api::<Pod>::namespaced(self.reader.client.clone(), namespace);
        let pods = list::all(&pods, &ListParams::default().labels(selector)).await;
        Ok(pods.map_err(|error| why(&error, &format!("list pods in namespace {namespace}")))?)
    }

    async fn prometheus(&self, kept: &mut Option<Way>) -> Result<f64, Failure> {
        let Query { pods, text: query } = self.plan.prometheus.as_ref().map_err(Clone::clone)?;
        // After a failure, another way is opened.
        let mut way = match kept.take() {
            Some(kept) => kept,
            None => Way::open(&self.reader, self.replica(pods).await?).await,
        };
        let path = format!("{}/api/v1/query?query={}", pods.prefix, percent_encoded(query));
        let (status, text) = way.get(&path, "the query").await.map_err(|(_, unread)| unread.reason())?;
        *kept = Some(way);
        match sum(&text) {
            Ok(Some(sum)) => Ok(sum),
            Err(Unlike::Excess(how)) => Err(Failure::Excess(how)),
            Ok(None) | Err(Unlike::Other) => Err(Failure::Other(format!("it answered {status} without a result"))),
        }
    }

    /// A replica of Prometheus that is ready.
    async fn replica(&self, of: &PrometheusPods) -> Result<Place, Failure> {
        let PrometheusPods { namespace, selector, port, tls, .. } = of;
        let pods = self.pods(namespace, selector).await?;
        let pod = pods.iter().find(|pod| is_ready(pod));
        let pod = pod.ok_or_else(|| format!("no pod of {selector} in namespace {namespace} is ready"))?;
        let port = port_of(pod, port).ok_or_else(|| format!("pod {} has no such port", pod.name_any()))?;
        Ok(Place { namespace: namespace.clone(), pod: pod.name_any(), port, tls: *tls })
    }

    async fn metrics_api(&self) -> Result<f64, Failure> {
        let Plan { namespace, metric: Metric { name, source, path }, .. } = &self.plan;
        let request = Request::get(path).body(Vec::new()).map_err(|error| one_line(&error))?;
        let list: Values = self.reader.client.request(request).await.map_err(|error| {
            let (group, resource) = match source {
                Source::Pods => ("custom", "pods/"),
                Source::External => ("external", ""),
            };
            why(&error, &format!("get {resource}{name} of {group}.metrics.k8s.io in namespace {namespace}"))
        })?;
        let values = list.items.iter().map(|item| quantity::value(item.value.as_deref()?));
        values.sum::<Option<f64>>().ok_or_else(|| Failure::Other("a value is no quantity".to_owned()))
    }
}

/// The path and the place of a pod's page: the first of these pages whose port the pod has, else its first declared
/// port.
fn place(pod: &Pod, pages: &[PodPage]) -> Option<(String, Place)> {
    let mut known = pages.iter().filter_map(|page| Some((page.path.clone(), port_of(pod, &page.port)?, page.tls)));
    let declared =
        || Some(("/metrics".to_owned(), container_ports(pod).next()?.container_port.try_into().ok()?, false));
    let (path, port, tls) = known.next().or_else(declared)?;
    Some((path, Place { namespace: pod.namespace()?, pod: pod.name_any(), port, tls }))
}

/// An answer of the metrics API. The reader limits its size.
#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    items: Vec<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    value: Option<String>,
}

/// A link, which is not read for a while after it failed.
#[derive(Default)]
struct Link {
    failed: Option<Instant>,
    attempted: bool,
    /// Why the first attempt failed, until it is taken.
    why: Option<String>,
}

impl Link {
    async fn read(&mut self, reading: impl Future<Output = Result<f64, Failure>>) -> Option<f64> {
        if self.failed.is_some_and(|failed| failed.elapsed() < timing::READING_RETRY) {
            return None;
        }
        let late = |_| Err(Failure::Late(timing::READING_ANSWER));
        let answer = timeout(timing::READING_ANSWER, reading).await.unwrap_or_else(late);
        self.failed = answer.is_err().then(Instant::now);
        let first = !std::mem::replace(&mut self.attempted, true);
        self.why = answer.as_ref().err().filter(|_| first).map(ToString::to_string);
        answer.ok()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    use serde_json::json;

    use super::*;

    /// A sidecar's port comes first.
    fn pod() -> Pod {
        let containers = json!([
            {"name": "sidecar", "ports": [{"name": "admin", "containerPort": 15000}]},
            {"name": "shop", "ports": [{"containerPort": 9898, "name": "http"}, {"containerPort": 9000}]},
        ]);
        let metadata = json!({"name": "shop-1", "namespace": "shops"});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": containers}})).unwrap()
    }

    #[test]
    fn a_page_is_read_at_the_first_port_that_the_pod_has() {
        let page = |port: IntOrString, tls: bool| PodPage { port, path: "/stats".to_owned(), tls };
        let named = |name: &str| IntOrString::String(name.to_owned());
        let base = "/api/v1/namespaces/shops/pods";
        for (pages, expected) in [
            (vec![page(named("http"), false)], format!("{base}/shop-1:9898/proxy/stats")),
            (
                vec![page(named("gone"), false), page(IntOrString::Int(9001), true)],
                format!("{base}/https:shop-1:9001/proxy/stats"),
            ),
            (vec![page(named("gone"), false)], format!("{base}/shop-1:15000/proxy/metrics")),
        ] {
            let (path, chosen) = place(&pod(), &pages).unwrap();
            assert_eq!(chosen.proxy(&path), expected);
        }
        let mut portless = pod();
        portless.spec.as_mut().unwrap().containers.iter_mut().for_each(|container| container.ports = None);
        assert!(place(&portless, &[]).is_none());
    }

    #[tokio::test]
    async fn an_unreadable_link_reports_the_reason_once() {
        let mut link = Link::default();
        assert_eq!(link.read(async { Err(Failure::Other("forbidden".to_owned())) }).await, None);
        assert_eq!(link.why.take().as_deref(), Some("forbidden"));
        link.failed = None;
        assert_eq!(link.read(async { Err(Failure::Other("forbidden".to_owned())) }).await, None);
        assert_eq!(link.why, None);
    }
}
