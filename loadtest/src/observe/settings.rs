//! What the cluster's objects say of the way from a request to the HPA.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::autoscaling::hpa::Behavior;
use crate::autoscaling::manifests::{RELIST, SCRAPE, START, SYNC};
use crate::autoscaling::predict::{Pipeline, Source};
use crate::autoscaling::rate::Function;
use crate::autoscaling::{Autoscaler, manifests};
use crate::doctor::collect::trust::{Trust, unasked};
use crate::doctor::objects::looks_in;
use crate::fault::Fault;
use crate::kube::cluster::{Cluster, Watched, percent_encoded};
use crate::kube::reader::Reader;
use crate::kube::words::public;
use crate::observe::adapter::{Adapter, known};
use crate::observe::chain::{Chain, Endpoint};
use crate::observe::metric::Metric;
use crate::observe::scraped::Scraped;

/// A window that is common, in seconds, where the query cannot be read.
const WINDOW: f64 = 120.0;

/// The autoscaler as it is in the cluster, the links of its chain, and what had to be assumed because it may not be
/// read, or is more than the model knows.
pub async fn settings(
    cluster: &Cluster,
    watched: &Watched,
    trust: Trust,
) -> Result<(Autoscaler, Chain, Vec<String>), Fault> {
    let (metric, others) = Metric::of(&watched.hpa).map_err(Fault::Use)?;
    let mut assumed = Vec::new();
    if !others.is_empty() {
        assumed.push(format!(
            "the HPA scales by {} as well, and follows whichever asks for most: {} alone is watched and predicted",
            others.join(", "),
            metric.name
        ));
    }
    let adapter = Adapter::find(cluster).await;
    let (objects, unread) = objects(cluster, watched, &metric, &adapter).await;
    let prometheus = prometheus(&objects, &adapter, &watched.namespace, trust);
    let scraped = Scraped::of(&objects, watched);
    let (mut autoscaler, series) = match manifests::from_objects(objects) {
        Ok(manifests) => {
            (manifests.autoscaler, manifests.series.ok_or_else(|| "its query names no counter".to_owned()))
        }
        Err(error) => {
            let autoscaler = from_hpa_alone(watched, &metric).map_err(|why| Fault::Use(format!("{why}; {error}")))?;
            let Pipeline { scrape, window, .. } = autoscaler.pipeline;
            // What may not be read is not there for the model, which would have it added.
            let why = if unread.is_empty() { error } else { unread.join(", ") };
            assumed.push(format!("a scrape each {scrape} s and a window of {window} s are assumed: {why}"));
            (autoscaler, Err("the counter's name stands where the window does, and is not known".to_owned()))
        }
    };
    // A ScaledObject does not tell the name of the metric that its HPA reads, nor an older one's namespace.
    autoscaler.metric.clone_from(&metric.name);
    autoscaler.name = format!("{}/{}", watched.namespace, watched.hpa.name_any());
    autoscaler.scaled.clone_from(&watched.scaled);
    autoscaler.created = watched.hpa.creation_timestamp().map(|created| created.0.as_duration().as_secs_f64());
    let query = series.clone().map(|series| {
        let Pipeline { window, function, .. } = autoscaler.pipeline;
        format!("sum({}({series}{{namespace=\"{}\"}}[{window:.0}s]))", function.name(), watched.namespace)
    });
    let chain = Chain {
        cluster: cluster.clone(),
        watched: watched.clone(),
        series,
        scraped,
        prometheus: prometheus.and_then(|endpoint| Ok((query?, endpoint))),
        api: api_path(watched, &metric),
        metric,
    };
    Ok((autoscaler, chain, assumed))
}

