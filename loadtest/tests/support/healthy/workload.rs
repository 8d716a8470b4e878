//! The workload of the healthy chain: the objects of `k8s/`, their pods, and the pods' metrics pages.

use loadtest::doctor::evidence::{Evidence, Page, Resource};
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use super::prometheus::{allowed, operated};
use super::{NAMESPACE, PODS, TAKEN, ago, manifest};

/// The evidence that both chains share.
pub fn workload() -> Evidence {
    let mut deployment = manifest("shopfront.yml", "Deployment");
    deployment["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    deployment["metadata"]["generation"] = json!(2);
    deployment["spec"]["replicas"] = json!(2);
    deployment["status"] = json!({
        "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
    });
    let mut namespace = manifest("miztiik-automation-ns.yml", "Namespace");
    namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(NAMESPACE);
    let mut service = manifest("shopfront.yml", "Service");
    service["spec"]["ports"][0]["protocol"] = json!("TCP");
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}});
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "shopfront-deploy", "namespace": NAMESPACE},
        "spec": {"replicas": 2}, "status": {"replicas": 2, "selector": "app=shopfront"},
    });
    Evidence {
        version: "0.1.0".to_owned(),
        taken: TAKEN,
        namespace: NAMESPACE.to_owned(),
        name: "shopfront-hpa".to_owned(),
        autoscaling: Read::Seen(vec!["v2".to_owned(), "v1".to_owned()]),
        resources: Read::Seen(resources()),
        own_namespace: Read::Seen(namespace),
        pods: Read::Seen(PODS.iter().map(|(name, ip)| pod(name, ip, &deployment["spec"]["template"])).collect()),
        workload: Read::Seen(deployment),
        scale: Read::Seen(scale),
        services: Read::Seen(vec![service]),
        events: Read::Seen(Vec::new()),
        monitors: Read::Seen(vec![manifest("shopfront.yml", "ServiceMonitor")]),
        prometheuses: Read::Seen(vec![operated()]),
        pages: PODS.iter().map(|(pod, _)| page(pod)).collect(),
        access: allowed(),
        load: Read::Absent,
        ..Evidence::default()
    }
}

/// A few resources of the API server.
fn resources() -> Vec<Resource> {
    let known = |group: &str, plural: &str, kind: &str| Resource {
        group: group.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        namespaced: kind != "Namespace" && kind != "Node",
    };
    vec![
        known("", "pods", "Pod"),
        known("", "namespaces", "Namespace"),
        known("", "nodes", "Node"),
        known("", "services", "Service"),
        known("apps", "deployments", "Deployment"),
        known("networking.k8s.io", "ingresses", "Ingress"),
    ]
}

pub fn hpa() -> Value {
    let mut hpa = manifest("shopfront.yml", "HorizontalPodAutoscaler");
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": ago(3000.0),
        })
    };
    let read = "the HPA was able to successfully calculate a replica count from pods metric http_requests_per_second";
    hpa["status"] = json!({
        "currentReplicas": 2, "desiredReplicas": 2,
        "currentMetrics": [{
            "type": "Pods",
            "pods": {"metric": {"name": "http_requests_per_second"}, "current": {"averageValue": "1"}},
        }],
        "conditions": [
            condition("AbleToScale", "True", "ScaleDownStabilized", "recent recommendations were higher than current one"),
            condition("ScalingActive", "True", "ValidMetricFound", read),
            condition("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
        ],
    });
    hpa
}

/// A pod of the Deployment that has been ready for 20 minutes.
fn pod(name: &str, ip: &str, template: &Value) -> Value {
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": ago(1200.0)});
    let mut labels = template["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!("7d94b56f44");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "creationTimestamp": ago(1205.0),
            "ownerReferences": [{"kind": "ReplicaSet", "name": "shopfront-deploy-7d94b56f44"}],
        },
        "spec": template["spec"],
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "startTime": ago(1205.0),
            "conditions": [condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready")],
            "containerStatuses": [{
                "name": "shopfront", "ready": true, "restartCount": 0, "image": "shopfront:1.0",
                "state": {"running": {"startedAt": ago(1203.0)}}, "lastState": {},
            }],
        },
    })
}

fn page(pod: &str) -> Page {
    let text = |root: u32, scrapes: u32| {
        let histogram = |path: &str, count: u32| {
            format!("http_requests_count{{method=\"GET\",path=\"{path}\",status=\"200\"}} {count}\n")
        };
        format!(
            "# HELP http_requests_total The total number of HTTP requests.\n# TYPE http_requests_total counter\n\
             http_requests_total{{method=\"GET\",path=\"root\",status=\"200\"}} {root}\n\
             # TYPE http_requests histogram\n{}{}",
            histogram("root", root),
            histogram("metrics", scrapes),
        )
    };
    Page {
        pod: pod.to_owned(),
        port: 9898,
        path: "/metrics".to_owned(),
        first: Read::Seen(text(1200, 480)),
        second: Read::Seen(text(1206, 484)),
        apart: 6.0,
    }
}
