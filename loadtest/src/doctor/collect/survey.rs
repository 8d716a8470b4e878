//! Reads the chains of all HPAs of a cluster. What HPAs share is listed once, and each metric is asked for once: a survey of
//! a thousand HPAs must not be a load on the API server.
//!
//! Neither the pods nor Prometheus are asked, so a survey names less than [`collect`](super::collect) does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use kube::core::{Selector, SelectorExt};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::server::{self, Known, Servers};
use super::workload;
use crate::doctor::evidence::{Evidence, Resource};
use crate::doctor::facts::{requests, scaled_object, scaling_metric, subjects};
use crate::doctor::objects::{Hpa, Monitor, labels, name, namespace, selector, text};
use crate::doctor::redact;
use crate::error::Error;
use crate::kube::cluster::Cluster;
use crate::kube::read::{Answer, Read};
use crate::kube::reader::Reader;

/// The kinds whose objects are listed once for all HPAs that scale one of them.
const WORKLOADS: [(&str, &str, &str); 2] =
    [("apps/v1", "Deployment", "deployments"), ("apps/v1", "StatefulSet", "statefulsets")];

/// What is read once for each key, when the first HPA needs it.
type Once<K, V> = Mutex<HashMap<K, Arc<OnceCell<V>>>>;

/// What all HPAs share, and the HPAs.
pub struct Survey {
    reader: Reader,
    taken: f64,
    /// Namespace and name of each HPA, and of each that a `ScaledObject` would make and that is not there.
    pub hpas: Vec<(String, String)>,
    autoscaling: Read<Vec<String>>,
    resources: Read<Vec<Resource>>,
    of_kind: BTreeMap<&'static str, Shelf>,
    monitors: Read<Vec<Value>>,
    prometheuses: Read<Vec<Value>>,
    kubernetes: Read<String>,
    /// Who serves the metrics APIs, by their groups and whether KEDA made the HPA.
    servers: Once<(Vec<String>, bool), Servers>,
    /// What the metrics APIs list.
    listings: Once<String, Answer>,
}

impl Survey {
    /// Lists what HPAs share.
    pub async fn new(cluster: &Cluster) -> Result<Self, Error> {
        let reader = Reader::new(cluster.client.clone());
        let taken = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let shelf = |path: &'static str, what: &'static str| Shelf::read(&reader, path, what);
        let (hpas, scaled_objects, services, namespaces, deployments, sets, pods) = tokio::join!(
            shelf("/apis/autoscaling/v2/horizontalpodautoscalers", "the HPAs of all namespaces"),
            shelf("/apis/keda.sh/v1alpha1/scaledobjects", "the ScaledObjects of all namespaces"),
            shelf("/api/v1/services", "the Services of all namespaces"),
            shelf("/api/v1/namespaces", "the namespaces"),
            shelf("/apis/apps/v1/deployments", "the Deployments of all namespaces"),
            shelf("/apis/apps/v1/statefulsets", "the StatefulSets of all namespaces"),
            shelf("/api/v1/pods", "the pods of all namespaces"),
        );
        let operator = "/apis/monitoring.coreos.com/v1";
        let paths = ["servicemonitors", "podmonitors", "prometheuses"].map(|kind| format!("{operator}/{kind}"));
        let (version, autoscaling, resources, monitors, pod_monitors, prometheuses) = tokio::join!(
            reader.one("/version", "the API server's version"),
            workload::versions(&reader),
            workload::resources(&reader),
            reader.all(&paths[0], "the ServiceMonitors"),
            reader.all(&paths[1], "the PodMonitors"),
            reader.all(&paths[2], "the Prometheus objects"),
        );
        if let Some(unread) = hpas.0.unread() {
            return Err(Error::Environment(format!(
                "the HPAs of all namespaces cannot be listed: {}; loadtest doctor NAMESPACE/NAME checks one",
                unread.reason()
            )));
        }
        let names = names(&hpas, &scaled_objects);
        let of_kind = BTreeMap::from([
            ("hpas", hpas),
            ("scaledobjects", scaled_objects),
            ("services", services),
            ("namespaces", namespaces),
            ("deployments", deployments),
            ("statefulsets", sets),
            ("pods", pods),
        ]);
        let monitors = super::joined(monitors, pod_monitors);
        let (servers, listings) = (Mutex::default(), Mutex::default());
        Ok(Self {
            reader,
            taken,
            hpas: names,
            kubernetes: version.map(|version| text(&version, "/gitVersion").to_owned()),
            autoscaling,
            resources,
            of_kind,
            monitors,
            prometheuses,
            servers,
            listings,
        })
    }