/// The objects that a folder of manifests would hold; what may not be read is left out, and told why.
async fn objects(
    cluster: &Cluster,
    watched: &Watched,
    metric: &Metric,
    adapter: &Adapter,
) -> (Vec<Value>, Vec<String>) {
    let Watched { namespace, .. } = watched;
    let reader = Reader::new(cluster.client.clone());
    let all = async |path: String, kind: &str| {
        let read = reader.all(&path, kind).await;
        let mut items = known(read, || format!("the API server knows no {kind}"))?;
        for item in &mut items {
            item["kind"] = json!(kind);
        }
        Ok::<_, String>(items)
    };
    let (mut found, mut unread) = (vec![scaled(&watched.object)], Vec::new());
    let mut take = |read: Result<Vec<Value>, String>| match read {
        Ok(objects) => found.extend(objects),
        Err(why) => unread.push(why),
    };
    let owner = watched.hpa.owner_references().iter().find(|owner| owner.kind == "ScaledObject");
    take(match owner {
        Some(owner) => {
            let path = format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/{}", owner.name);
            let read = reader.one(&path, &owner.name).await;
            let read = known(read, || format!("there is no ScaledObject {} in namespace {namespace}", owner.name));
            read.map(|object| vec![of_a_deployment(object)])
        }
        None => Ok(vec![of_a_deployment(by_one_metric(&watched.hpa, metric))]),
    });
    let services = format!("/api/v1/namespaces/{namespace}/services");
    take(all(services, "Service").await);
    if owner.is_none() {
        take(adapter.config.clone().map(|config| vec![config]));
    }
    let monitors = async |place: &str| {
        let path = format!("/apis/monitoring.coreos.com/v1{place}/servicemonitors");
        let monitors = all(path, "ServiceMonitor").await?.into_iter();
        Ok(monitors.filter(|monitor| looks_in(monitor, namespace)).collect())
    };
    let mut everywhere = monitors("").await;
    if everywhere.is_err() {
        everywhere = monitors(&format!("/namespaces/{}", adapter.namespace)).await;
    }
    take(everywhere);
    (found, unread)
}

/// What is scaled, as the model reads it: whatever has a pod's template is like a Deployment there.
fn scaled(object: &Value) -> Value {
    let mut object = object.clone();
    object["kind"] = json!("Deployment");
    object
}

/// Likewise what scales it.
fn of_a_deployment(mut scaler: Value) -> Value {
    scaler["spec"]["scaleTargetRef"]["kind"] = json!("Deployment");
    scaler
}

/// The HPA as if it had the one metric that is watched.
fn by_one_metric(hpa: &HorizontalPodAutoscaler, metric: &Metric) -> Value {
    let mut hpa = json!(hpa);
    hpa["spec"]["metrics"] = json!([hpa["spec"]["metrics"][metric.index]]);
    hpa
}

/// The Service of the Prometheus that is asked, as its URL within the cluster names it; or why it is not known, or not
/// asked.
fn prometheus(objects: &[Value], adapter: &Adapter, of: &str, trust: Trust) -> Result<Endpoint, String> {
    let keda = objects.iter().find(|object| object["kind"] == "ScaledObject");
    let triggers = keda.map(|object| object["spec"]["triggers"].as_array().map(Vec::as_slice).unwrap_or_default());
    let address = |trigger: &Value| trigger["metadata"]["serverAddress"].as_str().map(str::to_owned);
    let url = match triggers {
        Some(triggers) => triggers.iter().find_map(address).ok_or("the ScaledObject has no serverAddress"),
        None => Ok(adapter.url.clone().map_err(|why| format!("its address is not known: {why}"))?),
    }?;
    let endpoint = Endpoint::of(&url, &adapter.namespace);
    let endpoint = endpoint.ok_or_else(|| format!("{} is not the http address of a Service", public(&url)))?;
    let allowed = keda.is_none() || trust.allows(&endpoint.namespace, of);
    if allowed { Ok(endpoint) } else { Err(unasked(&endpoint.namespace)) }
}

