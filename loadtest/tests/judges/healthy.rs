//! A chain that holds, as a cluster gives it: this project's own manifests, and what Kubernetes, prometheus-operator and
//! the adapter make of them. A test changes one thing of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use loadtest::doctor::evidence::{
    Answer, Evidence, HPA_CONTROLLER, Page, Prometheus, Read, Replica, Resource, Server, access,
};
use loadtest::doctor::links::subject::Subject;
use loadtest::doctor::questions;
use serde_json::{Value, json};

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

/// What is the same for both.
fn workload() -> Evidence {
    let mut deployment = manifest("shopfront.yml", "Deployment");
    deployment["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    deployment["metadata"]["generation"] = json!(2);
    deployment["spec"]["replicas"] = json!(2);
    deployment["status"] = json!({
        "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
    });
    let mut namespace = manifest("miztiik-automation-ns.yml", "Namespace");
    namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(NAMESPACE);
    let mut service = manifest("shopfront.yml", "Service");
    service["spec"]["ports"][0]["protocol"] = json!("TCP");
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}});
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "shopfront-deploy", "namespace": NAMESPACE},
        "spec": {"replicas": 2}, "status": {"replicas": 2, "selector": "app=shopfront"},
    });
    Evidence {
        version: "0.1.0".to_owned(),
        taken: TAKEN,
        namespace: NAMESPACE.to_owned(),
        name: "shopfront-hpa".to_owned(),
        autoscaling: Read::Seen(vec!["v2".to_owned(), "v1".to_owned()]),
        resources: Read::Seen(resources()),
        own_namespace: Read::Seen(namespace),
        pods: Read::Seen(PODS.iter().map(|(name, ip)| pod(name, ip, &deployment["spec"]["template"])).collect()),
        workload: Read::Seen(deployment),
        scale: Read::Seen(scale),
        services: Read::Seen(vec![service]),
        events: Read::Seen(Vec::new()),
        monitors: Read::Seen(vec![manifest("shopfront.yml", "ServiceMonitor")]),
        prometheuses: Read::Seen(vec![operated()]),
        pages: PODS.iter().map(|(pod, _)| page(pod)).collect(),
        access: allowed(),
        load: Read::Absent,
        ..Evidence::default()
    }
}

/// A few of the API server's names.
fn resources() -> Vec<Resource> {
    let known = |group: &str, plural: &str, kind: &str| Resource {
        group: group.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        namespaced: kind != "Namespace" && kind != "Node",
    };
    vec![
        known("", "pods", "Pod"),
        known("", "namespaces", "Namespace"),
        known("", "nodes", "Node"),
        known("", "services", "Service"),
        known("apps", "deployments", "Deployment"),
        known("networking.k8s.io", "ingresses", "Ingress"),
    ]
}

fn hpa() -> Value {
    let mut hpa = manifest("shopfront.yml", "HorizontalPodAutoscaler");
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": ago(3000.0),
        })
    };
    let read = "the HPA was able to successfully calculate a replica count from pods metric http_requests_per_second";
    hpa["status"] = json!({
        "currentReplicas": 2, "desiredReplicas": 2,
        "currentMetrics": [{
            "type": "Pods",
            "pods": {"metric": {"name": "http_requests_per_second"}, "current": {"averageValue": "1"}},
        }],
        "conditions": [
            condition("AbleToScale", "True", "ScaleDownStabilized", "recent recommendations were higher than current one"),
            condition("ScalingActive", "True", "ValidMetricFound", read),
            condition("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
        ],
    });
    hpa
}

/// A pod of the Deployment that has been ready for long.
pub fn pod(name: &str, ip: &str, template: &Value) -> Value {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": ago(1200.0)});
    let mut labels = template["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!("7d94b56f44");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "creationTimestamp": ago(1205.0),
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shopfront-deploy-7d94b56f44"}],
        },
        "spec": template["spec"],
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "startTime": ago(1205.0),
            "conditions": [condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready")],
            "containerStatuses": [{
                "name": "shopfront", "ready": true, "restartCount": 0, "image": "shopfront:1.0",
                "state": {"running": {"startedAt": ago(1203.0)}}, "lastState": {},
            }],
        },
    })
}

