//! Who serves the metrics API, from its `APIService` to its log: prometheus-adapter, or KEDA's metrics server.

use futures_util::future::join_all;
use serde_json::Value;

use super::objects::{name, selects};
use super::reader::Reader;
use super::workload::{behind, deciding};
use crate::doctor::evidence::{Evidence, Read, Server};
use crate::doctor::questions;

/// Lines of the log that are kept.
const LINES: usize = 200;

/// Reads the server of the API that the HPA's metric belongs to.
pub async fn server(reader: &Reader, evidence: &Evidence) -> Server {
    let group = match deciding(evidence) {
        Some(metric) => questions::group(metric),
        None if evidence.scaled_object.seen().is_some() => "external.metrics.k8s.io",
        None => "custom.metrics.k8s.io",
    };
    let mut server = Server { api_service: api_service(reader, group).await, ..Server::default() };
    let Some(place) = server.api_service.seen().map(|service| service["spec"]["service"].clone()) else {
        return server;
    };
    let (Some(namespace), Some(service)) = (place["namespace"].as_str(), place["name"].as_str()) else {
        return server;
    };
    let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
    server.service = reader.one(&path, &format!("Service {namespace}/{service}")).await;
    let Some(service) = server.service.seen() else { return server };
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let what = format!("the Deployments of {namespace}");
    let (pods, deployments) = tokio::join!(behind(reader, namespace, service), reader.all(&path, &what));
    server.pods = pods;
    server.deployment = super::objects::chosen(&deployments, |deployment| {
        selects(&service["spec"]["selector"], &deployment["spec"]["template"]["metadata"]["labels"])
    });
    let (config, log) =
        tokio::join!(config(reader, namespace, &server.deployment), log(reader, namespace, server.pods.items()));
    (server.config, server.log) = (config, log);
    server
}

/// The `APIService` of a group, in the version that the API server prefers.
async fn api_service(reader: &Reader, group: &str) -> Read<Value> {
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
    let rules = read.iter().find(|one| one.seen().is_some_and(|config| questions::document(config).is_some()));
    let unread = || read.iter().find(|one| one.unread().is_some());
    rules.or_else(unread).or(read.first()).cloned().unwrap_or_default()
}

/// The end of the log of the pod that runs, the newest of several.
async fn log(reader: &Reader, namespace: &str, pods: &[Value]) -> Read<String> {
    let running = pods.iter().filter(|pod| pod["status"]["phase"] == "Running");
    let newest = running.max_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str());
    let Some(pod) = newest.or(pods.first()) else { return Read::NotAsked };
    let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}/log?container={container}&tailLines={LINES}", name(pod));
    reader.text(&path, &format!("the log of {namespace}/{}", name(pod))).await
}
