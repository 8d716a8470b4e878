//! The evidence of a healthy chain, as read from a cluster: this project's manifests, and what Kubernetes,
//! prometheus-operator and the adapter add to them. A test changes one thing in it.

mod prometheus;
mod server;
mod workload;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::requests;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use prometheus::{prometheus, result};
use server::{adapter_server, keda_server};
use workload::{hpa, workload};

/// When the evidence was read.
pub const TAKEN: f64 = 1_800_000_000.0;
/// The HPA's namespace.
pub const NAMESPACE: &str = "miztiik-automation-ns";
/// The pods and their IP addresses.
pub const PODS: [(&str, &str); 2] =
    [("shopfront-deploy-7d94b56f44-fblvd", "10.244.0.11"), ("shopfront-deploy-7d94b56f44-x2kqp", "10.244.0.12")];
/// The replicas of Prometheus.
pub const PROMETHEUS: [&str; 2] = ["prometheus-k8s-0", "prometheus-k8s-1"];
/// Prometheus' service account.
pub const ACCOUNT: &str = "system:serviceaccount:monitoring:prometheus-k8s";

/// Where the adapter lists its metrics.
pub const ADAPTER_LIST: &str = "/apis/custom.metrics.k8s.io/v1beta1";
/// Where the HPA reads the adapter's metric.
pub const ADAPTER_METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/pods/*/\
                                  http_requests_per_second?labelSelector=app%3Dshopfront";
/// Where KEDA lists its metrics.
pub const KEDA_LIST: &str = "/apis/external.metrics.k8s.io/v1beta1";
/// Where the HPA reads the trigger's metric.
pub const KEDA_METRIC: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/s0-prometheus\
                               ?labelSelector=scaledobject.keda.sh%2Fname%3Dshopfront-scaledobject";
/// The query for the pods' counter with any labels.
pub const COUNTER: &str = concat!(
    r#"http_requests_total{instance=~"\\[?10\\.244\\.0\\.11\\]?(:\\d+)?|\\[?10\\.244\\.0\\.12\\]?(:\\d+)?"}"#,
    r#" or http_requests_total{namespace="miztiik-automation-ns"}"#,
);
/// The counter as the adapter's rule selects it.
pub const ADAPTER_SERIES: &str = r#"http_requests_total{namespace="miztiik-automation-ns",pod=~"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp"}"#;
/// The query of the adapter's rule.
pub const ADAPTER_QUERY: &str = r#"sum(rate(http_requests_total{namespace="miztiik-automation-ns",pod=~"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp"}[2m])) by (pod)"#;
/// The counter as the trigger selects it.
pub const KEDA_SERIES: &str = r#"http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}"#;
/// The trigger's query.
pub const KEDA_QUERY: &str =
    r#"sum(rate(http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}[1m]))"#;

/// The timestamp this many seconds before the evidence was read.
pub fn ago(seconds: f64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(TAKEN - seconds)).to_string()
}

/// The object with this kind in a file of `k8s/`.
pub fn manifest(file: &str, kind: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut object = all.into_iter().find(|object| object["kind"] == kind).unwrap();
    object["metadata"]["creationTimestamp"] = json!(ago(3600.0));
    object["metadata"]["uid"] = json!(format!("{kind}-uid"));
    object
}

/// The chain with prometheus-adapter. Each of two pods gets one request per second.
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
    answer(&mut evidence, &[COUNTER, ADAPTER_SERIES, ADAPTER_QUERY]);
    let value = |(pod, _)| {
        json!({
            "describedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": pod, "apiVersion": "/v1"},
            "metricName": "http_requests_per_second", "timestamp": ago(1.0), "value": "1", "selector": null,
        })
    };
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "custom.metrics.k8s.io/v1beta1",
        "resources": [
            {"name": "namespaces/http_requests_per_second", "namespaced": false, "verbs": ["get"]},
            {"name": "pods/http_requests_per_second", "namespaced": true, "verbs": ["get"]},
        ],
    });
    let values = json!({
        "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": {},
        "items": PODS.map(value),
    });
    evidence.answers = answers([(ADAPTER_LIST, list), (ADAPTER_METRIC, values)]);
    evidence
}

/// The same chain with KEDA.
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
    answer(&mut evidence, &[COUNTER, KEDA_SERIES, KEDA_QUERY]);
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "external.metrics.k8s.io/v1beta1",
        "resources": [{"name": "externalmetrics", "namespaced": false, "verbs": ["get"]}],
    });
    let value = json!({"metricName": "s0-prometheus", "metricLabels": null, "timestamp": ago(1.0), "value": "2"});
    let values = json!({
        "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {},
        "items": [value],
    });
    evidence.answers = answers([(KEDA_LIST, list), (KEDA_METRIC, values)]);
    evidence
}

/// Makes Prometheus answer these queries, which must be all that the doctor sends.
pub fn answer(evidence: &mut Evidence, queries: &[&str]) {
    assert!(requests::queries(evidence).iter().eq(queries), "{:#?}", requests::queries(evidence));
    for query in queries {
        let result = result(evidence, query);
        for replica in &mut evidence.prometheus.replicas {
            replica.queries.insert((*query).to_owned(), Read::Seen(result.clone()));
        }
    }
}

/// The metrics API's answers at these paths.
fn answers(bodies: [(&str, Value); 2]) -> BTreeMap<String, Answer> {
    BTreeMap::from(bodies.map(|(path, body)| (path.to_owned(), Answer { status: 200, body })))
}
