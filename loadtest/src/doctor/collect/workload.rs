//! The HPA, what it scales, and the pods of that.

use serde_json::Value;

use crate::doctor::evidence::{Evidence, Resource};
use crate::doctor::facts::requests;
use crate::doctor::objects::{Hpa, Service, list, name, namespace, text};
use crate::kube::cluster::percent_encoded;
use crate::kube::read::Read;
use crate::kube::reader::Reader;

/// Where the HPAs of a namespace are.
pub fn hpas(namespace: &str) -> String {
    format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
}

/// The versions of `autoscaling` that are served.
pub async fn versions(reader: &Reader) -> Read<Vec<String>> {
    let group = reader.one("/apis/autoscaling", "the versions of autoscaling").await;
    group.map(|group| {
        let versions = list(&group, "/versions").iter();
        versions.filter_map(|one| one["version"].as_str().map(str::to_owned)).collect()
    })
}

/// The kinds of object that are known, in the API server's own order.
pub async fn resources(reader: &Reader) -> Read<Vec<Resource>> {
    let (core, groups) = tokio::join!(reader.one("/api", "the core's kinds"), reader.one("/apis", "the groups' kinds"));
    let (core, groups) = match (core, groups) {
        (Read::Seen(core), Read::Seen(groups)) => (core, groups),
        (Read::Unread(unread), _) | (_, Read::Unread(unread)) => return Read::Unread(unread),
        _ => return Read::Absent,
    };
    let mut all: Vec<Resource> = Vec::new();
    for group in [&core, &groups].into_iter().flat_map(|groups| list(groups, "/items")) {
        for resource in list(group, "/versions").iter().flat_map(|version| list(version, "/resources")) {
            let text = |pointer: &str| text(resource, pointer).to_owned();
            let resource = Resource {
                group: name(group).to_owned(),
                plural: text("/resource"),
                singular: text("/singularResource"),
                kind: text("/responseKind/kind"),
                namespaced: resource["scope"] == "Namespaced",
            };
            if !all.contains(&resource) {
                all.push(resource);
            }
        }
    }
    Read::Seen(all)
}

/// The `ScaledObject` that the HPA was made from, or that would make an HPA of this name.
pub async fn scaled_object(reader: &Reader, evidence: &Evidence) -> Read<Value> {
    let base = format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects", evidence.namespace);
    if let Some(hpa) = evidence.hpa.seen() {
        return match owner(hpa) {
            Some(owner) => reader.one(&format!("{base}/{owner}"), &format!("ScaledObject/{owner}")).await,
            None => Read::Absent,
        };
    }
    let all = reader.all(&base, "the ScaledObjects").await;
    all.find(|object| hpa_name(object) == evidence.name)
}

/// The same, from the `ScaledObject`s of the namespace.
pub fn made_by(evidence: &Evidence, all: &Read<Vec<Value>>) -> Read<Value> {
    let Some(hpa) = evidence.hpa.seen() else { return all.find(|object| hpa_name(object) == evidence.name) };
    owner(hpa).map_or(Read::Absent, |owner| all.find(|object| name(object) == owner))
}

/// The `ScaledObject` that an HPA says it was made from.
fn owner(hpa: &Value) -> Option<&str> {
    let mut owners = list(hpa, "/metadata/ownerReferences").iter();
    owners.find(|owner| owner["kind"] == "ScaledObject")?["name"].as_str()
}

/// The name of the HPA that KEDA makes of a `ScaledObject`.
pub fn hpa_name(object: &Value) -> String {
    let named = object["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"].as_str();
    named.map_or_else(|| format!("keda-hpa-{}", name(object)), str::to_owned)
}

/// What is scaled.
struct Target {
    /// The root of its API, such as `/apis/apps/v1`.
    root: String,
    plural: String,
    kind: String,
    name: String,
}

fn target(evidence: &Evidence) -> Option<Target> {
    // A ScaledObject has the field where the HPA has it.
    let target = Hpa(evidence.hpa.seen().or(evidence.scaled_object.seen())?).target();
    let version = target["apiVersion"].as_str().unwrap_or("apps/v1");
    let kind = target["kind"].as_str().unwrap_or("Deployment");
    let root = if version.contains('/') { "/apis" } else { "/api" };
    Some(Target {
        root: format!("{root}/{version}"),
        plural: requests::plural(evidence, version, kind),
        kind: kind.to_owned(),
        name: target["name"].as_str()?.to_owned(),
    })
}

/// What is read of the workload.
#[derive(Default)]
pub struct Scaled {
    /// The workload.
    pub workload: Read<Value>,
    /// Its scale subresource.
    pub scale: Read<Value>,
    /// Other namespaces that have one of its name.
    pub elsewhere: Vec<String>,
    /// Its pods.
    pub pods: Read<Vec<Value>>,
}

/// Reads the workload, its scale and its pods.
pub async fn workload(reader: &Reader, evidence: &Evidence) -> Scaled {
    let mut read = Scaled::default();
    let Some(Target { root, plural, kind, name }) = target(evidence) else { return read };
    let what = format!("{kind}/{name}");
    let path = format!("{root}/namespaces/{}/{plural}/{name}", evidence.namespace);
    let scale = format!("{path}/scale");
    let of_scale = format!("the scale of {what}");
    (read.workload, read.scale) = tokio::join!(reader.one(&path, &what), reader.one(&scale, &of_scale));
    if read.workload == Read::Absent {
        let everywhere = format!("{root}/{plural}?fieldSelector=metadata.name%3D{name}");
        let found = reader.all(&everywhere, &what).await;
        let namespaces = found.items().iter().map(namespace);
        read.elsewhere = namespaces.map(str::to_owned).collect();
    }
    if let Some(selector) = requests::pods_of(&read.scale, &read.workload) {
        read.pods = pods(reader, &evidence.namespace, &selector).await;
    }
    read
}

/// The pods that a selector selects.
pub async fn pods(reader: &Reader, namespace: &str, selector: &str) -> Read<Vec<Value>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={}", percent_encoded(selector));
    reader.all(&path, &format!("the pods of {selector}")).await
}

/// The pods that a Service selects.
pub async fn behind(reader: &Reader, namespace: &str, service: &Value) -> Read<Vec<Value>> {
    let selector = Service(service).selector().as_object();
    let labels = selector.into_iter().flatten();
    let selector: Vec<_> =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    if selector.is_empty() { Read::Absent } else { pods(reader, namespace, &selector.join(",")).await }
}
