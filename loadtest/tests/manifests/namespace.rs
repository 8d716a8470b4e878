//! What the namespace holds its pods to: the restricted standard, and a share of the cluster.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, Namespace, PodSpec, ResourceQuota};
use loadtest::autoscaling::quantity;
use serde_json::json;

use crate::job_pod;
use crate::objects::{NAMESPACE, container, object, pod};

#[test]
fn the_namespace_holds_its_pods_to_the_restricted_standard() {
    let namespace: Namespace = object("miztiik-automation-ns.yml", "Namespace");
    assert_eq!(namespace.metadata.name.as_deref(), Some(NAMESPACE));
    let labels = namespace.metadata.labels.unwrap();
    assert_eq!(labels["app"], "k-shop");
    for mode in ["enforce", "audit", "warn"] {
        assert_eq!(labels[&format!("pod-security.kubernetes.io/{mode}")], "restricted", "{mode}");
        assert!(labels.contains_key(&format!("pod-security.kubernetes.io/{mode}-version")), "{mode}");
    }
    for label in ["project", "owner", "dept", "compute_provider", "team"] {
        assert!(labels.contains_key(label), "{label}");
    }
    let service = pod();
    assert_eq!(service.automount_service_account_token, Some(false), "the service asks the API server for nothing");
    for pod in [service, job_pod()] {
        let whole = pod.security_context.unwrap();
        assert_eq!(
            (whole.run_as_non_root, whole.seccomp_profile.unwrap().type_.as_str()),
            (Some(true), "RuntimeDefault")
        );
        for container in pod.containers {
            let own = container.security_context.unwrap();
            assert_eq!((own.allow_privilege_escalation, own.read_only_root_filesystem), (Some(false), Some(true)));
            assert_eq!(own.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        }
    }
}

#[test]
fn the_container_s_resources_match_the_walk_through() {
    let mut resources = serde_json::to_value(container().resources).unwrap();
    // What the walk-through does not speak of.
    for side in ["requests", "limits"] {
        resources[side].as_object_mut().unwrap().remove("ephemeral-storage");
    }
    assert_eq!(
        resources,
        json!({"requests": {"memory": "32Mi", "cpu": "1m"}, "limits": {"memory": "256Mi", "cpu": "100m"}})
    );
    assert_eq!(pod().enable_service_links, None, "the Service's variables are part of what `/` shows");
}

/// What a pod asks for, or may use at most: 0 where it does not say.
fn of(pod: &PodSpec, side: &str, resource: &str) -> f64 {
    let told = |resources: &serde_json::Value| resources[side][resource].as_str().and_then(quantity::value);
    pod.containers.iter().map(|container| told(&json!(container.resources)).unwrap_or(0.0)).sum()
}

#[test]
fn a_log_at_its_largest_does_not_get_a_pod_evicted() {
    // The kubelet's defaults: five files of 10 MiB each.
    let log = 5.0 * 10.0 * 1024.0 * 1024.0;
    for pod in [pod(), job_pod()] {
        assert!(of(&pod, "limits", "ephemeral-storage") >= 2.0 * log);
        // A node that cannot measure local storage has none to give.
        assert!(of(&pod, "requests", "ephemeral-storage").abs() < f64::EPSILON);
    }
}

/// The HPA's maximum, one more while a new version comes, as many that still drain, and two Jobs.
#[test]
fn the_quota_has_room_for_a_rollout_at_the_maximum_under_load() {
    let hpa: HorizontalPodAutoscaler = object("shopfront.yml", "HorizontalPodAutoscaler");
    let surge = object::<Deployment>("shopfront.yml", "Deployment").spec.unwrap().strategy.unwrap();
    let surge = json!(surge.rolling_update.unwrap().max_surge).as_i64().unwrap();
    let most = f64::from(hpa.spec.unwrap().max_replicas);
    let pods = 2.0 * most + f64::from(i32::try_from(surge).unwrap());
    let jobs = 2.0;
    let quota: ResourceQuota = object("limits.yaml", "ResourceQuota");
    let hard = quota.spec.unwrap().hard.unwrap();
    let allowed = |what: &str| quantity::value(&hard[what].0).unwrap_or_else(|| panic!("{what}"));
    assert!(pods + jobs <= allowed("pods"));
    for (side, resource) in [
        ("requests", "memory"),
        ("limits", "memory"),
        ("requests", "ephemeral-storage"),
        ("limits", "ephemeral-storage"),
    ] {
        let needed = pods * of(&pod(), side, resource) + jobs * of(&job_pod(), side, resource);
        assert!(needed <= allowed(&format!("{side}.{resource}")), "{side}.{resource}: {needed}");
    }
    // A quota on what the load tool does not limit would keep it out.
    assert!(hard.keys().all(|what| !what.ends_with("cpu")), "{hard:?}");
    assert!(allowed("services.loadbalancers") >= 1.0 && allowed("services.nodeports") >= 1.0);
}

#[test]
fn each_resource_of_the_quota_has_a_default_and_no_pod_exceeds_a_maximum() {
    let quota: ResourceQuota = object("limits.yaml", "ResourceQuota");
    let limits: LimitRange = object("limits.yaml", "LimitRange");
    let LimitRangeItem { default, default_request, max, type_, .. } = limits.spec.unwrap().limits.remove(0);
    let (default, default_request, max) = (default.unwrap(), default_request.unwrap(), max.unwrap());
    assert_eq!(type_, "Container");
    for what in quota.spec.unwrap().hard.unwrap().keys() {
        if let Some(resource) = what.strip_prefix("requests.") {
            assert!(default_request.contains_key(resource), "{what}");
        } else if let Some(resource) = what.strip_prefix("limits.") {
            assert!(default.contains_key(resource), "{what}");
        }
    }
    for (resource, most) in max {
        for pod in [pod(), job_pod()] {
            assert!(of(&pod, "limits", &resource) <= quantity::value(&most.0).unwrap(), "{resource}");
        }
    }
}
