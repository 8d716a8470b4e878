//! What an HPA scales: any kind that has a scale, as for the HPA itself.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::autoscaling::v2::CrossVersionObjectReference;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{GroupVersion, Selector};
use kube::discovery::pinned_kind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::kube::cluster::why;

/// An object that an HPA scales, and its pods.
pub struct Scaled {
    /// As the API server gave it.
    pub object: Value,
    /// The label selector of the pods.
    pub selector: String,
    /// The labels that new pods get.
    pub labels: BTreeMap<String, String>,
}

impl Scaled {
    /// What the HPA's `scaleTargetRef` names.
    pub async fn read(client: &Client, namespace: &str, target: &CrossVersionObjectReference) -> Result<Self, Error> {
        let failed = |why: String| {
            let (kind, name) = (&target.kind, &target.name);
            Error::Environment(format!("{kind}/{name} in namespace {namespace}, which the HPA scales: {why}"))
        };
        let version = target.api_version.as_deref().unwrap_or_default();
        let version: GroupVersion = version.parse().map_err(|_| failed(format!("its apiVersion is {version:?}")))?;
        let kind = version.with_kind(&target.kind);
        let (resource, _) =
            pinned_kind(client, &kind).await.map_err(|error| failed(why(&error, "discover the API")))?;
        let objects = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        let right = format!("get {} in namespace {namespace}", resource.plural);
        let object = objects.get(&target.name).await.map_err(|error| failed(why(&error, &right)))?;
        let right = format!("get {}/scale in namespace {namespace}", resource.plural);
        let scale = objects.get_scale(&target.name).await.map_err(|error| why(&error, &right));
        let object = json!(object);
        let selector = selector(scale, &object).map_err(failed)?;
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        let labels = match BTreeMap::deserialize(labels) {
            Ok(labels) => labels,
            // Not every kind has a template; a pod that is there shows what new ones get.
            Err(_) => labels_of_a_pod(client, namespace, &selector).await.unwrap_or_default(),
        };
        Ok(Self { object, selector, labels })
    }
}

/// The selector that the HPA takes, of the scale; or that of the object, which the kinds of Kubernetes itself have
/// likewise, for those who may not read the scale.
fn selector(scale: Result<Scale, String>, object: &Value) -> Result<String, String> {
    let of_scale = scale.map(|scale| scale.status.and_then(|status| status.selector).unwrap_or_default());
    if let Some(selector) = of_scale.as_ref().ok().filter(|selector| !selector.is_empty()) {
        return Ok(selector.clone());
    }
    let own = LabelSelector::deserialize(&object["spec"]["selector"]).ok();
    let own = own.and_then(|own| Selector::try_from(own).ok()).filter(|own| !own.selects_all());
    match own {
        Some(own) => Ok(own.to_string()),
        None => Err(match of_scale {
            Ok(_) => "its scale has no selector, and without one the HPA does not scale either".to_owned(),
            Err(why) => format!("its scale cannot be read: {why}"),
        }),
    }
}

async fn labels_of_a_pod(client: &Client, namespace: &str, selector: &str) -> Option<BTreeMap<String, String>> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    pods.list(&ListParams::default().labels(selector).limit(1)).await.ok()?.items.pop()?.metadata.labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(selector: &str) -> Scale {
        serde_json::from_value(json!({"status": {"replicas": 1, "selector": selector}})).unwrap()
    }

    const FORBIDDEN: &str = "the right to get deployments/scale in namespace shop is missing";

    #[test]
    fn the_scale_says_which_pods_are_meant() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
        assert_eq!(selector(Ok(scale("app=shop,tier!=back")), &object).unwrap(), "app=shop,tier!=back");
    }

    #[test]
    fn expressions_of_a_selector_count_where_the_scale_may_not_be_read() {
        let expressions = json!([
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "app", "operator": "Exists"},
            {"key": "legacy", "operator": "DoesNotExist"},
        ]);
        let object = json!({"spec": {"selector": {"matchExpressions": expressions}}});
        let all = "tier in (back,front),track notin (canary),app,!legacy";
        assert_eq!(selector(Err(FORBIDDEN.to_owned()), &object).unwrap(), all);
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "shop"}, "matchExpressions": expressions}}});
        assert_eq!(selector(Err(FORBIDDEN.to_owned()), &object).unwrap(), format!("app=shop,{all}"));
    }

    #[test]
    fn no_selector_selects_no_pods_and_never_all_of_them() {
        for object in [json!({"spec": {"selector": {}}}), json!({"spec": {"selector": "app=shop"}}), json!({})] {
            assert!(selector(Ok(scale("")), &object).unwrap_err().contains("has no selector"));
            let error = selector(Err(FORBIDDEN.to_owned()), &object).unwrap_err();
            assert!(error.contains(FORBIDDEN), "{error}");
        }
    }
}
