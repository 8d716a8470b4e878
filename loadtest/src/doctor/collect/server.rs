//! Who serves the metrics API, from its `APIService` to its log: prometheus-adapter, or KEDA's metrics server.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use crate::autoscaling::adapter_rules::flags::{PROMETHEUS_URL, flag};
use crate::doctor::collect::workload::behind;
use crate::doctor::evidence::{Evidence, Server};
use crate::doctor::facts::requests;
use crate::doctor::facts::scaling_metric::deciding;
use crate::doctor::facts::subjects;
use crate::doctor::objects::{Pod, Workload, leads_to, name, namespace};
use crate::kube::read::Read;
use crate::kube::reader::Reader;

/// Lines of the log that are kept.
const LINES: usize = 200;

/// Images of those who can serve a metrics API from Prometheus.
const ADAPTER: &str = "prometheus-adapter";
const KEDA: &[&str] = &["keda-metrics-apiserver", "keda-adapter"];

/// What is listed once for the servers of all APIs, of all namespaces.
pub struct Known {
    /// The Deployments.
    pub deployments: Read<Vec<Value>>,
    /// The Services.
    pub services: Read<Vec<Value>>,
}

impl Known {
    /// Lists them.
    pub async fn list(reader: &Reader) -> Self {
        let (deployments, services) = tokio::join!(
            reader.all("/apis/apps/v1/deployments", "the Deployments"),
            reader.all("/api/v1/services", "the Services of all namespaces")
        );
        Self { deployments, services }
    }
}

/// Who serves the API of the HPA's first metric, and the APIs of its other metrics, by group.
pub type Servers = (Server, BTreeMap<String, Server>);

/// Reads the servers of the HPA's metrics.
pub async fn servers(reader: &Reader, evidence: &Evidence, known: &Known) -> Servers {
    let group = match deciding(evidence) {
        Some(metric) => requests::group(metric),
        None if evidence.scaled_object.seen().is_some() => "external.metrics.k8s.io",
        None => "custom.metrics.k8s.io",
    };
    let others = subjects::other_groups(evidence).into_iter();
    let others =
        join_all(others.map(|group| async move { (group.to_owned(), server(reader, evidence, group, known).await) }));
    let (first, others) = tokio::join!(server(reader, evidence, group, known), others);
    (first, others.into_iter().collect())
}

/// Reads the server of an API. Where its `APIService` leads nowhere, the Deployment is that of whom it could name.
async fn server(reader: &Reader, evidence: &Evidence, group: &str, known: &Known) -> Server {
    let Known { deployments, services } = known;
    let api_service = api_service(reader, group).await;
    let (candidates, likely) = candidates(deployments, services, evidence.scaled_object.seen().is_some());
    let mut server = Server { api_service, candidates, ..Server::default() };
    let place = server.api_service.seen().map(|service| service["spec"]["service"].clone()).unwrap_or_default();
    let mut deployed = None;
    if let (Some(namespace), Some(service)) = (place["namespace"].as_str(), place["name"].as_str()) {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
        server.service = reader.one(&path, &format!("Service {namespace}/{service}")).await;
        if let Some(service) = server.service.seen() {
            server.deployment = deployment(reader, namespace, service, deployments).await;
            deployed = Some((namespace.to_owned(), service.clone()));
        }
    }
    // None of them is there for CPU and memory.
    if server.deployment.seen().is_none()
        && let Some((service, deployment)) = likely.filter(|_| group != "metrics.k8s.io")
    {
        let namespace = namespace(&deployment).to_owned();
        server.deployment = Read::Seen(deployment);
        deployed = Some((namespace, service));
    }
    let Some((namespace, service)) = deployed else { return server };
    let (pods, config) =
        tokio::join!(behind(reader, &namespace, &service), config(reader, &namespace, &server.deployment));
    (server.pods, server.config) = (pods, config);
    server.log = log(reader, &namespace, server.pods.items()).await;
    server
}