fn from_hpa_alone(watched: &Watched, metric: &Metric) -> Result<Autoscaler, String> {
    let name = format!("{}/{}", watched.namespace, watched.hpa.name_any());
    let spec = watched.hpa.spec.clone().unwrap_or_default();
    let positive = |replicas: i32| u32::try_from(replicas).unwrap_or(1);
    Ok(Autoscaler {
        scaled: watched.scaled.clone(),
        metric: metric.name.clone(),
        target: metric.target,
        min: spec.min_replicas.map_or(1, positive),
        max: positive(spec.max_replicas),
        behavior: Behavior::of(spec.behavior.as_ref()).map_err(|error| format!("{name}: spec.behavior.{error}"))?,
        pipeline: Pipeline {
            scrape: SCRAPE,
            window: WINDOW,
            function: Function::Rate,
            relist: if metric.source == Source::Pods { RELIST } else { 0.0 },
            sync: SYNC,
            startup: START,
            source: metric.source,
        },
        created: None,
        name,
    })
}

/// Where the HPA's own metric is read.
fn api_path(watched: &Watched, metric: &Metric) -> String {
    let Watched { namespace, selector, .. } = watched;
    let Metric { name, .. } = metric;
    match metric.source {
        Source::Pods => format!(
            "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/*/{name}?labelSelector={}",
            percent_encoded(selector)
        ),
        Source::External => format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{name}?labelSelector={}",
            percent_encoded(&metric.selector)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_where_the_trigger_that_asks_it_says() {
        let adapter = Adapter { namespace: "watch".to_owned(), config: Err(String::new()), url: Err(String::new()) };
        let asked = |triggers: Value, of: &str, trust: Trust| {
            let object = json!({"kind": "ScaledObject", "spec": {"triggers": triggers}});
            prometheus(&[object], &adapter, of, trust)
        };
        let of = |triggers: Value| asked(triggers, "shop", Trust::OfTheCluster);
        let cron = json!({"type": "cron", "metadata": {"start": "0 6 * * *"}});
        let asks = json!({"type": "prometheus", "metadata": {"serverAddress": "http://prom.watch.svc:9090"}});
        assert_eq!(of(json!([cron, asks])).unwrap().service, "prom");
        let why = asked(json!([asks]), "watch", Trust::OfTheCluster).unwrap_err();
        assert!(why.contains("--trust-prometheus"), "{why}");
        assert!(asked(json!([asks]), "watch", Trust::Anywhere).is_ok());
        assert_eq!(of(json!([cron])).unwrap_err(), "the ScaledObject has no serverAddress");
    }

    #[test]
    fn another_kind_and_a_further_metric_do_not_hide_the_chain() {
        let rate =
            json!({"metric": {"name": "hits_per_second"}, "target": {"type": "AverageValue", "averageValue": "2"}});
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}});
        let metrics = json!([{"type": "Resource", "resource": cpu}, {"type": "Pods", "pods": rate}]);
        let target = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop"});
        let hpa = json!({"metadata": {"name": "shop", "namespace": "shops"},
                         "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": metrics}});
        let hpa: HorizontalPodAutoscaler = serde_json::from_value(hpa).unwrap();
        let (metric, _) = Metric::of(&hpa).unwrap();
        let labels = json!({"app": "shop"});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "shop"}]}});
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "shop", "namespace": "shops"},
                         "spec": {"template": template}});
        let service = json!({"kind": "Service", "metadata": {"name": "shop", "labels": labels},
                             "spec": {"selector": labels, "ports": [{"name": "web", "port": 80}]}});
        let monitor = json!({"kind": "ServiceMonitor", "metadata": {"name": "shop"}, "spec": {
                             "selector": {"matchLabels": labels}, "endpoints": [{"port": "web", "interval": "5s"}]}});
        let rules = "rules: [{seriesQuery: hits_total, resources: {template: <<.Resource>>}, \
                     name: {as: hits_per_second}, metricsQuery: 'sum(rate(x[1m]))'}]";
        let config = json!({"kind": "ConfigMap", "metadata": {"name": "adapter"}, "data": {"config.yaml": rules}});
        let scaler = of_a_deployment(by_one_metric(&hpa, &metric));
        let read = manifests::from_objects(vec![scaler, scaled(&set), service, monitor, config]).unwrap();
        let Pipeline { scrape, window, .. } = read.autoscaler.pipeline;
        assert_eq!((scrape, window, read.series.as_deref()), (5.0, 60.0, Some("hits_total")));
    }
}
