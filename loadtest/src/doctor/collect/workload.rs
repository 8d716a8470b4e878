//! The HPA, what it scales, and the pods of that.

use serde_json::Value;

use crate::doctor::evidence::{Evidence, Resource};
use crate::doctor::facts::requests::{self, group_of};
use crate::doctor::facts::scaled_object::{hpa_name, is_hpa_of};
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

/// The `ScaledObject` that the HPA was made from, or that would make an HPA of this name, or that has this name itself.
pub async fn scaled_object(reader: &Reader, evidence: &Evidence) -> Read<Value> {
    let base = format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects", evidence.namespace);
    if let Some(hpa) = evidence.hpa.seen() {
        return match owner(hpa) {
            Some(owner) => reader.one(&format!("{base}/{owner}"), &format!("ScaledObject/{owner}")).await,
            None => Read::Absent,
        };
    }
    let all = reader.all(&base, "the ScaledObjects").await;
    made_by(evidence, &all)
}

/// The same, from the `ScaledObject`s of the namespace.
pub fn made_by(evidence: &Evidence, all: &Read<Vec<Value>>) -> Read<Value> {
    if let Some(hpa) = evidence.hpa.seen() {
        return owner(hpa).map_or(Read::Absent, |owner| all.find(|object| name(object) == owner));
    }
    let items = all.items().iter();
    let of_hpa = items.clone().find(|object| is_hpa_of(object, &evidence.name));
    let found = of_hpa.or_else(|| items.clone().find(|object| name(object) == evidence.name)).cloned();
    found.map_or_else(|| all.find(|_| false), Read::Seen)
}

/// If the user named a `ScaledObject`, its HPA is meant.
pub async fn named_after_its_object(reader: &Reader, evidence: &mut Evidence) {
    let Some(object) = evidence.scaled_object.seen() else { return };
    if evidence.hpa != Read::Absent || is_hpa_of(object, &evidence.name) {
        return;
    }
    evidence.name = hpa_name(object);
    let Evidence { namespace, name, .. } = &*evidence;
    let (path, what) = (format!("{}/{name}", hpas(namespace)), format!("HPA {namespace}/{name}"));
    evidence.hpa = reader.one(&path, &what).await;
}

/// The `ScaledObject` that an HPA says it was made from.
fn owner(hpa: &Value) -> Option<&str> {
    let mut owners = list(hpa, "/metadata/ownerReferences").iter();
    owners.find(|owner| owner["kind"] == "ScaledObject")?["name"].as_str()
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
    let scaler = Hpa(evidence.hpa.seen().or(evidence.scaled_object.seen())?);
    let (version, kind) = (scaler.target_version(), scaler.target_kind());
    let name = scaler.target()["name"].as_str()?;
    Some(Target::of(version, &requests::plural(evidence, version, kind), kind, name))
}

impl Target {
    /// The object, and its scale subresource.
    async fn read(&self, reader: &Reader, namespace: &str) -> (Read<Value>, Read<Value>) {
        let Self { root, plural, kind, name } = self;
        let what = format!("{kind}/{name}");
        let path = format!("{root}/namespaces/{namespace}/{plural}/{name}");
        let (scale, of_scale) = (format!("{path}/scale"), format!("the scale of {what}"));
        tokio::join!(reader.one(&path, &what), reader.one(&scale, &of_scale))
    }

    fn of(version: &str, plural: &str, kind: &str, name: &str) -> Self {
        let root = if version.contains('/') { "/apis" } else { "/api" };
        let (plural, kind, name) = (plural.to_owned(), kind.to_owned(), name.to_owned());
        Self { root: format!("{root}/{version}"), plural, kind, name }
    }
}

/// The same object in other groups that have its kind, or in the version that the API server prefers: the HPA's controller
/// ignores the version, and a manifest may name a group that has lost the kind.
async fn served(reader: &Reader, evidence: &Evidence, target: &Target) -> Vec<Target> {
    let known = evidence.resources.items().iter().filter(|known| known.kind == target.kind && known.namespaced);
    // The usual group comes first.
    let mut groups: Vec<&Resource> = known.collect();
    groups.sort_by_key(|known| known.group != "apps");
    let mut found = Vec::new();
    for known in groups.into_iter().take(GROUPS) {
        let version = if known.group.is_empty() {
            "v1".to_owned()
        } else {
            let group = reader.one(&format!("/apis/{}", known.group), &format!("API group {}", known.group)).await;
            let preferred = group.seen().map(|group| text(group, "/preferredVersion/groupVersion").to_owned());
            match preferred.filter(|version| group_of(version) == known.group) {
                Some(version) => version,
                None => continue,
            }
        };
        let other = Target::of(&version, &known.plural, &target.kind, &target.name);
        if other.root != target.root {
            found.push(other);
        }
    }
    found
}

/// The most groups that are asked for a kind.
const GROUPS: usize = 4;

/// What is read of the workload.
#[derive(Default)]
pub struct Scaled {
    /// The workload.
    pub workload: Read<Value>,
    /// Its scale subresource.
    pub scale: Read<Value>,
    /// Other namespaces that have one of its name.
    pub elsewhere: Vec<String>,
    /// A workload of its name, but of another kind, in its namespace.
    pub namesake: Read<Value>,
    /// Its pods.
    pub pods: Read<Vec<Value>>,
}

/// Reads the workload, its scale and its pods.
pub async fn workload(reader: &Reader, evidence: &Evidence) -> Scaled {
    let mut read = Scaled::default();
    let Some(wanted) = target(evidence) else { return read };
    (read.workload, read.scale) = wanted.read(reader, &evidence.namespace).await;
    if read.workload == Read::Absent {
        for other in served(reader, evidence, &wanted).await {
            let (workload, scale) = other.read(reader, &evidence.namespace).await;
            if workload.seen().is_some() {
                (read.workload, read.scale) = (workload, scale);
                break;
            }
        }
    }
    if read.workload == Read::Absent {
        let Target { root, plural, kind, name } = &wanted;
        let what = format!("{kind}/{name}");
        let everywhere = format!("{root}/{plural}?fieldSelector=metadata.name%3D{name}");
        let found = reader.all(&everywhere, &what).await;
        let namespaces = found.items().iter().map(namespace);
        read.elsewhere = namespaces.map(str::to_owned).collect();
        read.namesake = namesake(reader, &evidence.namespace, &wanted).await;
    }
    if let Some(selector) = requests::pods_of(&read.scale, &read.workload) {
        read.pods = pods(reader, &evidence.namespace, &selector).await;
    }
    read
}

/// The first workload of another kind that has the target's name.
async fn namesake(reader: &Reader, namespace: &str, target: &Target) -> Read<Value> {
    for (kind, plural) in OTHER_KINDS.into_iter().filter(|(kind, _)| *kind != target.kind) {
        let (found, _) = Target::of("apps/v1", plural, kind, &target.name).read(reader, namespace).await;
        if found.seen().is_some() {
            return found;
        }
    }
    Read::Absent
}

/// The kinds that a manifest may mean when it names a wrong one.
const OTHER_KINDS: [(&str, &str); 3] =
    [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")];

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
