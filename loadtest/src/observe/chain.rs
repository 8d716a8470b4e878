//! What each link between a request and the HPA has at the moment: the pods' own counters, Prometheus, the metrics API.
//! For the lag budget; a link that may not be read is left out, and told so.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::Empty;
use hyper::client::conn::http1::SendRequest;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use kube::core::Selector;
use kube::{Client, ResourceExt};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity;
use crate::journal::Feed;
use crate::kube::bounded::read;
use crate::kube::cluster::{Cluster, Watched, percent_encoded, why};
use crate::kube::forward::{connect, is_ready, port_of};
use crate::kube::prometheus::{Unlike, sum};
use crate::kube::reader::text;
use crate::kube::{Failure, list, one_line};
use crate::observe::metric::Metric;
use crate::observe::scraped::{Scraped, counters_path};
use crate::observe::service::{ports, target_port};

/// A link that failed is asked again after so long.
const PAUSE: Duration = Duration::from_secs(10);

/// No link holds the others up for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sums over all pods; none where a link cannot be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Requests that the ready pods have counted.
    pub counted: Option<f64>,
    /// The rate that Prometheus has.
    pub prometheus: Option<f64>,
    /// The rate that the metrics API has.
    pub api: Option<f64>,
    /// Links that could not be read at the start, each with the reason: told once.
    pub unread: Vec<(Feed, String)>,
}

/// What there is to read.
#[derive(Clone)]
pub struct Chain {
    /// The cluster.
    pub cluster: Cluster,
    /// The HPA and its pods.
    pub watched: Watched,
    /// The metric that the HPA scales by.
    pub metric: Metric,
    /// The counter's name, or why it is not known.
    pub series: Result<String, String>,
    /// Where Prometheus reads the counters, where that is known.
    pub scraped: Option<Scraped>,
    /// The query for the sum over the pods, and the Service of Prometheus; or why one of the two is not known.
    pub prometheus: Result<(String, Endpoint), String>,
    /// The path of the metrics API.
    pub api: String,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port's number.
    pub port: u16,
}

impl Endpoint {
    /// The one of a URL within the cluster, seen from a namespace.
    pub fn of(url: &str, from: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let mut host = uri.host().filter(|_| uri.scheme_str() == Some("http"))?.split('.');
        let service = host.next()?.to_owned();
        let namespace = host.next().unwrap_or(from).to_owned();
        Some(Self { namespace, service, port: uri.port_u16().unwrap_or(80) })
    }

    /// A pod behind it, and the pod's port.
    async fn behind(&self, client: &Client) -> Result<(String, u16), String> {
        let Self { namespace, service: name, .. } = self;
        let services = Api::<Service>::namespaced(client.clone(), namespace);
        let right = |what: &str| format!("{what} in namespace {namespace}");
        let service = services.get(name).await.map_err(|error| why(&error, &right("get services")))?;
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let selector: Selector = selector.into_iter().collect();
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let pods = list::all(&pods, &ListParams::default().labels_from(&selector)).await;
        let pods = pods.map_err(|error| why(&error, &right("list pods")))?;
        let pod = pods.iter().find(|pod| is_ready(pod)).ok_or_else(|| format!("Service {name} has no ready pod"))?;
        let port = self.port_on(&service, pod).ok_or_else(|| format!("Service {name} has no port {}", self.port))?;
        Ok((pod.name_any(), port))
    }

    /// The pod's own port, which need not be the Service's.
    fn port_on(&self, service: &Service, pod: &Pod) -> Option<u16> {
        let port = ports(service).iter().find(|port| port.port == i32::from(self.port))?;
        port_of(pod, &target_port(port))
    }
}