    /// Requests that the survey has sent.
    pub fn requests(&self) -> usize {
        self.reader.requests()
    }

    /// What is judged of one HPA.
    pub async fn evidence(&self, namespace: &str, hpa: &str) -> Evidence {
        let kind = |kind: &str| &self.of_kind[kind];
        let looks_there = |monitor: &&Value| Monitor(monitor).looks_in(namespace);
        let mut evidence = Evidence {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken: self.taken,
            namespace: namespace.to_owned(),
            name: hpa.to_owned(),
            kubernetes: self.kubernetes.clone(),
            autoscaling: self.autoscaling.clone(),
            resources: self.resources.clone(),
            hpa: kind("hpas").named(namespace, hpa),
            hpas: kind("hpas").of(namespace),
            services: kind("services").of(namespace),
            own_namespace: kind("namespaces").named("", namespace),
            monitors: match &self.monitors {
                Read::Seen(all) => Read::Seen(all.iter().filter(looks_there).cloned().collect()),
                other => other.clone().map(|_| Vec::new()),
            },
            prometheuses: self.prometheuses.clone(),
            ..Evidence::default()
        };
        evidence.scaled_object = workload::made_by(&evidence, &kind("scaledobjects").of(namespace));
        self.scaled(&mut evidence).await;
        (evidence.server, evidence.servers) = self.servers(&evidence).await;
        evidence.answers = self.answers(&evidence).await;
        redact::redacted(&evidence)
    }

    /// The workload, its scale and its pods.
    async fn scaled(&self, evidence: &mut Evidence) {
        let Some(from) = evidence.hpa.seen().or(evidence.scaled_object.seen()) else { return };
        let target = Hpa(from).target();
        let (version, kind) = (Hpa(from).target_version(), Hpa(from).target_kind());
        let listed = WORKLOADS.iter().find(|(of, known, _)| (*of, *known) == (version, kind));
        let (namespace, pods) = (evidence.namespace.clone(), &self.of_kind["pods"]);
        let listed = listed.map(|(_, _, plural)| &self.of_kind[*plural]).filter(|shelf| shelf.0.unread().is_none());
        let Some(workloads) = listed.filter(|_| pods.0.unread().is_none()) else {
            let read = workload::workload(&self.reader, evidence).await;
            (evidence.workload, evidence.scale, evidence.pods) = (read.workload, read.scale, read.pods);
            (evidence.elsewhere, evidence.namesake) = (read.elsewhere, read.namesake);
            return;
        };
        let name = target["name"].as_str().unwrap_or_default();
        evidence.workload = workloads.named(&namespace, name);
        let Some(workload) = evidence.workload.seen() else {
            evidence.elsewhere = workloads.namespaces_of(name);
            let others = WORKLOADS.iter().filter(|(_, of, _)| *of != kind);
            let mut others = others.map(|(.., plural)| self.of_kind[*plural].named(&namespace, name));
            evidence.namesake = others.find(|read| read.seen().is_some()).unwrap_or_default();
            return;
        };
        let Some(selector) = selector(&workload["spec"]["selector"]) else { return };
        evidence.pods = pods.selected(&namespace, &selector);
        evidence.scale = Read::Seen(json!({
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": workload["spec"]["replicas"]},
            "status": {"replicas": workload["status"]["replicas"], "selector": selector.to_string()},
        }));
    }

    /// Who serves the metrics. It is read once for all HPAs of the same metrics APIs.
    async fn servers(&self, evidence: &Evidence) -> Servers {
        let mut groups: Vec<String> = subjects::other_groups(evidence).into_iter().map(str::to_owned).collect();
        groups.extend(scaling_metric::deciding(evidence).map(|metric| requests::group(metric).to_owned()));
        let key = (groups, evidence.scaled_object.seen().is_some());
        let cell = self.servers.lock().await.entry(key).or_default().clone();
        let [deployments, services] = ["deployments", "services"].map(|kind| &self.of_kind[kind]);
        let read = async || {
            let known = Known { deployments: deployments.all(), services: services.all() };
            server::servers(&self.reader, evidence, &known).await
        };
        cell.get_or_init(read).await.clone()
    }

