//! What each link between a request and the HPA has at the moment: the pods' own counters, Prometheus, the metrics API.
//! For the lag budget; a link that may not be read is left out.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::model::quantity;
use crate::observe::cluster::{Cluster, Watched, percent_encoded, selector_of};
use crate::observe::forward::{connect, is_ready};

/// A link that failed is asked again after so long.
const PAUSE: Duration = Duration::from_secs(10);

/// No link holds the others up for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sums over all pods; none where a link cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Requests that the ready pods have counted.
    pub counted: Option<f64>,
    /// The rate that Prometheus has.
    pub prometheus: Option<f64>,
    /// The rate that the metrics API has.
    pub api: Option<f64>,
}

/// What there is to read.
#[derive(Clone)]
pub struct Chain {
    /// The cluster.
    pub cluster: Cluster,
    /// The HPA and its pods.
    pub watched: Watched,
    /// The counter's name, where it is known.
    pub series: Option<String>,
    /// The query for the sum over the pods, and the Service of Prometheus as `namespace/name:port`, where both are
    /// known.
    pub prometheus: Option<(String, Endpoint)>,
    /// The path of the metrics API.
    pub api: Option<String>,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port's number.
    pub port: u16,
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
                if sender.send(Readings { counted, prometheus: rate, api: served }).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    async fn counted(&self) -> Option<f64> {
        let series = self.series.as_ref()?;
        let pods = Api::<Pod>::namespaced(self.cluster.client.clone(), &self.watched.namespace);
        let pods = pods.list(&ListParams::default().labels(&self.watched.selector)).await.ok()?.items;
        let mut sum = 0.0;
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let port = pod.spec.as_ref()?.containers.first()?.ports.as_ref()?.first()?.container_port;
            let path =
                format!("/api/v1/namespaces/{}/pods/{}:{port}/proxy/metrics", self.watched.namespace, pod.name_any());
            let request = Request::get(path).body(Vec::new()).ok()?;
            let text = self.cluster.client.request_text(request).await.ok()?;
            sum += crate::exposition::sum_of(&text, series);
        }
        Some(sum)
    }

    async fn prometheus(&self, kept: &mut Option<SendRequest<Empty<Bytes>>>) -> Option<f64> {
        let (query, endpoint) = self.prometheus.as_ref()?;
        if kept.as_ref().is_none_or(SendRequest::is_closed) {
            let (pod, port) = behind(&self.cluster.client, endpoint).await?;
            *kept = Some(connect(self.cluster.client.clone(), &endpoint.namespace, &pod, port).await.ok()?);
        }
        let request =
            Request::get(format!("/api/v1/query?query={}", percent_encoded(query))).header(HOST, "prometheus");
        let answer = kept.as_mut()?.send_request(request.body(Empty::new()).ok()?).await;
        let Ok(answer) = answer else {
            *kept = None;
            return None;
        };
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        let body: Value = serde_json::from_slice(&body).ok()?;
        let values = body["data"]["result"].as_array()?.iter();
        values.map(|one| one["value"][1].as_str()?.parse::<f64>().ok()).sum()
    }

    async fn served(&self) -> Option<f64> {
        let list = self.cluster.raw(self.api.as_ref()?).await.ok()?;
        list["items"].as_array()?.iter().map(|item| quantity::value(item["value"].as_str()?)).sum()
    }
}

/// A link that is left alone for a while after it failed.
#[derive(Default)]
struct Link(Option<Instant>);

impl Link {
    async fn read(&mut self, asked: impl Future<Output = Option<f64>>) -> Option<f64> {
        if self.0.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return None;
        }
        let answer = timeout(PATIENCE, asked).await.ok().flatten();
        self.0 = answer.is_none().then(Instant::now);
        answer
    }
}

/// A pod behind a Service, and the pod's port.
async fn behind(client: &Client, endpoint: &Endpoint) -> Option<(String, u16)> {
    let service = Api::<Service>::namespaced(client.clone(), &endpoint.namespace).get(&endpoint.service).await.ok()?;
    let selector = selector_of(&service.spec?.selector?);
    let pods = Api::<Pod>::namespaced(client.clone(), &endpoint.namespace);
    let pods = pods.list(&ListParams::default().labels(&selector)).await.ok()?.items;
    Some((pods.iter().find(|pod| is_ready(pod))?.name_any(), endpoint.port))
}
