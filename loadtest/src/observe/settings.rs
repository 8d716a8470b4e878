//! What the cluster's objects say of the way from a request to the HPA.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::journal::Autoscaler;
use crate::model::hpa::Behavior;
use crate::model::manifests::{self, RELIST, SCRAPE, START, SYNC};
use crate::model::predict::{Pipeline, Source};
use crate::model::quantity;
use crate::observe::chain::{Chain, Endpoint};
use crate::observe::cluster::{Cluster, Watched, percent_encoded, selector_of};

/// Where kube-prometheus keeps the adapter, for those who may not ask where it is.
const ADAPTER: (&str, &str) = ("monitoring", "adapter-config");

/// A window that is common, in seconds, where the query cannot be read.
const WINDOW: f64 = 120.0;

/// The autoscaler as it is in the cluster, the links of its chain, and what had to be assumed because it may not be
/// read.
pub async fn settings(cluster: &Cluster, watched: &Watched) -> Result<(Autoscaler, Chain, Option<String>), Fault> {
    let adapter = Adapter::find(cluster).await;
    let objects = objects(cluster, watched, &adapter).await;
    let prometheus = prometheus(&objects, &adapter);
    let (mut autoscaler, series, assumed) = match manifests::from_objects(objects) {
        Ok(manifests) => (manifests.autoscaler, manifests.series, None),
        Err(error) => {
            let autoscaler = from_hpa_alone(watched).map_err(|why| Fault::Use(format!("{why}; {error}")))?;
            let Pipeline { scrape, window, .. } = autoscaler.pipeline;
            let assumed = format!("a scrape each {scrape} s and a window of {window} s are assumed: {error}");
            (autoscaler, None, Some(assumed))
        }
    };
    // A ScaledObject does not tell the name of the metric that its HPA reads, nor an older one's namespace.
    let metric = metric(&watched.hpa).map(|(name, ..)| name);
    autoscaler.metric = metric.unwrap_or(autoscaler.metric);
    autoscaler.name = format!("{}/{}", watched.namespace, watched.hpa.name_any());
    autoscaler.created = watched.hpa.creation_timestamp().map(|created| created.0.as_duration().as_secs_f64());
    let query = series.as_ref().map(|series| {
        let window = autoscaler.pipeline.window;
        format!("sum(rate({series}{{namespace=\"{}\"}}[{window:.0}s]))", watched.namespace)
    });
    let chain = Chain {
        cluster: cluster.clone(),
        watched: watched.clone(),
        series,
        prometheus: query.zip(prometheus),
        api: Some(api_path(watched, &autoscaler)),
    };
    Ok((autoscaler, chain, assumed))
}

/// prometheus-adapter's place, and its pods' template.
struct Adapter {
    namespace: String,
    config: String,
    url: Option<String>,
}

impl Adapter {
    async fn find(cluster: &Cluster) -> Self {
        let found = Self::behind_the_api(cluster).await;
        let (namespace, config) = ADAPTER;
        found.unwrap_or_else(|| Self { namespace: namespace.to_owned(), config: config.to_owned(), url: None })
    }

    async fn behind_the_api(cluster: &Cluster) -> Option<Self> {
        let api = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.custom.metrics.k8s.io";
        let api = cluster.raw(api).await.ok()?;
        let (namespace, service) =
            (api["spec"]["service"]["namespace"].as_str()?, api["spec"]["service"]["name"].as_str()?);
        let service = cluster.raw(&format!("/api/v1/namespaces/{namespace}/services/{service}")).await.ok()?;
        let deployments = cluster.raw(&format!("/apis/apps/v1/namespaces/{namespace}/deployments")).await.ok()?;
        let selected = |deployment: &&Value| {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let selector = service["spec"]["selector"].as_object();
            selector.is_some_and(|all| !all.is_empty() && all.iter().all(|(name, value)| labels[name] == *value))
        };
        let pod = &deployments["items"].as_array()?.iter().find(selected)?["spec"]["template"]["spec"];
        let mut volumes = pod["volumes"].as_array()?.iter();
        let config = volumes.find_map(|volume| volume["configMap"]["name"].as_str())?;
        let mut arguments = pod["containers"][0]["args"].as_array()?.iter().filter_map(Value::as_str);
        let url = arguments.find_map(|argument| argument.strip_prefix("--prometheus-url="));
        Some(Self { namespace: namespace.to_owned(), config: config.to_owned(), url: url.map(str::to_owned) })
    }
}

