//! Everything that was read of one chain: what the links are judged by, and what a bundle holds.
//!
//! Objects are kept as the API server gives them, without what may be secret (`redact`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::autoscaling::exposition::sum_of;
use crate::kube::read::{Answer, Read};

/// Everything that was read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// The tool's version.
    pub version: String,
    /// When it was read: Unix time in seconds.
    pub taken: f64,
    /// The API server's version, such as `v1.37.2`.
    pub kubernetes: Read<String>,
    /// The HPA's namespace.
    pub namespace: String,
    /// The HPA's name.
    pub name: String,
    /// The versions of the group `autoscaling` that the API server serves.
    pub autoscaling: Read<Vec<String>>,
    /// What kinds of object the API server knows: for the adapter's names of resources.
    pub resources: Read<Vec<Resource>>,
    /// The HPA.
    pub hpa: Read<Value>,
    /// All HPAs of its namespace.
    pub hpas: Read<Vec<Value>>,
    /// The `ScaledObject` that the HPA was made from; absent where KEDA has nothing to do with it.
    pub scaled_object: Read<Value>,
    /// What the HPA scales, in the HPA's namespace.
    pub workload: Read<Value>,
    /// The other namespaces that have an object of that kind and name, where the HPA's has none.
    pub elsewhere: Vec<String>,
    /// A workload of the target's name, but of another kind, in the HPA's namespace, where there is no target.
    pub namesake: Read<Value>,
    /// Its scale subresource.
    pub scale: Read<Value>,
    /// The pods that its scale selects.
    pub pods: Read<Vec<Value>>,
    /// All Services of the namespace.
    pub services: Read<Vec<Value>>,
    /// All Ingresses of the namespace.
    pub ingresses: Read<Vec<Value>>,
    /// The events of the namespace.
    pub events: Read<Vec<Value>>,
    /// The namespace itself: its labels.
    pub own_namespace: Read<Value>,
    /// `ServiceMonitor`s and `PodMonitor`s of all namespaces.
    pub monitors: Read<Vec<Value>>,
    /// The operator's `Prometheus` objects.
    pub prometheuses: Read<Vec<Value>>,
    /// The pods' own pages of metrics.
    pub pages: Vec<Page>,
    /// Prometheus.
    pub prometheus: Prometheus,
    /// Who serves the metrics API: prometheus-adapter, or KEDA's metrics server.
    pub server: Server,
    /// Who serves the other APIs that the HPA's metrics belong to, by their group, such as `metrics.k8s.io`.
    pub servers: BTreeMap<String, Server>,
    /// What the metrics API answers, by path: its list of resources, and each metric of the HPA.
    pub answers: BTreeMap<String, Answer>,
    /// Answers of `SubjectAccessReview`s, by the question as [`access::access`](crate::kube::access::access) writes it.
    pub access: BTreeMap<String, Read<bool>>,
    /// What this project's own load tool tells of a load that runs in the namespace.
    pub load: Read<Load>,
}

/// A kind of object that the API server knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: String,
    /// Such as `pods`.
    pub plural: String,
    /// Such as `pod`.
    pub singular: String,
    /// Such as `Pod`.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// A pod's own page of metrics, read twice.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The pod.
    pub pod: String,
    /// The port that was asked, as the monitor or the Service names it, else the pod's first; where no page was there,
    /// and one with the counter at another, that.
    pub port: u16,
    /// The path that was asked there.
    pub path: String,
    /// The page.
    pub first: Read<String>,
    /// The same once more, `apart` seconds later.
    pub second: Read<String>,
    /// Seconds between the two.
    pub apart: f64,
}

impl Page {
    /// By how much a counter grew between the two, in all its series together; none where one of them was not read.
    pub fn grown(&self, series: &str) -> Option<f64> {
        Some(sum_of(self.second.seen()?, series) - sum_of(self.first.seen()?, series))
    }
}

/// Prometheus, as those who read it for the HPA reach it, and its replicas one by one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prometheus {
    /// The URL that the adapter or the `ScaledObject` names, without a password.
    pub url: Read<String>,
    /// The Service that the URL names; absent where there is none.
    pub service: Read<Value>,
    /// Its pods: those behind that Service, or else those of the operator's objects.
    pub pods: Read<Vec<Value>>,
    /// What each replica answers.
    pub replicas: Vec<Replica>,
    /// The network policies of its namespace.
    pub policies: Read<Vec<Value>>,
    /// The Services of its namespace.
    pub services: Read<Vec<Value>>,
}

/// One replica of Prometheus.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Replica {
    /// The pod.
    pub pod: String,
    /// Whether `/-/ready` says so.
    pub ready: Read<bool>,
    /// Whether it answers 404 below the path of its URL, and was asked all else without that path.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unprefixed: bool,
    /// `/api/v1/targets`: the active targets of the HPA's namespace.
    pub targets: Read<Vec<Value>>,
    /// `/api/v1/query`, by query: the result, a vector. An error of Prometheus itself is `Unread`, with no right.
    pub queries: BTreeMap<String, Read<Vec<Value>>>,
    /// `/api/v1/series` of the last minutes, by matcher, as the adapter asks at each relist: sets of labels.
    pub series: BTreeMap<String, Read<Vec<BTreeMap<String, String>>>>,
}

/// Who serves the metrics API.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// The `APIService` that the HPA's metric belongs to.
    pub api_service: Read<Value>,
    /// Its Service.
    pub service: Read<Value>,
    /// The Deployment behind it.
    pub deployment: Read<Value>,
    /// Its pods.
    pub pods: Read<Vec<Value>>,
    /// The adapter's `ConfigMap`.
    pub config: Read<Value>,
    /// The end of its log.
    pub log: Read<String>,
    /// The Services of all namespaces behind which a Deployment of prometheus-adapter or of KEDA's metrics server runs:
    /// whom an `APIService` could name that is missing, or that names another.
    pub candidates: Read<Vec<Value>>,
}

/// What the load tool tells: sums over its last ten whole seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The pod that sends it.
    pub pod: String,
    /// Seconds that were summed up.
    pub seconds: f64,
    /// Requests that were due.
    pub due: u64,
    /// Requests that were answered with something else than an error.
    pub answered: u64,
    /// Requests that were never sent.
    pub dropped: u64,
}

/// The service account of the HPA's controller, as the API server knows it.
pub const HPA_CONTROLLER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