impl Chain {
    /// Reads all links in turn, until the receiver is gone.
    pub fn read_each(self, interval: Duration) -> UnboundedReceiver<Readings> {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(interval);
            turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            let (mut counters, mut prometheus, mut api) = (Link::default(), Link::default(), Link::default());
            let mut connection = None;
            loop {
                turns.tick().await;
                let (counted, rate, served) = tokio::join!(
                    counters.read(self.counted()),
                    prometheus.read(self.prometheus(&mut connection)),
                    api.read(self.served())
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

    async fn counted(&self) -> Result<f64, String> {
        let series = self.series.as_ref()?;
        let Watched { namespace, selector, .. } = &self.watched;
        let client = &self.cluster.client;
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let pods = list::all(&pods, &ListParams::default().labels(selector)).await;
        let pods = pods.map_err(|error| why(&error, &format!("list pods in namespace {namespace}")))?;
        let mut sum = 0.0;
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let path = counters_path(pod, self.scraped.as_ref());
            let path = path.ok_or_else(|| format!("no port of pod {} is known", pod.name_any()))?;
            let request = Request::get(path).body(Vec::new()).map_err(|error| one_line(&error))?;
            let text = client.request_text(request).await;
            let text = text.map_err(|error| why(&error, &format!("get pods/proxy in namespace {namespace}")))?;
            sum += crate::autoscaling::exposition::sum_of(&text, series);
        }
        Ok(sum)
    }

    async fn prometheus(&self, kept: &mut Option<SendRequest<Empty<Bytes>>>) -> Result<f64, String> {
        let (query, endpoint) = self.prometheus.as_ref()?;
        // A connection that failed is not used again.
        let mut connection = if let Some(kept) = kept.take().filter(|kept| !kept.is_closed()) {
            kept
        } else {
            let client = &self.cluster.client;
            let (pod, port) = endpoint.behind(client).await?;
            connect(client.clone(), &endpoint.namespace, &pod, port).await?
        };
        let request =
            Request::get(format!("/api/v1/query?query={}", percent_encoded(query))).header(HOST, "prometheus");
        let request = request.body(Empty::new()).map_err(|error| one_line(&error))?;
        let answer = connection.send_request(request).await.map_err(|error| one_line(&error))?;
        let status = answer.status();
        let body = read(answer.into_body()).await.map_err(|failure| failure.to_string())?;
        *kept = Some(connection);
        match sum(&text(body.into())) {
            Ok(Some(sum)) => Ok(sum),
            Err(Unlike::Excess(how)) => Err(Failure::Excess(how).to_string()),
            Ok(None) | Err(Unlike::Other) => Err(format!("it answered {status} without a result")),
        }
    }

    async fn served(&self) -> Result<f64, String> {
        let list: Values = self.cluster.raw(&self.api).await.map_err(|error| {
            let (group, resource) = match self.metric.source {
                Source::Pods => ("custom", "pods/"),
                Source::External => ("external", ""),
            };
            let Watched { namespace, .. } = &self.watched;
            let right =
                format!("get {resource}{} of {group}.metrics.k8s.io in namespace {namespace}", self.metric.name);
            why(&error, &right)
        })?;
        let values = list.items.iter().map(|item| quantity::value(item.value.as_deref()?));
        values.sum::<Option<f64>>().ok_or_else(|| "a value is no quantity".to_owned())
    }
}

/// What the metrics API answers; how many there are of it is bounded where it is read.
#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    items: Vec<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    value: Option<String>,
}

/// A link that is left alone for a while after it failed.
#[derive(Default)]
struct Link {
    failed: Option<Instant>,
    asked: bool,
    /// Why it could not be read the first time, until that is told.
    why: Option<String>,
}

impl Link {
    async fn read(&mut self, asked: impl Future<Output = Result<f64, String>>) -> Option<f64> {
        if self.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return None;
        }
        let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
        let answer = timeout(PATIENCE, asked).await.unwrap_or_else(late);
        self.failed = answer.is_err().then(Instant::now);
        let first = !std::mem::replace(&mut self.asked, true);
        self.why = answer.as_ref().err().filter(|_| first).cloned();
        answer.ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_way_to_prometheus_ends_at_the_port_of_its_pod() {
        let service = json!({"spec": {"ports": [{"name": "reload", "port": 8080, "targetPort": "reloader"},
                                                {"name": "web", "port": 80, "targetPort": "web"},
                                                {"name": "plain", "port": 9091, "targetPort": 9090}]}});
        let containers = json!([{"name": "reloader", "ports": [{"name": "reloader", "containerPort": 8081}]},
                                {"name": "prometheus", "ports": [{"name": "web", "containerPort": 9090}]}]);
        let service: Service = serde_json::from_value(service).unwrap();
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap();
        let port = |url: &str| Endpoint::of(url, "monitoring").unwrap().port_on(&service, &pod);
        assert_eq!(port("http://prometheus-k8s.monitoring.svc"), Some(9090), "a name");
        assert_eq!(port("http://prometheus-k8s:9091/"), Some(9090), "a number");
        assert_eq!(port("http://prometheus-k8s:9090/"), None, "the Service has no such port");
    }

    #[test]
    fn an_address_within_the_cluster_names_a_service() {
        let endpoint = |namespace: &str, service: &str, port| {
            Some(Endpoint { namespace: namespace.to_owned(), service: service.to_owned(), port })
        };
        assert_eq!(Endpoint::of("http://prom.observed.svc:9090/", "monitoring"), endpoint("observed", "prom", 9090));
        assert_eq!(Endpoint::of("http://prom/", "monitoring"), endpoint("monitoring", "prom", 80));
        assert_eq!(Endpoint::of("https://prom.observed.svc:9090/", "monitoring"), None);
    }

    #[tokio::test]
    async fn a_link_that_cannot_be_read_says_why_once() {
        let mut link = Link::default();
        assert_eq!(link.read(async { Err("forbidden".to_owned()) }).await, None);
        assert_eq!(link.why.take().as_deref(), Some("forbidden"));
        link.failed = None;
        assert_eq!(link.read(async { Err("forbidden".to_owned()) }).await, None);
        assert_eq!(link.why, None);
    }
}
