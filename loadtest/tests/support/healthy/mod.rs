//! A chain that holds, as a cluster gives it: this project's own manifests, and what Kubernetes, prometheus-operator and
//! the adapter make of them. A test changes one thing of it.

mod prometheus;
mod server;
mod workload;

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::requests;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use prometheus::{prometheus, result};
use server::{adapter_server, keda_server};
use workload::{hpa, workload};

/// When it was read.
pub const TAKEN: f64 = 1_800_000_000.0;
/// The HPA's namespace.
pub const NAMESPACE: &str = "miztiik-automation-ns";
/// The pods, each with its address.
pub const PODS: [(&str, &str); 2] =
    [("shopfront-deploy-7d94b56f44-fblvd", "10.244.0.11"), ("shopfront-deploy-7d94b56f44-x2kqp", "10.244.0.12")];
/// The replicas of Prometheus.
pub const PROMETHEUS: [&str; 2] = ["prometheus-k8s-0", "prometheus-k8s-1"];
/// Prometheus' service account.
pub const ACCOUNT: &str = "system:serviceaccount:monitoring:prometheus-k8s";

/// A moment, so many seconds before the evidence was taken, as objects have it.
pub fn ago(seconds: f64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(TAKEN - seconds)).to_string()
}

/// The object of this kind in a file of `k8s/`.
pub fn manifest(file: &str, kind: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut object = all.into_iter().find(|object| object["kind"] == kind).unwrap();
    object["metadata"]["creationTimestamp"] = json!(ago(3600.0));
    object["metadata"]["uid"] = json!(format!("{kind}-uid"));
    object
}

/// Scaled by prometheus-adapter's metric: two pods, of which each has one request a second.
pub fn adapter() -> Evidence {
    let mut evidence = Evidence {
        hpa: Read::Seen(hpa()),
        scaled_object: Read::Absent,
        prometheus: prometheus(),
        server: adapter_server(),
        ..workload()
    };
    evidence.hpas = Read::Seen(vec![hpa()]);
    evidence.prometheus.url = Read::Seen("http://prometheus-k8s.monitoring.svc:9090/".to_owned());
    answer(&mut evidence);
    evidence
}

/// The same, scaled by a `ScaledObject`.
pub fn keda() -> Evidence {
    let mut scaled = manifest("keda/scaledobject.yaml", "ScaledObject");
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "", "message": ""});
    scaled["status"] = json!({
        "conditions": [condition("Ready", "True"), condition("Active", "True"), condition("Fallback", "False")],
        "hpaName": "shopfront-hpa",
        "externalMetricNames": ["s0-prometheus"],
    });
    let mut hpa = hpa();
    let owner = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "shopfront-scaledobject"});
    hpa["metadata"]["ownerReferences"] = json!([owner]);
    let selector = json!({"matchLabels": {"scaledobject.keda.sh/name": "shopfront-scaledobject"}});
    let metric = json!({"name": "s0-prometheus", "selector": selector});
    let target = json!({"type": "AverageValue", "averageValue": "2"});
    hpa["spec"]["metrics"] = json!([{"type": "External", "external": {"metric": metric, "target": target}}]);
    hpa["status"]["currentMetrics"] =
        json!([{"type": "External", "external": {"metric": metric, "current": {"averageValue": "1"}}}]);
    let mut evidence = Evidence {
        hpas: Read::Seen(vec![hpa.clone()]),
        hpa: Read::Seen(hpa),
        scaled_object: Read::Seen(scaled),
        prometheus: prometheus(),
        server: keda_server(),
        ..workload()
    };
    evidence.prometheus.url = Read::Seen("http://prometheus-k8s.monitoring.svc:9090".to_owned());
    answer(&mut evidence);
    evidence
}

/// Has Prometheus and the metrics API answer all that they are asked.
pub fn answer(evidence: &mut Evidence) {
    let queries = requests::queries(evidence).into_iter().chain(ScalingMetric::of(evidence).queries());
    for query in queries {
        let result = result(evidence, &query);
        for replica in &mut evidence.prometheus.replicas {
            replica.queries.insert(query.clone(), Read::Seen(result.clone()));
        }
    }
    let metric = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    let group = requests::group(&metric);
    let path = requests::listing(evidence, group);
    let names: &[&str] = if group.starts_with("custom") {
        &["namespaces/http_requests_per_second", "pods/http_requests_per_second"]
    } else {
        &["externalmetrics"]
    };
    let resources =
        names.iter().map(|name| json!({"name": name, "namespaced": name.starts_with("pods"), "verbs": ["get"]}));
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/v1beta1"),
        "resources": resources.collect::<Vec<_>>(),
    });
    evidence.answers.insert(path, Answer { status: 200, body: list });
    let path = requests::metric(evidence, &metric).unwrap();
    let moment = ago(1.0);
    let items: Vec<Value> = if group.starts_with("custom") {
        let item = |(pod, _): &(&str, &str)| {
            json!({
                "describedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": pod, "apiVersion": "/v1"},
                "metricName": "http_requests_per_second", "timestamp": moment, "value": "1", "selector": null,
            })
        };
        PODS.iter().map(item).collect()
    } else {
        vec![json!({"metricName": "s0-prometheus", "metricLabels": null, "timestamp": moment, "value": "2"})]
    };
    let kind = if group.starts_with("custom") { "MetricValueList" } else { "ExternalMetricValueList" };
    let body = json!({"kind": kind, "apiVersion": format!("{group}/v1beta1"), "metadata": {}, "items": items});
    evidence.answers.insert(path, Answer { status: 200, body });
}
