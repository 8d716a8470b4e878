//! A second prometheus-adapter in its own namespace. The cluster's own adapter is not changed.

use std::path::Path;
use std::time::Duration;

use http::{Method, Request};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use loadtest::autoscaling::adapter_rules::{Resources, Series};
use loadtest::kube::cluster::percent_encoded;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::time::{Instant, interval};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
/// The longest that a step may take: two relists and a margin.
const PATIENCE: Duration = Duration::from_mins(4);

pub struct Lab {
    client: Client,
    pub namespace: String,
    /// The path of the Prometheus pod that this test and its adapter query.
    prometheus: String,
    container: Value,
}

/// Retries twice a second until there is an answer. Fails with the last error.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let (end, mut turns) = (Instant::now() + PATIENCE, interval(Duration::from_millis(500)));
    loop {
        turns.tick().await;
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}: {error}"),
        }
    }
}

impl Lab {
    /// Reads the image, the arguments and the Prometheus of the cluster's own adapter. Both adapters query one replica,
    /// because two replicas differ in their last scrapes and in the order of their series.
    pub async fn at(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let namespace = format!("loadtest-rules-{:08x}", fastrand::u32(..));
        let client = Client::try_from(config).unwrap();
        let mut lab = Self { client, namespace, prometheus: String::new(), container: Value::Null };
        let adapter = lab.get("/apis/apps/v1/namespaces/monitoring/deployments/prometheus-adapter").await.unwrap();
        let container = &adapter["spec"]["template"]["spec"]["containers"][0];
        let mut arguments: Vec<_> = container["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|argument| argument.as_str().unwrap().to_owned())
            .collect();
        let url = arguments.iter_mut().find(|argument| argument.starts_with("--prometheus-url=")).unwrap();
        let service: http::Uri = url.split_once('=').unwrap().1.parse().unwrap();
        let (name, rest) = service.host().unwrap().split_once('.').unwrap();
        let place = rest.split('.').next().unwrap();
        let selector = format!("kubernetes.io/service-name={name}");
        let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{place}/endpointslices?labelSelector={selector}");
        let slices = lab.get(&slices).await.unwrap();
        let slice = &slices["items"][0];
        let (endpoint, port) = (&slice["endpoints"][0], &slice["ports"][0]["port"]);
        assert!(endpoint["conditions"]["ready"] == true, "a Prometheus that is ready: {slices}");
        *url = format!("--prometheus-url=http://{}:{port}/", endpoint["addresses"][0].as_str().unwrap());
        let pod = endpoint["targetRef"]["name"].as_str().unwrap();
        lab.prometheus = format!("/api/v1/namespaces/{place}/pods/{pod}:{port}/proxy/api/v1");
        lab.container = json!({"image": container["image"], "args": arguments});
        lab
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
        let body = body.map(ToString::to_string).unwrap_or_default().into_bytes();
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.client.request(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.send(Method::GET, path, None).await
    }

    async fn create(&self, path: &str, object: &Value) {
        self.send(Method::POST, path, Some(object)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn path(&self, group: &str, kind: &str) -> String {
        format!("/{group}/namespaces/{}/{kind}", self.namespace)
    }

    /// The resources of the API server, in the order of its discovery.
    pub async fn resources(&self) -> Resources {
        let mut paths = vec!["/api/v1".to_owned()];
        for group in self.get("/apis").await.unwrap()["groups"].as_array().unwrap() {
            let preferred = &group["preferredVersion"]["groupVersion"];
            let versions = group["versions"].as_array().unwrap().iter().map(|version| &version["groupVersion"]);
            let versions = std::iter::once(preferred).chain(versions.filter(|version| *version != preferred));
            paths.extend(versions.map(|version| format!("/apis/{}", version.as_str().unwrap())));
        }
        let mut lists: Vec<APIResourceList> = Vec::new();
        for path in paths {
            // The adapter also leaves out a group whose server does not answer.
            lists.extend(self.get(&path).await.ok().and_then(|list| serde_json::from_value(list).ok()));
        }
        Resources::new(&lists)
    }

    /// Creates what the adapters need: a namespace, the configurations, and an account that may list the described
    /// objects, review tokens and access, and read metrics.
    pub async fn create_configurations(&self, configurations: &[(String, String)]) {
        let name = &self.namespace;
        let meta = json!({"name": name});
        self.create("/api/v1/namespaces", &json!({"metadata": meta})).await;
        let all = json!({"apiGroups": ["", "apps", "batch", "storage.k8s.io"], "verbs": ["get", "list", "watch"],
                         "resources": ["namespaces", "nodes", "pods", "services", "persistentvolumes", "deployments",
                                       "jobs", "storageclasses"]});
        let reviews = json!({"apiGroups": ["authentication.k8s.io", "authorization.k8s.io"], "verbs": ["create"],
                             "resources": ["tokenreviews", "subjectaccessreviews"]});
        let metrics = json!({"apiGroups": ["custom.metrics.k8s.io", "external.metrics.k8s.io"], "verbs": ["get", "list"],
                             "resources": ["*"]});
        let rules = [all, reviews, metrics];
        self.create(&format!("{RBAC}/clusterroles"), &json!({"metadata": meta, "rules": rules})).await;
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        let account = json!({"kind": "ServiceAccount", "name": "default", "namespace": name});
        let binding = json!({"metadata": meta, "roleRef": role, "subjects": [account]});
        self.create(&format!("{RBAC}/clusterrolebindings"), &binding).await;
        let data: serde_json::Map<String, Value> =
            configurations.iter().map(|(file, text)| (file.clone(), json!(text))).collect();
        let map = json!({"metadata": {"name": "configurations"}, "data": data});
        self.create(&self.path("api/v1", "configmaps"), &map).await;
        let account = format!("{}/default", self.path("api/v1", "serviceaccounts"));
        eventually("the namespace's service account", async || self.get(&account).await.map_err(error_text)).await;
    }

    /// Creates a pod with one adapter for each configuration. The adapters are not restarted.
    pub async fn create_pod(&self, name: &str, configurations: &[String]) {
        let container = |(number, file): (usize, &String)| {
            let port = 6443 + number;
            let arguments = self.container["args"].as_array().unwrap().iter().filter(|argument| {
                let argument = argument.as_str().unwrap();
                !["--config=", "--secure-port=", "--cert-dir="].iter().any(|own| argument.starts_with(own))
            });
            let mut arguments: Vec<_> = arguments.cloned().collect();
            // The lookup of the client CA would need rights in kube-system. The verbosity makes the adapter log its
            // requests to Prometheus.
            let own = [format!("--config=/etc/adapter/{file}"), format!("--secure-port={port}"), "--v=6".to_owned()];
            arguments.extend(own.map(Value::String));
            arguments.extend(["--cert-dir=/tmp", "--authentication-skip-lookup"].map(Value::from));
            let mounts = json!([{"name": "tmp", "mountPath": "/tmp"}, {"name": "etc", "mountPath": "/etc/adapter"}]);
            json!({"name": format!("adapter-{number}"), "image": self.container["image"], "args": arguments,
                   "volumeMounts": mounts})
        };
        let containers: Vec<_> = configurations.iter().enumerate().map(container).collect();
        let volumes =
            json!([{"name": "tmp", "emptyDir": {}}, {"name": "etc", "configMap": {"name": "configurations"}}]);
        let spec = json!({"containers": containers, "restartPolicy": "Never", "volumes": volumes,
                          "terminationGracePeriodSeconds": 1});
        self.create(&self.path("api/v1", "pods"), &json!({"metadata": {"name": name}, "spec": spec})).await;
    }

    /// Waits until all containers of a pod have ended, and returns their exit codes.
    pub async fn exit_codes(&self, pod: &str) -> Vec<i64> {
        let path = format!("{}/{pod}", self.path("api/v1", "pods"));
        eventually("all containers end", async || {
            let pod = self.get(&path).await.map_err(error_text)?;
            let mut statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
            let number = |status: &Value| {
                let number =
                    status["name"].as_str().and_then(|name| name.strip_prefix("adapter-")?.parse::<u32>().ok());
                number.expect("a number")
            };
            statuses.sort_by_key(number);
            let codes: Option<Vec<_>> =
                statuses.iter().map(|status| status["state"]["terminated"]["exitCode"].as_i64()).collect();
            codes.filter(|codes| !codes.is_empty()).ok_or_else(|| format!("{statuses:?}"))
        })
        .await
    }

    pub async fn log(&self, pod: &str, container: usize) -> String {
        let path = format!("{}/{pod}/log?container=adapter-{container}", self.path("api/v1", "pods"));
        let request = Request::get(path).body(Vec::new()).unwrap();
        self.client.request_text(request).await.unwrap()
    }

    /// A client of a pod's adapter, by a port-forward and with the account's token: the API server's proxy forwards no
    /// credentials.
    pub async fn client_of(&self, pod: &'static str) -> Client {
        let account = format!("{}/default/token", self.path("api/v1", "serviceaccounts"));
        let token = self.send(Method::POST, &account, Some(&json!({"spec": {}}))).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::new(format!("https://{}", listener.local_addr().unwrap()).parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info = serde_json::from_value(json!({"token": token["status"]["token"]})).unwrap();
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let pods = pods.clone();
                tokio::task::spawn_local(async move {
                    let mut forwarder = pods.portforward(pod, &[6443]).await.ok()?;
                    let mut upstream = forwarder.take_stream(6443)?;
                    copy_bidirectional(&mut stream, &mut upstream).await.ok()
                });
            }
        });
        Client::try_from(config).unwrap()
    }

    /// The series of the last minute for a `seriesQuery`, as the adapter requests them.
    pub async fn series(&self, matcher: &str) -> Result<Vec<Series>, kube::Error> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let query = format!("match[]={}&start={}", percent_encoded(matcher), now - 60);
        let answer = self.get(&format!("{}/series?{query}", self.prometheus)).await?;
        Ok(serde_json::from_value(answer["data"].clone()).unwrap())
    }

    /// The names of a namespace's pods, in the API server's order.
    pub async fn pods(&self, namespace: &str) -> Vec<String> {
        let list = self.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Deletes everything that was created, and waits until it is gone.
    pub async fn remove(&self) {
        let name = &self.namespace;
        for kind in ["clusterrolebindings", "clusterroles"] {
            let _ = self.send(Method::DELETE, &format!("{RBAC}/{kind}/{name}"), None).await;
        }
        let namespace = format!("/api/v1/namespaces/{name}");
        let _ = self.send(Method::DELETE, &namespace, None).await;
        eventually("the namespace is gone", async || match self.get(&namespace).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn error_text(error: kube::Error) -> String {
    error.to_string()
}
