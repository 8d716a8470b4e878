//! The objects that the real controller judges, put into a namespace of their own and taken away again.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use loadtest::autoscaling::hpa::{Phase, Version};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::{Instant, interval};

use crate::fake_api::{APIS, SERVICE};
use crate::situations::{Scripted, Situation, pod};

const APISERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
/// Holds a pod that is being deleted for as long as the test runs.
const HOLD: &str = "shopfront.test/hold";
/// The longest that any step may take.
const PATIENCE: Duration = Duration::from_mins(3);

pub struct Cluster {
    client: Client,
    pub namespace: String,
    server: (String, u16),
}

/// Asks until there is an answer, twice a second, and fails with what was wanted.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let (end, mut turns) = (Instant::now() + PATIENCE, interval(Duration::from_millis(500)));
    loop {
        turns.tick().await;
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
    }
}

/// The name of a situation's HPA, Deployment and first metric.
pub fn name(number: usize) -> String {
    format!("case-{number:03}")
}

/// The name of one of its metrics.
pub fn metric_name(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

impl Cluster {
    pub async fn at(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let server = (config.cluster_url.host().unwrap().to_owned(), config.cluster_url.port_u16().unwrap_or(443));
        let namespace = format!("loadtest-controller-{:08x}", fastrand::u32(..));
        Self { client: Client::try_from(config).unwrap(), namespace, server }
    }

    /// The address of this machine from which the API server is reached, and so the one at which it finds the test.
    pub async fn own_address(&self) -> IpAddr {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.connect((self.server.0.as_str(), self.server.1)).await.unwrap();
        socket.local_addr().unwrap().ip()
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = body.map(ToString::to_string).unwrap_or_default().into_bytes();
        let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body).unwrap();
        self.client.request(request).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn path(&self, group: &str, kind: &str) -> String {
        format!("/{group}/namespaces/{}/{kind}", self.namespace)
    }

    async fn create(&self, path: &str, object: &Value) -> Result<(), kube::Error> {
        self.send(Method::POST, path, Some(object)).await.map(|_| ())
    }

    /// Fails where somebody else serves such metrics: who asks for them would get this test's.
    pub async fn assert_nobody_serves_metrics(&self) {
        let list = self.get(APISERVICES).await;
        let names = list["items"].as_array().unwrap().iter().filter_map(|item| item["metadata"]["name"].as_str());
        let ours = |name: &&str| APIS.iter().any(|(group, _)| name.ends_with(&format!(".{group}")));
        let taken: Vec<_> = names.filter(ours).collect();
        assert!(taken.is_empty(), "this test registers such APIs itself: take {taken:?} away first");
    }

    pub async fn create_namespace(&self) -> Result<(), kube::Error> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        self.create("/api/v1/namespaces", &namespace).await?;
        let account = format!("{}/default", self.path("api/v1", "serviceaccounts"));
        eventually("the namespace's service account", async || self.send(Method::GET, &account, None).await.ok()).await;
        Ok(())
    }

    /// Registers what listens there as the metrics APIs.
    pub async fn register(&self, address: SocketAddr) -> Result<(), kube::Error> {
        let meta = json!({"name": "metrics", "labels": {"kubernetes.io/service-name": "metrics"}});
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta,
                             "spec": {"ports": [{"name": "https", "port": 443, "targetPort": address.port()}]}});
        self.create(&self.path("api/v1", "services"), &service).await?;
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta,
                           "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
                           "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
                           "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}]});
        self.create(&self.path("apis/discovery.k8s.io/v1", "endpointslices"), &slice).await?;
        for (group, version) in APIS {
            let name = format!("{version}.{group}");
            let service = json!({"namespace": self.namespace, "name": "metrics", "port": 443});
            let spec = json!({"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                              "insecureSkipTLSVerify": true, "service": service});
            let api = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
                             "spec": spec});
            self.create(APISERVICES, &api).await?;
            eventually("the API server reaches the test's metrics API", async || {
                let api = self.get(&format!("{APISERVICES}/{name}")).await;
                let mut conditions = api["status"]["conditions"].as_array()?.iter();
                conditions.any(|is| is["type"] == "Available" && is["status"] == "True").then_some(())
            })
            .await;
        }
        Ok(())
    }

    /// A Deployment of each situation, and pods that no node runs.
    pub async fn create_pods(&self, situations: &[Situation]) -> Result<(), kube::Error> {
        let each = stream::iter(situations.iter().enumerate()).map(Ok);
        each.try_for_each_concurrent(8, |(number, situation)| self.create_situation(number, situation)).await
    }

    async fn create_situation(&self, number: usize, situation: &Situation) -> Result<(), kube::Error> {
        let name = name(number);
        let labels = json!({"case": name});
        let container = json!({"name": "none", "image": "none.invalid/none"});
        let pod_spec =
            json!({"schedulerName": "nobody", "automountServiceAccountToken": false, "containers": [container]});
        let template = json!({"metadata": {"labels": labels}, "spec": pod_spec});
        // Paused from the start, it has no ReplicaSet, and without one nobody makes pods.
        let spec = json!({"paused": !situation.has_status, "replicas": situation.replicas,
                          "selector": {"matchLabels": labels}, "template": template});
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec});
        self.create(&self.path("apis/apps/v1", "deployments"), &deployment).await?;
        let pods = self.path("api/v1", "pods");
        for (index, letter) in situation.pods.chars().enumerate() {
            let (phase, leaving) = pod(letter);
            let pod = format!("{name}-{index}");
            let finalizers = if leaving { json!([HOLD]) } else { json!([]) };
            let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": pod_spec,
                                "metadata": {"name": pod, "labels": labels, "finalizers": finalizers}});
            self.create(&pods, &object).await?;
            if phase != Phase::Pending {
                let status = json!({"status": {"phase": format!("{phase:?}"), "startTime": "2026-01-01T00:00:00Z",
                                               "conditions": [{"type": "Ready", "status": "True"}]}});
                self.send(Method::PATCH, &format!("{pods}/{pod}/status"), Some(&status)).await?;
            }
            if leaving {
                self.send(Method::DELETE, &format!("{pods}/{pod}"), None).await?;
            }
        }
        Ok(())
    }

    /// Waits until the Deployments that make their own pods have written that they did: the first sync divides by it.
    pub async fn have_status(&self, situations: &[Situation]) {
        for (number, situation) in situations.iter().enumerate().filter(|(_, situation)| situation.has_status) {
            let path = format!("{}/{}", self.path("apis/apps/v1", "deployments"), name(number));
            eventually("a Deployment's status.replicas", async || {
                let deployment = self.get(&path).await;
                (deployment["status"]["replicas"].as_u64().unwrap_or(0) == u64::from(situation.replicas)).then_some(())
            })
            .await;
        }
    }

    /// Creates the HPAs, and returns the situations whose HPA the API server refused, each with its answer.
    pub async fn create_hpas(&self, situations: &[Situation]) -> Vec<(usize, String)> {
        let path = self.path("apis/autoscaling/v2", "horizontalpodautoscalers");
        let each = stream::iter(situations.iter().enumerate());
        let created = each.map(|(number, situation)| {
            let (hpa, path) = (hpa(&name(number), situation), &path);
            async move { (number, self.create(path, &hpa).await.err().map(|error| error.to_string())) }
        });
        created.buffer_unordered(8).filter_map(async |(number, refused)| Some((number, refused?))).collect().await
    }

    pub async fn change(&self, name: &str, spec: &Value) {
        let path = format!("{}/{name}", self.path("apis/autoscaling/v2", "horizontalpodautoscalers"));
        self.send(Method::PATCH, &path, Some(&json!({"spec": spec}))).await.unwrap();
    }

    /// The server's version.
    pub async fn version(&self) -> Version {
        self.get("/version").await["gitVersion"].as_str().unwrap().parse().unwrap()
    }

    pub async fn hpa(&self, name: &str) -> Value {
        self.get(&format!("{}/{name}", self.path("apis/autoscaling/v2", "horizontalpodautoscalers"))).await
    }

    pub async fn hpas(&self) -> Vec<Value> {
        let list = self.get(&self.path("apis/autoscaling/v2", "horizontalpodautoscalers")).await;
        list["items"].as_array().unwrap().clone()
    }

    pub async fn replicas(&self, name: &str) -> Value {
        self.get(&format!("{}/{name}", self.path("apis/apps/v1", "deployments"))).await["spec"]["replicas"].clone()
    }

    /// Takes away all that was put there, what was not put there being no fault, and waits until it is gone.
    pub async fn remove(&self) {
        // The APIs first: a namespace does not go while an API is registered that nobody serves.
        for (group, version) in APIS {
            let _ = self.send(Method::DELETE, &format!("{APISERVICES}/{version}.{group}"), None).await;
        }
        let pods = self.path("api/v1", "pods");
        if let Ok(list) = self.send(Method::GET, &pods, None).await {
            let held = list["items"].as_array().into_iter().flatten();
            for pod in held.filter(|pod| pod["metadata"]["finalizers"].is_array()) {
                let path = format!("{pods}/{}", pod["metadata"]["name"].as_str().unwrap());
                let _ = self.send(Method::PATCH, &path, Some(&json!({"metadata": {"finalizers": null}}))).await;
            }
        }
        let namespace = format!("/api/v1/namespaces/{}", self.namespace);
        let _ = self.send(Method::DELETE, &namespace, None).await;
        eventually("the namespace is gone", async || {
            matches!(self.send(Method::GET, &namespace, None).await, Err(kube::Error::Api(status)) if status.code == 404)
                .then_some(())
        })
        .await;
        self.assert_nobody_serves_metrics().await;
    }
}

fn hpa(name: &str, situation: &Situation) -> Value {
    let metric = |(index, metric): (usize, &Scripted)| {
        let ((kind, field), (of, value)) = (metric.kind.names(), metric.kind.target());
        let mut settings = json!({"metric": {"name": metric_name(name, index)}, "target": {"type": of}});
        settings["target"][value] = metric.target.into();
        if kind == "Object" {
            settings["describedObject"] = json!({"apiVersion": "v1", "kind": "Service", "name": SERVICE});
        }
        let mut metric = json!({"type": kind});
        metric[field] = settings;
        metric
    };
    let metrics: Vec<_> = situation.metrics.iter().enumerate().map(metric).collect();
    let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
    let mut spec = json!({"scaleTargetRef": scaled, "minReplicas": situation.min, "maxReplicas": situation.max,
                          "metrics": metrics});
    if let Some(behavior) = &situation.behavior {
        spec["behavior"] = behavior.clone();
    }
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec})
}