/// The operator's object, as kube-prometheus has it.
fn operated() -> Value {
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

fn page(pod: &str) -> Page {
    let text = |root: u32, scrapes: u32| {
        let histogram = |path: &str, count: u32| {
            format!("http_requests_count{{method=\"GET\",path=\"{path}\",status=\"200\"}} {count}\n")
        };
        format!(
            "# HELP http_requests_total The total number of HTTP requests.\n# TYPE http_requests_total counter\n\
             http_requests_total{{method=\"GET\",path=\"root\",status=\"200\"}} {root}\n\
             # TYPE http_requests histogram\n{}{}",
            histogram("root", root),
            histogram("metrics", scrapes),
        )
    };
    Page {
        pod: pod.to_owned(),
        port: 9898,
        path: "/metrics".to_owned(),
        first: Read::Seen(text(1200, 480)),
        second: Read::Seen(text(1206, 484)),
        apart: 6.0,
    }
}

fn prometheus() -> Prometheus {
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
        queries: BTreeMap::new(),
        series: BTreeMap::from([(matcher, Read::Seen(series.into()))]),
    }
}

/// A target of Prometheus that is up.
pub fn target(pod: &str, ip: &str) -> Value {
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

/// The labels of the counter's series of a pod.
pub fn labels(pod: &str, ip: &str) -> Value {
    json!({
        "__name__": "http_requests_total", "method": "GET", "path": "root", "status": "200",
        "container": "shopfront", "endpoint": "web", "instance": format!("{ip}:9898"), "job": "shopfront-svc",
        "namespace": NAMESPACE, "pod": pod, "service": "shopfront-svc",
    })
}

/// What a healthy replica answers to a query: the counter's series, a rate for each pod, or their sum.
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

/// Has Prometheus and the metrics API answer all that they are asked.
pub fn answer(evidence: &mut Evidence) {
    let queries = questions::queries(evidence).into_iter().chain(Subject::of(evidence).queries());
    for query in queries {
        let result = result(evidence, &query);
        for replica in &mut evidence.prometheus.replicas {
            replica.queries.insert(query.clone(), Read::Seen(result.clone()));
        }
    }
    let metric = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    let group = questions::group(&metric);
    let path = questions::listing(evidence, group);
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
    let path = questions::metric(evidence, &metric).unwrap();
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

fn allowed() -> BTreeMap<String, Read<bool>> {
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

fn adapter_server() -> Server {
    let mut server = server("custom.metrics.k8s.io", "monitoring", "prometheus-adapter");
    if let Read::Seen(deployment) = &mut server.deployment {
        let template = &mut deployment["spec"]["template"]["spec"];
        template["containers"][0]["args"] = json!([
            "--cert-dir=/var/run/serving-cert",
            "--config=/etc/adapter/config.yaml",
            "--metrics-relist-interval=1m",
            "--prometheus-url=http://prometheus-k8s.monitoring.svc:9090/",
            "--secure-port=6443",
        ]);
        template["volumes"] = json!([{"name": "config", "configMap": {"name": "adapter-config"}}]);
    }
    server.config = Read::Seen(manifest("custom-metrics-config.yaml", "ConfigMap"));
    server
}

fn keda_server() -> Server {
    Server { config: Read::NotAsked, ..server("external.metrics.k8s.io", "keda", "keda-operator-metrics-apiserver") }
}

fn server(group: &str, namespace: &str, name: &str) -> Server {
    let labels = json!({"app.kubernetes.io/name": name});
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": ago(3000.0)});
    let metadata = |name: &str| json!({"name": name, "namespace": namespace, "creationTimestamp": ago(3100.0)});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
        "spec": {"selector": labels, "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
    });
    Server {
        api_service: Read::Seen(json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": format!("v1beta1.{group}"), "creationTimestamp": ago(3100.0)},
            "spec": {
                "group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true, "service": {"name": name, "namespace": namespace, "port": 443},
            },
            "status": {"conditions": [condition("Available", "Passed")]},
        })),
        candidates: Read::Seen(vec![service.clone()]),
        service: Read::Seen(service),
        deployment: Read::Seen(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name}]}},
            },
            "status": {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
        })),
        pods: Read::Seen(vec![json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-646f9f4b54-gjzwc"), "namespace": namespace, "labels": labels,
                "creationTimestamp": ago(3000.0),
            },
            "spec": {"containers": [{"name": name}]},
            "status": {
                "phase": "Running", "startTime": ago(3000.0), "conditions": [condition("Ready", "")],
                "containerStatuses": [{
                    "name": name, "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": ago(2998.0)}}, "lastState": {},
                }],
            },
        })]),
        log: Read::Seen(String::new()),
        ..Server::default()
    }
}