    /// The answers of the metrics API. What it lists is asked for once.
    async fn answers(&self, evidence: &Evidence) -> BTreeMap<String, Answer> {
        let metrics = scaling_metric::all(evidence);
        let own = metrics.iter().filter_map(|metric| requests::metric(evidence, metric));
        let mut answers: BTreeMap<String, Answer> =
            join_all(own.map(|path| async move { (path.clone(), self.reader.answer(&path).await) }))
                .await
                .into_iter()
                .collect();
        for metric in metrics {
            let path = requests::listing(evidence, requests::group(metric));
            let cell = self.listings.lock().await.entry(path.clone()).or_default().clone();
            let listing = cell.get_or_init(|| self.reader.answer(&path)).await.clone();
            answers.insert(path, listing);
        }
        answers
    }
}

/// The HPAs, and those that a `ScaledObject` would make.
fn names(hpas: &Shelf, scaled_objects: &Shelf) -> Vec<(String, String)> {
    let of = |shelf: &Shelf| -> Vec<(String, String)> {
        shelf.0.items().iter().map(|row| (row.namespace.clone(), row.name.clone())).collect()
    };
    let mut names = of(hpas);
    for row in scaled_objects.0.items() {
        let hpa = scaled_object::hpa_name(&row.object());
        let made = (row.namespace.clone(), hpa);
        if !names.contains(&made) {
            names.push(made);
        }
    }
    names.sort_unstable();
    names
}

/// The objects of one kind, as texts: a tree takes ten times as much memory.
struct Shelf(Read<Vec<Row>>);

/// An object.
struct Row {
    namespace: String,
    name: String,
    labels: BTreeMap<String, String>,
    json: Box<str>,
}

impl Row {
    fn of(object: &Value) -> Self {
        let labels = labels(object).as_object().into_iter().flatten();
        Self {
            namespace: namespace(object).to_owned(),
            name: name(object).to_owned(),
            labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            json: object.to_string().into(),
        }
    }

    fn object(&self) -> Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

impl Shelf {
    async fn read(reader: &Reader, path: &str, what: &str) -> Self {
        let mut read = reader.each(path, what, |object| Row::of(&object)).await;
        if let Read::Seen(rows) = &mut read {
            rows.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        }
        Self(read)
    }

    /// The rows of a namespace.
    fn rows(&self, namespace: &str) -> &[Row] {
        let rows = self.0.items();
        let first = rows.partition_point(|row| row.namespace.as_str() < namespace);
        let after = rows.partition_point(|row| row.namespace.as_str() <= namespace);
        &rows[first..after]
    }

    /// What is made of the rows, or why there are none.
    fn read_of<T>(&self, make: impl FnOnce() -> Read<T>) -> Read<T> {
        match &self.0 {
            Read::Seen(_) => make(),
            Read::Unread(unread) => Read::Unread(unread.clone()),
            Read::Absent => Read::Absent,
            Read::NotAsked => Read::NotAsked,
        }
    }

    fn all(&self) -> Read<Vec<Value>> {
        self.read_of(|| Read::Seen(self.0.items().iter().map(Row::object).collect()))
    }

    fn of(&self, namespace: &str) -> Read<Vec<Value>> {
        self.read_of(|| Read::Seen(self.rows(namespace).iter().map(Row::object).collect()))
    }

    fn named(&self, namespace: &str, name: &str) -> Read<Value> {
        let found = || self.rows(namespace).iter().find(|row| row.name == name);
        self.read_of(|| found().map_or(Read::Absent, |row| Read::Seen(row.object())))
    }

    fn selected(&self, namespace: &str, selector: &Selector) -> Read<Vec<Value>> {
        let selected = || self.rows(namespace).iter().filter(|row| selector.matches(&row.labels)).map(Row::object);
        self.read_of(|| Read::Seen(selected().collect()))
    }

    fn namespaces_of(&self, name: &str) -> Vec<String> {
        self.0.items().iter().filter(|row| row.name == name).map(|row| row.namespace.clone()).collect()
    }
}
