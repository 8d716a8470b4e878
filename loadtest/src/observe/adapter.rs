//! prometheus-adapter, as far as one may see it.

use serde_json::{Value, json};

use crate::doctor::collect::server;
use crate::doctor::facts::requests;
use crate::kube::cluster::Cluster;
use crate::kube::read::{Read, Unread};
use crate::kube::reader::Reader;

/// Where kube-prometheus keeps the adapter's rules, for those who may not ask where they are.
const USUAL: (&str, &str) = ("monitoring", "adapter-config");

/// prometheus-adapter's place, its rules, and whom it asks.
pub struct Adapter {
    /// Its namespace.
    pub namespace: String,
    /// The `ConfigMap` with its rules, or why that is not known.
    pub config: Result<Value, String>,
    /// The Prometheus that it asks, or why that is not known.
    pub url: Result<String, String>,
}

impl Adapter {
    /// The one that serves the custom metrics API.
    pub async fn find(cluster: &Cluster) -> Self {
        let reader = Reader::new(cluster.client.clone());
        let (namespace, config, url) = match behind_the_api(&reader).await {
            Ok((namespace, deployment)) => {
                let url = requests::flag(&deployment, "prometheus-url").map(str::to_owned);
                let config = server::config(&reader, &namespace, &Read::Seen(deployment)).await;
                (namespace, config, url.ok_or_else(|| "prometheus-adapter has no --prometheus-url".to_owned()))
            }
            Err(why) => {
                let (namespace, config) = USUAL;
                let path = format!("/api/v1/namespaces/{namespace}/configmaps/{config}");
                (namespace.to_owned(), reader.one(&path, config).await, Err(why))
            }
        };
        let config = known(config, || format!("prometheus-adapter's ConfigMap in namespace {namespace} is not known"));
        let config = config.map(|mut config| {
            config["kind"] = json!("ConfigMap");
            config
        });
        Self { namespace, config, url }
    }
}

/// The namespace and the Deployment of whoever serves the custom metrics API.
async fn behind_the_api(reader: &Reader) -> Result<(String, Value), String> {
    let group = "custom.metrics.k8s.io";
    let api = known(server::api_service(reader, group).await, || format!("there is no APIService of {group}"))?;
    let service = &api["spec"]["service"];
    let (Some(namespace), Some(service)) = (service["namespace"].as_str(), service["name"].as_str()) else {
        return Err(format!("the APIService of {group} names no Service"));
    };
    let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
    let absent = || format!("there is no Service {service} in namespace {namespace}, which serves {group}");
    let service = known(reader.one(&path, service).await, absent)?;
    let deployment = server::deployment(reader, namespace, &service, &Read::NotAsked).await;
    let absent = || format!("no Deployment in namespace {namespace} is known to be prometheus-adapter");
    Ok((namespace.to_owned(), known(deployment, absent)?))
}

/// What was read, or why it was not.
pub fn known<T>(read: Read<T>, absent: impl FnOnce() -> String) -> Result<T, String> {
    match read {
        Read::Seen(seen) => Ok(seen),
        Read::Unread(Unread { right: Some(right), .. }) => Err(format!("the right to {right} is missing")),
        Read::Unread(Unread { why, .. }) => Err(why),
        Read::Absent | Read::NotAsked => Err(absent()),
    }
}
