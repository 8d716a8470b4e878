//! A fake API server with many HPAs: each scales a Deployment with pods by a metric of prometheus-adapter, and every
//! fiftieth has no value.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// HPAs of a namespace.
const OF_NAMESPACE: usize = 10;

/// Every such HPA has no value.
const BROKEN: usize = 50;

/// How many there are.
#[derive(Clone, Copy)]
pub struct Size {
    pub hpas: usize,
    pub pods_of_each: usize,
    pub monitors: usize,
}

pub struct Fleet {
    pub kubeconfig: PathBuf,
    requests: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Fleet {
    /// Serves it on loopback, and writes a kubeconfig into the folder.
    pub async fn start(folder: &Path, size: Size) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback");
        let address = listener.local_addr().expect("it has an address");
        let requests = Arc::<AtomicUsize>::default();
        let (objects, counter) = (Arc::new(Objects::of(size)), Arc::clone(&requests));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (objects, counter) = (Arc::clone(&objects), Arc::clone(&counter));
                let service = service_fn(move |request: Request<Incoming>| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let (status, text) = objects.respond(&request.uri().to_string());
                    let response = Response::builder().status(status).body(Full::new(Bytes::from(text)));
                    async { Ok::<_, Infallible>(response.expect("a status is valid")) }
                });
                connections.spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    drop(http.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, config(address).to_string()).expect("it can be written");
        Self { kubeconfig, requests, _server: server }
    }

    /// The requests so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn config(address: SocketAddr) -> Value {
    json!({"clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}], "users": [],
           "contexts": [{"name": "test", "context": {"cluster": "test"}}], "current-context": "test"})
}

/// The lists that the API server has.
struct Objects {
    pods_of_each: usize,
    lists: Vec<(&'static str, &'static str, Vec<Value>)>,
}

fn namespace(hpa: usize) -> String {
    format!("team-{}", hpa / OF_NAMESPACE)
}

/// The name of an HPA, its Deployment and its Service.
pub fn app(hpa: usize) -> String {
    format!("app-{hpa}")
}

impl Objects {
    fn of(size: Size) -> Self {
        let each = |make: fn(usize) -> Value| (0..size.hpas).map(make).collect::<Vec<_>>();
        let pods = (0..size.hpas).flat_map(|hpa| (0..size.pods_of_each).map(move |number| pod(hpa, number))).collect();
        let namespaces = (0..size.hpas).step_by(OF_NAMESPACE).map(|hpa| json!({"metadata": {"name": namespace(hpa)}}));
        let (mut services, mut deployments) = (each(service), each(deployment));
        services.push(json!({"metadata": {"name": "prometheus-adapter", "namespace": "monitoring"},
                             "spec": {"selector": {"app": "adapter"}, "ports": [{"port": 443}]}}));
        deployments.push(json!({"metadata": {"name": "prometheus-adapter", "namespace": "monitoring"}, "spec": {
            "template": {"metadata": {"labels": {"app": "adapter"}}, "spec": {
                "containers": [{"name": "adapter", "image": "registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0",
                                "args": ["--prometheus-url=http://prometheus.monitoring.svc:9090/"]}],
                "volumes": [{"configMap": {"name": "rules"}}]}}}}));
        let monitors = (0..size.monitors).map(|number| monitor(number * size.hpas / size.monitors)).collect();
        Self {
            pods_of_each: size.pods_of_each,
            lists: vec![
                ("/apis/autoscaling/v2", "horizontalpodautoscalers", each(hpa)),
                ("/apis/apps/v1", "deployments", deployments),
                ("/apis/apps/v1", "statefulsets", Vec::new()),
                ("/api/v1", "pods", pods),
                ("/api/v1", "services", services),
                ("/api/v1", "namespaces", namespaces.collect()),
                ("/apis/monitoring.coreos.com/v1", "servicemonitors", monitors),
                ("/apis/monitoring.coreos.com/v1", "podmonitors", Vec::new()),
                ("/apis/monitoring.coreos.com/v1", "prometheuses", Vec::new()),
            ],
        }
    }

