//! Prometheus: the Service that its URL names, the pods behind it, and what each of them answers.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::autoscaling::adapter_rules::flags;
use crate::autoscaling::timing;
use crate::doctor::collect::replica::{Asked, queries, replica};
use crate::doctor::collect::workload::{behind, pods};
use crate::doctor::evidence::{Evidence, Prometheus, Replica};
use crate::doctor::facts::prometheus::{Endpoint, OF_OPERATOR, place, prefix, url};
use crate::doctor::facts::requests;
use crate::doctor::facts::trust::Trust;
use crate::doctor::objects::{Monitor, Pod, name, namespace};
use crate::kube::pod_http::Way;
use crate::kube::read::{Read, Unread};
use crate::kube::reader::Reader;

/// The most jobs that are asked for one by one.
const POOLS: usize = 20;

/// What is known of Prometheus before it is asked anything.
pub async fn found(reader: &Reader, evidence: &Evidence) -> Prometheus {
    let mut prometheus = Prometheus { url: url(evidence), ..Prometheus::default() };
    let place = prometheus.url.seen().and_then(|url| Endpoint::of(url, evidence));
    if let Some(Endpoint { namespace, service, .. }) = &place {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
        prometheus.service = reader.one(&path, &format!("Service {namespace}/{service}")).await;
        if let Some(service) = prometheus.service.seen() {
            prometheus.pods = behind(reader, namespace, service).await;
        }
    }
    if prometheus.pods.items().is_empty() {
        prometheus.pods = of_the_operator(reader, evidence).await;
    }
    let namespace = prometheus.pods.items().first().map(namespace);
    if let Some(namespace) = namespace.or(place.as_ref().map(|place| place.namespace.as_str())) {
        let policies = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
        let services = format!("/api/v1/namespaces/{namespace}/services");
        let what = ["NetworkPolicies", "Services"].map(|kind| format!("the {kind} of {namespace}"));
        (prometheus.policies, prometheus.services) =
            tokio::join!(reader.all(&policies, &what[0]), reader.all(&services, &what[1]));
    }
    prometheus
}

/// Replicas that have been asked all but the queries.
pub struct Replicas {
    all: Vec<(Option<Way>, Replica)>,
    prefix: String,
    unasked: Option<Unread>,
}

/// Asks each replica what there is. One that is not to be trusted is not asked, and says so.
pub async fn ask(reader: &Reader, evidence: &Evidence, trust: Trust) -> Replicas {
    let endpoint = evidence.prometheus.url.seen().and_then(|url| Endpoint::of(url, evidence));
    let asked = Asked {
        namespace: evidence.namespace.clone(),
        prefix: prefix(evidence, endpoint.as_ref()),
        pools: pools(evidence),
        series: requests::series(evidence),
        lookback: evidence
            .server
            .deployment
            .seen()
            .and_then(flags::lookback)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(timing::SERIES_LOOKBACK),
    };
    let running = evidence.prometheus.pods.items().iter().filter(|pod| Pod(pod).is_running());
    let service = evidence.prometheus.service.seen();
    let (asked, endpoint) = (&asked, endpoint.as_ref());
    let all = join_all(running.map(|pod| async move {
        if let Some(unread) = trust.refuses(evidence, pod) {
            return (None, unasked(pod, asked, &unread));
        }
        let mut way = Way::open(reader, place(pod, service, endpoint)).await;
        let replica = replica(&mut way, name(pod), asked).await;
        (Some(way), replica)
    }))
    .await;
    let mut pods = evidence.prometheus.pods.items().iter();
    let unasked = pods.find_map(|pod| trust.refuses(evidence, pod));
    Replicas { all, prefix: asked.prefix.clone(), unasked }
}

impl Replicas {
    /// Asks each the queries, which follow from the series that there are, and takes all into the evidence.
    pub async fn queries(mut self, evidence: &mut Evidence) {
        evidence.prometheus.replicas = self.all.iter().map(|(_, replica)| replica.clone()).collect();
        let mut wanted = requests::queries(evidence);
        wanted.extend(requests::queries_of_age(evidence));
        let (wanted, prefix) = (&wanted, self.prefix.as_str());
        join_all(self.all.iter_mut().map(|(way, replica)| async move {
            if let Some(way) = way {
                queries(way, replica, prefix, wanted).await;
            }
        }))
        .await;
        for (_, replica) in self.all.iter_mut().filter(|(way, _)| way.is_none()) {
            let unread = self.unasked.clone().unwrap_or_default();
            replica.queries = wanted.iter().map(|query| (query.clone(), Read::Unread(unread.clone()))).collect();
        }
        evidence.prometheus.replicas = self.all.into_iter().map(|(_, replica)| replica).collect();
    }
}

/// One of which everything is unread.
fn unasked(pod: &Value, asked: &Asked, unread: &Unread) -> Replica {
    let series = asked.series.iter().map(|matcher| (matcher.clone(), Read::Unread(unread.clone())));
    Replica {
        pod: name(pod).to_owned(),
        ready: Read::Unread(unread.clone()),
        targets: Read::Unread(unread.clone()),
        series: series.collect(),
        ..Replica::default()
    }
}

/// The jobs that the operator makes of the monitors of a namespace's pods.
fn pools(evidence: &Evidence) -> Vec<String> {
    let monitors = evidence.monitors.items().iter().map(Monitor);
    let pools = monitors.filter(|monitor| monitor.looks_in(&evidence.namespace)).flat_map(|monitor| {
        let kind = if monitor.is_of_pods() { "podMonitor" } else { "serviceMonitor" };
        let job = format!("{kind}/{}/{}", namespace(monitor.0), name(monitor.0));
        (0..monitor.endpoints().len()).map(move |number| format!("{job}/{number}"))
    });
    pools.take(POOLS).collect()
}

/// The pods of the operator's `Prometheus` objects.
async fn of_the_operator(reader: &Reader, evidence: &Evidence) -> Read<Vec<Value>> {
    let objects = evidence.prometheuses.items();
    if objects.is_empty() {
        return Read::NotAsked;
    }
    let all = join_all(objects.iter().map(|object| async move {
        pods(reader, namespace(object), &format!("{OF_OPERATOR}={}", name(object))).await
    }))
    .await;
    Read::of_all(all)
}
