//! Prometheus in the healthy chain: its pods, targets, answers and rights.

use std::collections::BTreeMap;

use loadtest::doctor::evidence::{Evidence, HPA_CONTROLLER, Prometheus, Replica};
use loadtest::kube::access::access;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use super::{ACCOUNT, NAMESPACE, PODS, PROMETHEUS, TAKEN, ago};

/// The Prometheus object of kube-prometheus.
pub fn operated() -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus",
        "metadata": {"name": "k8s", "namespace": "monitoring", "creationTimestamp": ago(7200.0)},
        "spec": {
            "replicas": 2, "serviceAccountName": "prometheus-k8s", "serviceDiscoveryRole": "EndpointSlice",
            "serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {},
            "podMonitorSelector": {}, "podMonitorNamespaceSelector": {}, "scrapeInterval": "30s",
        },
        "status": {"replicas": 2, "availableReplicas": 2},
    })
}

pub fn prometheus() -> Prometheus {
    let pod = |name: &str| {
        let condition = json!({"type": "Ready", "status": "True", "lastTransitionTime": ago(7000.0)});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "monitoring", "creationTimestamp": ago(7100.0),
                "labels": {"app.kubernetes.io/name": "prometheus", "operator.prometheus.io/name": "k8s"},
            },
            "spec": {
                "serviceAccountName": "prometheus-k8s",
                "containers": [{"name": "prometheus", "ports": [{"name": "web", "containerPort": 9090}]}],
            },
            "status": {
                "phase": "Running", "conditions": [condition],
                "containerStatuses": [{
                    "name": "prometheus", "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": ago(7090.0)}}, "lastState": {},
                }],
            },
        })
    };
    Prometheus {
        service: Read::Seen(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "prometheus-k8s", "namespace": "monitoring"},
            "spec": {
                "selector": {"app.kubernetes.io/name": "prometheus"},
                "ports": [{"name": "web", "port": 9090, "protocol": "TCP", "targetPort": "web"}],
            },
        })),
        pods: Read::Seen(PROMETHEUS.map(pod).into()),
        replicas: PROMETHEUS.map(replica).into(),
        policies: Read::Seen(Vec::new()),
        services: Read::NotAsked,
        url: Read::NotAsked,
    }
}

fn replica(pod: &str) -> Replica {
    let matcher = r#"http_requests_total{namespace!="",pod!=""}"#.to_owned();
    let series = PODS.map(|(pod, ip)| {
        let labels = labels(pod, ip);
        labels
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect()
    });
    Replica {
        pod: pod.to_owned(),
        ready: Read::Seen(true),
        targets: Read::Seen(PODS.iter().map(|(pod, ip)| target(pod, ip)).collect()),
        series: BTreeMap::from([(matcher, Read::Seen(series.into()))]),
        ..Replica::default()
    }
}

/// A target that is up.
fn target(pod: &str, ip: &str) -> Value {
    let url = format!("http://{ip}:9898/metrics");
    json!({
        "discoveredLabels": {
            "__address__": format!("{ip}:9898"), "__meta_kubernetes_namespace": NAMESPACE,
            "__meta_kubernetes_pod_name": pod, "__meta_kubernetes_pod_ip": ip,
            "__meta_kubernetes_service_name": "shopfront-svc", "__metrics_path__": "/metrics",
            "job": "serviceMonitor/monitoring/shopfront-monitor/0",
        },
        "labels": {
            "container": "shopfront", "endpoint": "web", "instance": format!("{ip}:9898"), "job": "shopfront-svc",
            "namespace": NAMESPACE, "pod": pod, "service": "shopfront-svc",
        },
        "scrapePool": "serviceMonitor/monitoring/shopfront-monitor/0", "scrapeUrl": url, "globalUrl": url,
        "lastError": "", "lastScrape": ago(2.0), "lastScrapeDuration": 0.002, "health": "up",
        "scrapeInterval": "5s", "scrapeTimeout": "5s",
    })
}

/// The labels of a pod's counter.
fn labels(pod: &str, ip: &str) -> Value {
    json!({
        "__name__": "http_requests_total", "method": "GET", "path": "root", "status": "200",
        "container": "shopfront", "endpoint": "web", "instance": format!("{ip}:9898"), "job": "shopfront-svc",
        "namespace": NAMESPACE, "pod": pod, "service": "shopfront-svc",
    })
}

/// The result of a query: the counter's series, a rate for each pod, or their sum.
pub fn result(evidence: &Evidence, query: &str) -> Vec<Value> {
    let value = |labels: Value, value: &str| json!({"metric": labels, "value": [TAKEN, value]});
    if query.starts_with("http_requests_total") {
        return PODS.iter().map(|(pod, ip)| value(labels(pod, ip), "1200")).collect();
    }
    if evidence.scaled_object.seen().is_some() && !query.contains("by (pod)") {
        return vec![value(json!({}), "2")];
    }
    PODS.iter().map(|(pod, _)| value(json!({"pod": pod}), "1")).collect()
}

pub fn allowed() -> BTreeMap<String, Read<bool>> {
    let watched = [("", "services"), ("", "endpoints"), ("", "pods"), ("discovery.k8s.io", "endpointslices")];
    let mut allowed = BTreeMap::new();
    for (group, resource) in watched {
        for verb in ["list", "watch"] {
            allowed.insert(access(ACCOUNT, verb, group, resource, NAMESPACE), Read::Seen(true));
        }
    }
    let metrics = [
        ("get", "custom.metrics.k8s.io", "pods/http_requests_per_second"),
        ("list", "external.metrics.k8s.io", "s0-prometheus"),
    ];
    for (verb, group, resource) in metrics {
        allowed.insert(access(HPA_CONTROLLER, verb, group, resource, NAMESPACE), Read::Seen(true));
    }
    allowed
}