    fn respond(&self, uri: &str) -> (StatusCode, String) {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        if let Some((_, _, items)) = self.lists.iter().find(|(root, plural, _)| path == format!("{root}/{plural}")) {
            let first: usize = parameter("continue").and_then(|token| token.parse().ok()).unwrap_or_default();
            let limit = parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(items.len());
            let after = items.len().min(first + limit);
            let next = if after < items.len() { after.to_string() } else { String::new() };
            let page = json!({"kind": "List", "apiVersion": "v1", "metadata": {"continue": next}, "items": items[first..after]});
            return (StatusCode::OK, page.to_string());
        }
        let values = parameter("labelSelector").and_then(|selector| values(path, selector, self.pods_of_each));
        match values.or_else(|| other(path)) {
            Some(document) => (StatusCode::OK, document.to_string()),
            None => self.of_namespace(path, parameter("labelSelector")).map_or_else(
                || (StatusCode::NOT_FOUND, json!({"kind": "Status", "code": 404, "message": "not found"}).to_string()),
                |document| (StatusCode::OK, document.to_string()),
            ),
        }
    }

    /// An object, or a list of a namespace. A selector is one label.
    fn of_namespace(&self, path: &str, selector: Option<&str>) -> Option<Value> {
        let (root, rest) = path.split_once("/namespaces/")?;
        let mut parts = rest.split('/');
        let (namespace, plural, name) = (parts.next()?, parts.next(), parts.next());
        let plural = plural.unwrap_or("namespaces");
        let (_, _, items) = self.lists.iter().find(|(known, of, _)| *known == root && *of == plural)?;
        let mut there = items.iter().filter(|item| item["metadata"]["namespace"] == namespace);
        let label = selector.and_then(|selector| selector.split_once("%3D"));
        let selected = |item: &&Value| label.is_none_or(|(name, value)| item["metadata"]["labels"][name] == value);
        match name {
            Some(name) => there.find(|item| item["metadata"]["name"] == name).cloned(),
            None => Some(
                json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": there.filter(selected).collect::<Vec<_>>()}),
            ),
        }
    }
}

/// What is in no list.
fn other(path: &str) -> Option<Value> {
    let metrics = "/apis/custom.metrics.k8s.io/v1beta1";
    Some(match path {
        "/version" => json!({"major": "1", "minor": "37", "gitVersion": "v1.37.0", "gitCommit": "", "gitTreeState": "",
                             "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        "/apis/autoscaling" => json!({"versions": [{"version": "v2"}]}),
        "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.custom.metrics.k8s.io" => {
            json!({"metadata": {"name": "v1beta1.custom.metrics.k8s.io"},
                   "spec": {"group": "custom.metrics.k8s.io", "version": "v1beta1",
                            "service": {"namespace": "monitoring", "name": "prometheus-adapter"}},
                   "status": {"conditions": [{"type": "Available", "status": "True"}]}})
        }
        "/api/v1/namespaces/monitoring/configmaps/rules" => json!({"data": {"config.yaml": RULES}}),
        path if path == metrics => json!({"kind": "APIResourceList", "groupVersion": "custom.metrics.k8s.io/v1beta1",
            "resources": [{"name": "pods/http_requests_per_second", "namespaced": true, "kind": "MetricValueList"}]}),
        _ => return None,
    })
}

const RULES: &str = "rules:
- seriesQuery: http_requests_total{namespace!=\"\",pod!=\"\"}
  resources: {template: <<.Resource>>}
  name: {as: http_requests_per_second}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)
";

/// A value for each pod that the selector selects.
fn values(path: &str, selector: &str, pods: usize) -> Option<Value> {
    let rest = path.strip_prefix("/apis/custom.metrics.k8s.io/v1beta1/namespaces/")?;
    let (namespace, hpa) = (rest.split('/').next()?, selector.strip_prefix("app%3Dapp-")?.parse().ok()?);
    let value = |number: usize| {
        json!({"describedObject": {"kind": "Pod", "namespace": namespace, "name": pod_name(hpa, number)},
               "metricName": "http_requests_per_second", "timestamp": "2026-01-01T00:00:00Z", "value": "2"})
    };
    let values = if hpa.is_multiple_of(BROKEN) { Vec::new() } else { (0..pods).map(value).collect() };
    Some(
        json!({"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": {}, "items": values}),
    )
}

fn hpa(number: usize) -> Value {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let active = if number.is_multiple_of(BROKEN) {
        condition(
            "ScalingActive",
            "False",
            "FailedGetPodsMetric",
            "unable to get metric http_requests_per_second: no metrics returned from custom metrics API",
        )
    } else {
        condition(
            "ScalingActive",
            "True",
            "ValidMetricFound",
            "the HPA was able to successfully calculate a replica count",
        )
    };
    let average = |value: &str| json!({"metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": value}});
    json!({
        "metadata": {"name": app(number), "namespace": namespace(number), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app(number)},
                 "minReplicas": 1, "maxReplicas": 20, "metrics": [{"type": "Pods", "pods": average("2")}]},
        "status": {"currentReplicas": 10, "desiredReplicas": 10, "conditions": [
            condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"), active,
            condition("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range")],
            "currentMetrics": [{"type": "Pods", "pods": {"metric": {"name": "http_requests_per_second"}, "current": {"averageValue": "2"}}}]},
    })
}

