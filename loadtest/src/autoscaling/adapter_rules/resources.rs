//! The names that the API server has for its resources, looked up as the adapter's `RESTMapper` does.
//!
//! Source: `restmapper/discovery.go` of k8s.io/client-go v0.30.0, and `restmapper.go`, `multirestmapper.go` and
//! `priority.go` of `pkg/api/meta` of k8s.io/apimachinery v0.30.0. Their versions of a group make no difference to a
//! metric, which has none.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

/// A resource without its version.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GroupResource {
    /// Its group; empty for the core's.
    pub group: String,
    /// Its plural name.
    pub resource: String,
}

impl GroupResource {
    pub(super) fn core(resource: &str) -> Self {
        Self { group: String::new(), resource: resource.to_owned() }
    }

    /// Only these three are ever listed so, whatever the scope of a resource is: a metric of another one without a
    /// namespace is listed with one, and found by nobody.
    pub(super) fn is_listed_without_namespace(&self) -> bool {
        self.group.is_empty() && matches!(self.resource.as_str(), "namespaces" | "nodes" | "persistentvolumes")
    }
}

/// As a metric's name has it, such as `pods` or `deployments.apps`.
impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.resource, self.group)
    }
}

/// All resources that the API server's discovery knows.
#[derive(Clone, Debug)]
pub struct Resources {
    known: Arc<[Known]>,
    /// Whether there may be others.
    open: bool,
}

/// Why no resource is meant, in the mapper's own words.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResource {
    #[error("a resource must be present, got: {group}/, Resource=")]
    Unnamed { group: String },
    #[error("no matches for {group}/, Resource={name}")]
    NoMatch { group: String, name: String },
}

#[derive(Debug)]
struct Known {
    group: String,
    plural: String,
    singular: String,
}