/// The objects that a folder of manifests would hold; what may not be read is left out.
async fn objects(cluster: &Cluster, watched: &Watched, adapter: &Adapter) -> Vec<Value> {
    let Watched { namespace, .. } = watched;
    let one = async |path: String| cluster.raw(&path).await.ok();
    let all = async |path: String, kind: &str| {
        let list = cluster.raw(&path).await.ok()?;
        let items = list["items"].as_array()?.iter().cloned().map(|mut item| {
            // The items of a list do not say what they are.
            item["kind"] = json!(kind);
            item
        });
        Some(items.collect::<Vec<_>>())
    };
    let deployment = watched.scaled.rsplit('/').next().unwrap_or_default();
    let mut found: Vec<Value> = Vec::new();
    found.extend(scaler(cluster, watched).await);
    found.extend(one(format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")).await);
    found.extend(all(format!("/api/v1/namespaces/{namespace}/services"), "Service").await.unwrap_or_default());
    found.extend(one(format!("/api/v1/namespaces/{}/configmaps/{}", adapter.namespace, adapter.config)).await);
    let monitors = "/apis/monitoring.coreos.com/v1";
    let mut everywhere = all(format!("{monitors}/servicemonitors"), "ServiceMonitor").await;
    if everywhere.is_none() {
        everywhere =
            all(format!("{monitors}/namespaces/{}/servicemonitors", adapter.namespace), "ServiceMonitor").await;
    }
    found.extend(everywhere.unwrap_or_default().into_iter().filter(|monitor| looks_into(monitor, namespace)));
    found
}

/// The HPA, or the `ScaledObject` that it was made from.
async fn scaler(cluster: &Cluster, watched: &Watched) -> Option<Value> {
    let namespace = &watched.namespace;
    let owner = watched.hpa.owner_references().iter().find(|owner| owner.kind == "ScaledObject");
    let path = match owner {
        Some(owner) => format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/{}", owner.name),
        None => {
            format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{}", watched.hpa.name_any())
        }
    };
    cluster.raw(&path).await.ok()
}

fn looks_into(monitor: &Value, namespace: &str) -> bool {
    let selector = &monitor["spec"]["namespaceSelector"];
    let named = selector["matchNames"].as_array().is_some_and(|names| names.iter().any(|name| name == namespace));
    selector["any"] == true || named || (selector.is_null() && monitor["metadata"]["namespace"] == namespace)
}

/// The Service of the Prometheus that is asked, as its URL within the cluster names it.
fn prometheus(objects: &[Value], adapter: &Adapter) -> Option<Endpoint> {
    let keda = objects.iter().find(|object| object["kind"] == "ScaledObject");
    let url = match keda {
        Some(object) => object["spec"]["triggers"][0]["metadata"]["serverAddress"].as_str()?.to_owned(),
        None => adapter.url.clone()?,
    };
    let uri: http::Uri = url.parse().ok()?;
    let mut host = uri.host()?.split('.');
    let service = host.next()?.to_owned();
    let namespace = host.next().map_or_else(|| adapter.namespace.clone(), str::to_owned);
    Some(Endpoint { namespace, service, port: uri.port_u16().unwrap_or(80) })
}

/// Name, target and source of the metric that is a rate for each pod, and the selector of its API.
fn metric(hpa: &HorizontalPodAutoscaler) -> Option<(String, f64, Source, Option<String>)> {
    let metrics: &[MetricSpec] = hpa.spec.as_ref()?.metrics.as_deref()?;
    metrics.iter().find_map(|metric| {
        let (identifier, target, source) = match (&metric.pods, &metric.external) {
            (Some(pods), _) => (&pods.metric, &pods.target, Source::Pods),
            (_, Some(external)) => (&external.metric, &external.target, Source::External),
            _ => return None,
        };
        let labels = identifier.selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
        let selector = labels.map(selector_of);
        let target = quantity::value(&target.average_value.as_ref()?.0)?;
        Some((identifier.name.clone(), target, source, selector))
    })
}

fn from_hpa_alone(watched: &Watched) -> Result<Autoscaler, String> {
    let name = format!("{}/{}", watched.namespace, watched.hpa.name_any());
    let (metric, target, source, _) = metric(&watched.hpa)
        .ok_or_else(|| format!("{name} has no metric of type Pods or External with an averageValue"))?;
    let spec = watched.hpa.spec.clone().unwrap_or_default();
    let positive = |replicas: i32| u32::try_from(replicas).unwrap_or(1);
    Ok(Autoscaler {
        scaled: watched.scaled.clone(),
        metric,
        target,
        min: spec.min_replicas.map_or(1, positive),
        max: positive(spec.max_replicas),
        behavior: Behavior::of(spec.behavior.as_ref()).map_err(|error| format!("{name}: spec.behavior.{error}"))?,
        pipeline: Pipeline {
            scrape: SCRAPE,
            window: WINDOW,
            relist: if source == Source::Pods { RELIST } else { 0.0 },
            sync: SYNC,
            startup: START,
            source,
        },
        created: None,
        name,
    })
}

/// Where the HPA's own metric is read.
fn api_path(watched: &Watched, autoscaler: &Autoscaler) -> String {
    let Watched { namespace, selector, .. } = watched;
    match autoscaler.pipeline.source {
        Source::Pods => format!(
            "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/*/{}?labelSelector={}",
            autoscaler.metric,
            percent_encoded(selector)
        ),
        Source::External => {
            let selector = metric(&watched.hpa).and_then(|(.., selector)| selector).unwrap_or_default();
            format!(
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{}?labelSelector={}",
                autoscaler.metric,
                percent_encoded(&selector)
            )
        }
    }
}
