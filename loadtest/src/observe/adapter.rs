//! prometheus-adapter, as far as one may see it.

use serde_json::Value;

use crate::observe::cluster::{Cluster, why};

/// Where kube-prometheus keeps the adapter, for those who may not ask where it is.
const USUAL: (&str, &str) = ("monitoring", "adapter-config");

/// prometheus-adapter's place, and its pods' template.
pub struct Adapter {
    /// Its namespace.
    pub namespace: String,
    /// The name of its `ConfigMap`.
    pub config: String,
    /// The Prometheus that it asks, or why that is not known.
    pub url: Result<String, String>,
}

impl Adapter {
    /// The one that serves the custom metrics API.
    pub async fn find(cluster: &Cluster) -> Self {
        Self::behind_the_api(cluster).await.unwrap_or_else(|why| {
            let (namespace, config) = USUAL;
            Self { namespace: namespace.to_owned(), config: config.to_owned(), url: Err(why) }
        })
    }

    async fn behind_the_api(cluster: &Cluster) -> Result<Self, String> {
        let get = async |path: String, right: String| cluster.raw(&path).await.map_err(|error| why(&error, &right));
        let name = "v1beta1.custom.metrics.k8s.io";
        let api = get(
            format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}"),
            "get apiservices.apiregistration.k8s.io".to_owned(),
        )
        .await?;
        let service = &api["spec"]["service"];
        let (Some(namespace), Some(service)) = (service["namespace"].as_str(), service["name"].as_str()) else {
            return Err(format!("the APIService {name} names no Service"));
        };
        let right = |what: &str| format!("{what} in namespace {namespace}");
        let service = get(format!("/api/v1/namespaces/{namespace}/services/{service}"), right("get services")).await?;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        let deployments = get(path, right("list deployments")).await?;
        let selected = |deployment: &&Value| {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let selector = service["spec"]["selector"].as_object();
            selector.is_some_and(|all| !all.is_empty() && all.iter().all(|(name, value)| labels[name] == *value))
        };
        let found = deployments["items"].as_array().and_then(|all| all.iter().find(selected));
        let pod = found.map(|deployment| &deployment["spec"]["template"]["spec"]);
        pod.and_then(|pod| Self::of_pod(namespace, pod))
            .ok_or_else(|| format!("no Deployment in namespace {namespace} is known to be prometheus-adapter"))
    }

    fn of_pod(namespace: &str, pod: &Value) -> Option<Self> {
        let mut volumes = pod["volumes"].as_array()?.iter();
        let config = volumes.find_map(|volume| volume["configMap"]["name"].as_str())?;
        let mut arguments = pod["containers"][0]["args"].as_array()?.iter().filter_map(Value::as_str);
        let url = arguments.find_map(|argument| argument.strip_prefix("--prometheus-url="));
        let url = url.map(str::to_owned).ok_or_else(|| "prometheus-adapter has no --prometheus-url".to_owned());
        Some(Self { namespace: namespace.to_owned(), config: config.to_owned(), url })
    }
}