impl Resources {
    /// From the discovery's lists, which are to be in the API server's own order: the core's `v1`, then `/apis` group
    /// by group. The order decides where two groups have a resource of one name.
    pub fn new<'a>(lists: impl IntoIterator<Item = &'a APIResourceList>) -> Self {
        let mut all = Vec::new();
        for list in lists {
            let group = list.group_version.split_once('/').map_or("", |(group, _)| group);
            let mut add = |plural: String, singular: String| {
                all.push(Known { group: group.to_owned(), plural, singular });
            };
            for resource in list.resources.iter().filter(|resource| !resource.name.contains('/')) {
                let named = Some(&resource.singular_name).filter(|name| !name.is_empty());
                let singular = named.cloned().unwrap_or_else(|| resource.kind.to_lowercase());
                add(resource.name.clone(), singular);
                // The mapper takes each kind's list for a resource too.
                let list = format!("{}list", resource.kind.to_lowercase());
                add(format!("{list}s"), list);
            }
            add("lists".to_owned(), "list".to_owned());
        }
        Self { known: all.into(), open: false }
    }

    /// For when there is no API server to ask: the usual resources, and any other that a rule names. The adapter would not
    /// start with a rule that names an unknown resource.
    pub fn assumed() -> Self {
        let known = |singular: &str| Known {
            group: String::new(),
            plural: format!("{singular}s"),
            singular: singular.to_owned(),
        };
        let core = ["namespace", "node", "persistentvolume", "pod", "service"];
        Self { known: core.into_iter().map(known).collect(), open: true }
    }

    /// The resource that is meant by a name, plural or singular, and by a group or what it starts with.
    pub(super) fn find(&self, group: &str, resource: &str) -> Result<GroupResource, NoResource> {
        match self.first(group, resource) {
            Ok(known) => Ok(GroupResource { group: known.group.clone(), resource: known.plural.clone() }),
            Err(_) if self.open && !resource.is_empty() => {
                Ok(GroupResource { group: group.to_owned(), resource: resource.to_lowercase() })
            }
            Err(why) => Err(why),
        }
    }

    /// The singular of a resource's name, of the first group that has it: the group is not asked for.
    pub(super) fn singular(&self, resource: &str) -> Result<String, NoResource> {
        self.first("", resource).map(|known| known.singular.clone())
    }

    fn first(&self, group: &str, resource: &str) -> Result<&Known, NoResource> {
        let name = resource.to_lowercase();
        if name.is_empty() {
            return Err(NoResource::Unnamed { group: group.to_owned() });
        }
        let mut all = self.known.iter().filter(|known| known.group.starts_with(group));
        all.find(|known| known.plural == name || known.singular == name)
            .ok_or_else(|| NoResource::NoMatch { group: group.to_owned(), name })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A few of a cluster's resources.
    pub fn resources() -> Resources {
        let list = |group_version: &str, resources: &[(&str, &str, &str)]| {
            let resources = resources.iter().map(|(name, singular, kind)| {
                json!({"name": name, "singularName": singular, "kind": kind, "namespaced": true, "verbs": []})
            });
            let list = json!({"groupVersion": group_version, "resources": resources.collect::<Vec<_>>()});
            serde_json::from_value::<APIResourceList>(list).unwrap()
        };
        let lists = [
            list(
                "v1",
                &[
                    ("namespaces", "namespace", "Namespace"),
                    ("nodes", "node", "Node"),
                    ("persistentvolumes", "persistentvolume", "PersistentVolume"),
                    ("pods", "pod", "Pod"),
                    ("pods/log", "", "Pod"),
                    ("services", "service", "Service"),
                ],
            ),
            list("apps/v1", &[("deployments", "deployment", "Deployment")]),
            list("batch/v1", &[("jobs", "job", "Job")]),
            list("networking.k8s.io/v1", &[("ingresses", "ingress", "Ingress")]),
            list("storage.k8s.io/v1", &[("storageclasses", "storageclass", "StorageClass")]),
            list("metrics.k8s.io/v1beta1", &[("pods", "", "PodMetrics")]),
        ];
        Resources::new(&lists)
    }

    fn found(group: &str, resource: &str) -> String {
        resources().find(group, resource).map_or_else(|error| error.to_string(), |found| found.to_string())
    }

    #[test]
    fn a_resource_is_found_by_either_name_in_any_case_and_by_the_start_of_its_group() {
        assert_eq!(["pod", "pods", "Pod"].map(|name| found("", name)), ["pods", "pods", "pods"]);
        assert_eq!(found("apps", "deployment"), "deployments.apps");
        assert_eq!(found("", "deployment"), "deployments.apps");
        assert_eq!(found("storage", "storageclass"), "storageclasses.storage.k8s.io");
        assert_eq!(found("extensions", "deployment"), "no matches for extensions/, Resource=deployment");
        assert_eq!(found("", "instance"), "no matches for /, Resource=instance");
        assert_eq!(found("", "pods/log"), "no matches for /, Resource=pods/log");
    }

    #[test]
    fn without_an_api_server_any_named_resource_is_assumed() {
        let found = |group: &str, resource: &str| Resources::assumed().find(group, resource).unwrap().to_string();
        assert_eq!([found("", "Pod"), found("", "namespaces")], ["pods", "namespaces"]);
        assert_eq!([found("apps", "deployment"), found("", "instance")], ["deployment.apps", "instance"]);
        assert!(Resources::assumed().find("", "").is_err());
    }

    #[test]
    fn the_first_group_has_a_name_that_two_have() {
        assert_eq!(found("", "pods"), "pods");
        assert_eq!(found("metrics", "pods"), "pods.metrics.k8s.io");
        // Whoever names no singular has its kind's.
        assert_eq!(found("", "podmetrics"), "pods.metrics.k8s.io");
        assert_eq!(resources().singular("pods").unwrap(), "pod");
    }

    #[test]
    fn the_mapper_takes_lists_for_resources() {
        assert_eq!(found("", "list"), "lists");
        assert_eq!(found("", "deploymentlist"), "deploymentlists.apps");
    }
}
