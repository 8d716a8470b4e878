//! Reads the chain from a cluster. Nothing is judged here, and nothing changed: what may not be read is written down
//! with the right that is missing, and the walk goes on.

pub mod inventory;
mod load;
mod pages;
mod prometheus;
mod replica;
mod server;
pub mod survey;
mod usual;
mod workload;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use serde_json::Value;

use super::{objects, redact};
use crate::doctor::evidence::{Evidence, HPA_CONTROLLER};
use crate::doctor::facts::trust::Trust;
use crate::doctor::facts::{requests, scaling_metric};
use crate::error::Error;
use crate::kube::access::{self, Question};
use crate::kube::cluster::{Cluster, NO_HPA};
use crate::kube::read::{Answer, Read};
use crate::kube::reader::Reader;
use server::Known;
use workload::Scaled;

/// Reads everything of one HPA: the one that is named, or the only one there is. Whether a Prometheus that may be the
/// tenant's own is asked is the user's to say.
pub async fn collect(cluster: &Cluster, hpa: Option<&str>, trust: Trust) -> Result<Evidence, Error> {
    // All that is asked at once makes a large future.
    Box::pin(async {
        let mut collection = Collection::objects(cluster, hpa).await?;
        collection.answers(trust).await;
        Ok(collection.redacted())
    })
    .await
}

/// A chain that is being read. All is read into the one evidence, of which no part is copied: a cluster may be large.
pub struct Collection {
    reader: Reader,
    /// What was read, with whatever secrets are in it.
    pub evidence: Evidence,
}

impl Collection {
    /// Reads the objects of one HPA. Nobody but the API server is asked.
    pub async fn objects(cluster: &Cluster, hpa: Option<&str>) -> Result<Self, Error> {
        let reader = Reader::new(cluster.client.clone());
        let (namespace, name) = which(cluster, hpa).await?;
        let taken = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut evidence = Evidence { version, taken, namespace, name, ..Evidence::default() };
        Box::pin(around(&reader, &mut evidence)).await;
        evidence.scaled_object = workload::scaled_object(&reader, &evidence).await;
        workload::named_after_its_object(&reader, &mut evidence).await;
        is_meant(&reader, &evidence).await?;
        // The server is found from the HPA alone, while the workload is read.
        let servers = async { server::servers(&reader, &evidence, &Known::list(&reader).await).await };
        let ((server, servers), scaled) = tokio::join!(servers, workload::workload(&reader, &evidence));
        (evidence.server, evidence.servers) = (server, servers);
        Scaled {
            workload: evidence.workload,
            scale: evidence.scale,
            elsewhere: evidence.elsewhere,
            namesake: evidence.namesake,
            pods: evidence.pods,
        } = scaled;
        evidence.prometheus = prometheus::found(&reader, &evidence).await;
        Ok(Self { reader, evidence })
    }

    /// Reads what the pods, Prometheus and the metrics API answer, which takes some seconds.
    pub async fn answers(&mut self, trust: Trust) {
        let Self { reader, evidence } = self;
        // The pages take their time, and hold nothing else up.
        let (pages, asked, answers, access) = tokio::join!(
            pages::pages(reader, evidence),
            prometheus::ask(reader, evidence, trust),
            answers(reader, evidence),
            access::reviews(reader, &evidence.namespace, rights(evidence))
        );
        evidence.pages = pages;
        evidence.answers = answers.into_iter().collect();
        evidence.access = access.into_iter().collect();
        asked.queries(evidence).await;
    }

    /// What is judged.
    pub fn redacted(&self) -> Evidence {
        redact::redacted(&self.evidence)
    }

    /// Reads the adapter's rules and the monitors from where they usually are, if the rights end before it is known where
    /// they are, or whether there are more. A prediction may rest on them; a diagnosis may not.
    pub async fn usual(&mut self) {
        let Self { reader, evidence } = self;
        if evidence.server.deployment.seen().is_none() && evidence.scaled_object.seen().is_none() {
            let config = usual::config(reader).await;
            // Why the way there is not known tells more than that nothing is at its end.
            if config.seen().is_some() || config.unread().is_some() {
                evidence.server.config = config;
            }
        }
        if evidence.monitors.unread().is_some() {
            evidence.monitors = usual::monitors(reader, evidence).await;
        }
    }
}