fn labels(number: usize) -> Value {
    json!({"app": app(number)})
}

fn deployment(number: usize) -> Value {
    json!({"metadata": {"name": app(number), "namespace": namespace(number), "labels": labels(number)},
           "spec": {"replicas": 10, "selector": {"matchLabels": labels(number)},
                    "template": {"metadata": {"labels": labels(number)}, "spec": {"containers": [container()]}}},
           "status": {"replicas": 10, "readyReplicas": 10, "updatedReplicas": 10, "availableReplicas": 10}})
}

/// As long as containers are: with variables, volumes and probes.
fn container() -> Value {
    let env: Vec<Value> =
        (0..20).map(|number| json!({"name": format!("SETTING_{number}"), "value": "x".repeat(40)})).collect();
    json!({"name": "app", "image": "registry.example/team/app:1.2.3", "env": env,
           "ports": [{"name": "web", "containerPort": 8080}], "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
           "readinessProbe": {"httpGet": {"path": "/ready", "port": "web"}, "periodSeconds": 5}})
}

fn pod_name(hpa: usize, number: usize) -> String {
    format!("{}-6d4cf56db6-{number:05}", app(hpa))
}

fn pod(hpa: usize, number: usize) -> Value {
    json!({
        "metadata": {"name": pod_name(hpa, number), "namespace": namespace(hpa), "labels": labels(hpa), "creationTimestamp": "2026-01-01T00:00:00Z",
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{}-6d4cf56db6", app(hpa)), "controller": true}],
                     "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:phase": {}, "f:podIP": {}}}}]},
        "spec": {"containers": [container()], "serviceAccountName": "default",
                 "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]},
        "status": {"phase": "Running", "podIP": format!("10.{}.{}.{number}", hpa / 256, hpa % 256), "startTime": "2026-01-01T00:00:00Z",
                   "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}],
                   "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}}]},
    })
}

fn service(number: usize) -> Value {
    json!({"metadata": {"name": app(number), "namespace": namespace(number), "labels": labels(number)},
           "spec": {"selector": labels(number), "ports": [{"name": "web", "port": 80, "targetPort": "web"}]}})
}

fn monitor(number: usize) -> Value {
    json!({"metadata": {"name": app(number), "namespace": namespace(number)},
           "spec": {"selector": {"matchLabels": labels(number)}, "endpoints": [{"port": "web", "interval": "15s"}]}})
}