/// The Deployment behind a Service.
async fn deployment(reader: &Reader, namespace: &str, service: &Value, all: &Read<Vec<Value>>) -> Read<Value> {
    let behind = |deployment: &Value| is_behind(deployment, service);
    if all.seen().is_some() {
        return all.find(behind);
    }
    // Who may not list those of all namespaces may perhaps list those of this one.
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    reader.all(&path, &format!("the Deployments of {namespace}")).await.find(behind)
}

fn is_behind(deployment: &Value, service: &Value) -> bool {
    namespace(deployment) == namespace(service)
        && Workload(deployment).pod_labels().is_some_and(|labels| leads_to(service, labels))
}

/// The Services before a server of metrics; and, of the kind that the HPA needs, the first with its Deployment.
fn candidates(
    deployments: &Read<Vec<Value>>,
    services: &Read<Vec<Value>>,
    keda: bool,
) -> (Read<Vec<Value>>, Option<(Value, Value)>) {
    if let Some(unread) = deployments.unread().or(services.unread()) {
        return (Read::Unread(unread.clone()), None);
    }
    let is_keda = |deployment: &Value| KEDA.iter().any(|image| Workload(deployment).runs_image(image));
    let is_adapter =
        |deployment: &Value| Workload(deployment).runs_image(ADAPTER) || flag(deployment, PROMETHEUS_URL).is_some();
    let servers = deployments.items().iter().filter(|one| is_keda(one) || is_adapter(one));
    let pairs = servers.flat_map(|deployment| {
        let before = services.items().iter().filter(move |service| is_behind(deployment, service));
        before.map(move |service| (service.clone(), deployment.clone()))
    });
    let pairs: Vec<(Value, Value)> = pairs.collect();
    let likely = pairs.iter().find(|(_, deployment)| is_keda(deployment) == keda).cloned();
    (Read::Seen(pairs.into_iter().map(|(service, _)| service).collect()), likely)
}

/// The `APIService` of a group, in the version that the API server prefers.
pub async fn api_service(reader: &Reader, group: &str) -> Read<Value> {
    let base = "/apis/apiregistration.k8s.io/v1/apiservices";
    let versions = ["v1beta2", "v1beta1", "v1"].map(|version| {
        let service = format!("{version}.{group}");
        async move { reader.one(&format!("{base}/{service}"), &format!("APIService/{service}")).await }
    });
    let read = join_all(versions).await;
    let preferred = read.iter().filter(|one| one.seen().is_some()).max_by_key(|one| {
        let of = |field: &str| one.seen().and_then(|service| service["spec"][field].as_i64()).unwrap_or_default();
        (of("groupPriorityMinimum"), of("versionPriority"))
    });
    let refused = || read.iter().find(|one| one.unread().is_some());
    preferred.or_else(refused).cloned().unwrap_or(Read::Absent)
}

/// The `ConfigMap` that the Deployment mounts; the one with rules, where there are several.
async fn config(reader: &Reader, namespace: &str, deployment: &Read<Value>) -> Read<Value> {
    let Some(deployment) = deployment.seen() else { return Read::NotAsked };
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().into_iter().flatten();
    let mounted = volumes.filter_map(|volume| volume["configMap"]["name"].as_str()).map(|config| async move {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{config}");
        reader.one(&path, &format!("ConfigMap {namespace}/{config}")).await
    });
    let read = join_all(mounted).await;
    let rules = read.iter().find(|one| one.seen().is_some_and(|config| requests::document(config).is_some()));
    let unread = || read.iter().find(|one| one.unread().is_some());
    rules.or_else(unread).or(read.first()).cloned().unwrap_or_default()
}

/// The end of the log of the pod that runs, the newest of several.
async fn log(reader: &Reader, namespace: &str, pods: &[Value]) -> Read<String> {
    let running = pods.iter().filter(|pod| Pod(pod).is_running());
    let newest = running.max_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str());
    let Some(pod) = newest.or(pods.first()) else { return Read::NotAsked };
    let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}/log?container={container}&tailLines={LINES}", name(pod));
    reader.text(&path, &format!("the log of {namespace}/{}", name(pod))).await
}