/// Namespace and name of the HPA.
async fn which(cluster: &Cluster, hpa: Option<&str>) -> Result<(String, String), Error> {
    let Some(named) = hpa else {
        return only(cluster).await?.ok_or_else(|| Error::Usage(NO_HPA.to_owned()));
    };
    let (namespace, name) = named.split_once('/').unwrap_or((&cluster.namespace, named));
    Ok((namespace.to_owned(), name.to_owned()))
}

/// Namespace and name of the only HPA, or of the only `ScaledObject` where there is no HPA; none without either. Of several,
/// an error lists the names.
pub async fn only(cluster: &Cluster) -> Result<Option<(String, String)>, Error> {
    match cluster.only().await? {
        Some(hpa) => Ok(Some((hpa.metadata.namespace.unwrap_or_default(), hpa.metadata.name.unwrap_or_default()))),
        None => only_scaled_object(cluster).await,
    }
}

/// The only `ScaledObject` of a cluster without an HPA: KEDA deletes the HPA of one that is paused.
async fn only_scaled_object(cluster: &Cluster) -> Result<Option<(String, String)>, Error> {
    let reader = Reader::new(cluster.client.clone());
    let all = reader.all("/apis/keda.sh/v1alpha1/scaledobjects", "the ScaledObjects of all namespaces").await;
    match all.items() {
        [] => Ok(None),
        [only] => Ok(Some((objects::namespace(only).to_owned(), objects::name(only).to_owned()))),
        several => {
            let names = several.iter().map(|one| format!("{}/{}", objects::namespace(one), objects::name(one)));
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Error::Usage(format!("no HPA, but several ScaledObjects: name one of them: {names}")))
        }
    }
}

/// What can be read without knowing anything but the names.
async fn around(reader: &Reader, evidence: &mut Evidence) {
    let Evidence { namespace, name, .. } = &*evidence;
    let hpas = workload::hpas(namespace);
    let (hpa, of_hpas) = (format!("{hpas}/{name}"), format!("the HPAs of {namespace}"));
    let core = |resource: &str| format!("/api/v1/namespaces/{namespace}/{resource}");
    let (services, events, own) = (core("services"), core("events"), format!("/api/v1/namespaces/{namespace}"));
    let ingresses = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses");
    let operator = "/apis/monitoring.coreos.com/v1";
    let (monitors, pod_monitors) = (format!("{operator}/servicemonitors"), format!("{operator}/podmonitors"));
    let prometheuses = format!("{operator}/prometheuses");
    let what = format!("HPA {namespace}/{name}");
    let first = async {
        tokio::join!(
            reader.one(&hpa, &what),
            reader.all(&hpas, &of_hpas),
            workload::versions(reader),
            workload::resources(reader),
            load::load(reader, namespace),
            reader.one(&own, "the namespace"),
            reader.one("/version", "the API server's version"),
        )
    };
    let second = async {
        tokio::join!(
            reader.all(&services, "the Services"),
            reader.all(&ingresses, "the Ingresses"),
            reader.all(&events, "the events"),
            reader.all(&monitors, "the ServiceMonitors"),
            reader.all(&pod_monitors, "the PodMonitors"),
            reader.all(&prometheuses, "the Prometheus objects"),
        )
    };
    let (
        (hpa, hpas, autoscaling, resources, load, own, version),
        (services, ingresses, events, monitors, pod_monitors, operators),
    ) = tokio::join!(first, second);
    (evidence.hpa, evidence.hpas, evidence.autoscaling, evidence.resources) = (hpa, hpas, autoscaling, resources);
    (evidence.load, evidence.own_namespace) = (load, own);
    evidence.kubernetes = version.map(|version| objects::text(&version, "/gitVersion").to_owned());
    (evidence.services, evidence.ingresses, evidence.events) = (services, ingresses, events);
    (evidence.monitors, evidence.prometheuses) = (joined(monitors, pod_monitors), operators);
}

/// One list of two; where one could not be read, what the other has is not all.
fn joined(one: Read<Vec<Value>>, other: Read<Vec<Value>>) -> Read<Vec<Value>> {
    match (one, other) {
        (Read::Seen(one), Read::Seen(other)) => Read::Seen(one.into_iter().chain(other).collect()),
        (Read::Seen(seen), Read::Absent) | (Read::Absent, Read::Seen(seen)) => Read::Seen(seen),
        (Read::Unread(unread), _) | (_, Read::Unread(unread)) => Read::Unread(unread),
        _ => Read::Absent,
    }
}

/// An HPA that is not there is a finding where its namespace has none at all, and none of its name is in another, or where
/// KEDA should have made it; else its name or its namespace's is mistyped.
async fn is_meant(reader: &Reader, evidence: &Evidence) -> Result<(), Error> {
    let Evidence { namespace, name, .. } = evidence;
    let there = evidence.hpas.items();
    if evidence.hpa != Read::Absent || evidence.scaled_object.seen().is_some() {
        return Ok(());
    }
    let none = format!("no HPA {name} in namespace {namespace}");
    if !there.is_empty() {
        let there = there.iter().map(objects::name).collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!("{none} (there: {there}); kubectl get hpa -A lists all")));
    }
    if evidence.own_namespace == Read::Absent {
        return Err(Error::Usage(format!(
            "{none}, as there is no namespace {namespace}; kubectl get hpa -A lists all HPAs"
        )));
    }
    let scaled = format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects");
    let scaled = reader.all(&scaled, "the ScaledObjects").await;
    if !scaled.items().is_empty() {
        let there = scaled.items().iter().map(objects::name).collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!("{none}; its ScaledObjects are {there}: name one of them")));
    }
    // Where they may not be listed, none is known.
    let all = reader.all("/apis/autoscaling/v2/horizontalpodautoscalers", "the HPAs of all namespaces").await;
    match all.items().iter().find(|other| objects::name(other) == name) {
        Some(other) => Err(Error::Usage(format!("{none}; there is {}/{name}", objects::namespace(other)))),
        None => Ok(()),
    }
}

/// The answers of the metrics API.
async fn answers(reader: &Reader, evidence: &Evidence) -> Vec<(String, Answer)> {
    let metrics = scaling_metric::all(evidence);
    let listings = metrics.iter().map(|metric| requests::listing(evidence, requests::group(metric)));
    let paths: BTreeSet<String> =
        metrics.iter().filter_map(|metric| requests::metric(evidence, metric)).chain(listings).collect();
    join_all(paths.into_iter().map(|path| async move {
        let answer = reader.answer(&path).await;
        (path, answer)
    }))
    .await
}

/// What others have to be allowed to do in the HPA's namespace.
fn rights(evidence: &Evidence) -> Vec<Question> {
    let controller = scaling_metric::all(evidence)
        .iter()
        .filter_map(requests::right)
        .map(|(verb, group, resource)| Question { user: HPA_CONTROLLER.to_owned(), verb, group, resource });
    let accounts: BTreeSet<String> = evidence
        .prometheus
        .pods
        .items()
        .iter()
        .filter_map(|pod| {
            let (namespace, account) = (&pod["metadata"]["namespace"], &pod["spec"]["serviceAccountName"]);
            Some(format!("system:serviceaccount:{}:{}", namespace.as_str()?, account.as_str()?))
        })
        .collect();
    let watched = [("", "services"), ("", "endpoints"), ("", "pods"), ("discovery.k8s.io", "endpointslices")];
    let prometheus = accounts.iter().flat_map(|user| {
        watched.into_iter().flat_map(move |(group, resource)| {
            ["list", "watch"].map(|verb| Question { user: user.clone(), verb, group, resource: resource.to_owned() })
        })
    });
    controller.chain(prometheus).collect()
}
