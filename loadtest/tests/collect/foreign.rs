//! What is read of set-ups that are not this project's own: `ScaledObject`s, several endpoints, and wrong addresses.

use loadtest::kube::read::Read;
use serde_json::{Value, json};

use crate::chain::{Api, chain, list};
use crate::{diagnose, evidence, run};

const OBJECTS: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects";

fn object() -> Value {
    json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "till", "namespace": "shop"},
           "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "till"}, "triggers": [{"type": "cron"}]}})
}

/// A cluster whose only autoscaler is a `ScaledObject` without an HPA.
fn without_hpa() -> Api {
    let mut api = chain();
    api.documents.retain(|(path, _)| !path.ends_with("/horizontalpodautoscalers/hpa"));
    for (path, document) in &mut api.documents {
        if path.ends_with("/horizontalpodautoscalers") {
            *document = list("HorizontalPodAutoscaler", &[]);
        }
    }
    api.documents.push((OBJECTS, list("ScaledObject", &[object()])));
    api
}

#[tokio::test]
async fn cluster_without_an_hpa_is_told_what_it_has_and_what_comes_next() {
    for arguments in [&["doctor"][..], &["doctor", "-A"]] {
        let mut api = without_hpa();
        api.documents.retain(|(path, _)| *path != OBJECTS);
        api.forbidden.clear();
        api.documents.push(("/apis/autoscaling/v2/horizontalpodautoscalers", list("HorizontalPodAutoscaler", &[])));
        let adapter = json!({"kind": "Deployment", "metadata": {"name": "bridge", "namespace": "watch"}, "status": {"readyReplicas": 1},
            "spec": {"template": {"spec": {"containers": [{"image": "example.org/prometheus-adapter/prometheus-adapter:v1"}]}}}});
        api.documents.push(("/apis/apps/v1/deployments", list("Deployment", &[adapter])));
        api.documents.push(("/api/v1/services", list("Service", &[])));
        let (output, _) = run(api, arguments).await;
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.starts_with("There is no HPA in this cluster (Kubernetes 1.34.0)"), "{text}");
        assert!(text.contains("✓ prometheus-adapter   Deployment watch/bridge"), "{text}");
        assert!(
            text.contains("- CPU and memory       nobody serves metrics.k8s.io") && text.contains("metrics-server"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn scaled_object_is_accepted_by_its_own_name() {
    let mut api = without_hpa();
    let owner = json!({"kind": "ScaledObject", "name": "till"});
    let hpa =
        json!({"metadata": {"name": "keda-hpa-till", "namespace": "shop", "ownerReferences": [owner]}, "spec": {}});
    api.documents.push(("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/keda-hpa-till", hpa));
    let (_, evidence, _) = diagnose(api, "shop/till").await;
    let evidence = evidence.unwrap();
    assert_eq!(evidence.name, "keda-hpa-till");
    assert!(evidence.hpa.seen().is_some() && evidence.scaled_object.seen().is_some());
}

#[tokio::test]
async fn only_scaled_object_of_a_cluster_without_hpas_is_meant() {
    let mut api = without_hpa();
    api.documents.push(("/apis/autoscaling/v2/horizontalpodautoscalers", list("HorizontalPodAutoscaler", &[])));
    api.documents.push((
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
        list("HorizontalPodAutoscaler", &[]),
    ));
    let mut paused = object();
    paused["metadata"]["annotations"] = json!({"autoscaling.keda.sh/paused": "true"});
    for (path, document) in &mut api.documents {
        if *path == OBJECTS {
            *document = list("ScaledObject", &[paused.clone()]);
        }
    }
    api.documents.push(("/apis/keda.sh/v1alpha1/scaledobjects", list("ScaledObject", &[paused])));
    let (ran, _) = run(api, &["doctor"]).await;
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(told.contains("scaler-paused") && told.contains("autoscaling.keda.sh/paused-"), "{told}{:?}", ran.stderr);
    assert!(!told.contains("v2beta2"), "{told}");
}

#[tokio::test]
async fn mistyped_name_beside_a_scaled_object_names_that() {
    let mut api = without_hpa();
    api.documents.push(("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop"}})));
    let (ran, evidence, _) = diagnose(api, "shop/tile").await;
    assert_eq!((ran.status.code(), evidence), (Some(2), None));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("its ScaledObjects are till"), "{:?}", ran.stderr);
}

#[tokio::test]
async fn counter_on_the_second_endpoint_is_found() {
    let mut api = chain();
    api.documents.retain(|(path, _)| !path.contains("/proxy/counts"));
    for (path, document) in &mut api.documents {
        if path.ends_with("/servicemonitors") {
            document["items"][0]["spec"]["endpoints"] = json!([{"port": "http"}, {"port": "http", "path": "/counts"}]);
        }
    }
    let proxy = "/api/v1/namespaces/shop/pods/till:8080/proxy";
    api.documents.push((&*format!("{proxy}/metrics").leak(), json!("# TYPE go_total counter\ngo_total 1\n")));
    api.documents.push((&*format!("{proxy}/counts").leak(), json!("hits_total 7\n")));
    let (_, evidence, _) = evidence(api).await;
    let page = &evidence.pages[0];
    assert_eq!((page.path.as_str(), page.first.seen().map(String::as_str)), ("/counts", Some("hits_total 7\n")));
}

#[tokio::test]
async fn target_in_a_group_that_has_lost_its_kind_is_read_where_it_is() {
    let mut api = chain();
    for (path, document) in &mut api.documents {
        if path.ends_with("/horizontalpodautoscalers/hpa") {
            document["spec"]["scaleTargetRef"]["apiVersion"] = json!("extensions/v1beta1");
        }
    }
    let resource = json!({"resource": "statefulsets", "singularResource": "statefulset", "scope": "Namespaced",
                          "responseKind": {"group": "apps", "version": "v1", "kind": "StatefulSet"}});
    let apps = json!({"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [resource]}]});
    api.documents.push(("/apis", json!({"kind": "APIGroupDiscoveryList", "items": [apps]})));
    api.documents.push(("/api", json!({"kind": "APIGroupDiscoveryList", "items": []})));
    api.documents.push(("/apis/apps", json!({"name": "apps", "preferredVersion": {"groupVersion": "apps/v1"}})));
    let (ran, evidence, _) = evidence(api).await;
    assert_eq!(evidence.workload.seen().map(|workload| &workload["apiVersion"]), Some(&json!("apps/v1")));
    assert!(evidence.pods.seen().is_some_and(|pods| pods.len() == 1));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("scale-target-version"));
}

#[tokio::test]
async fn prometheus_without_the_path_of_its_url_is_asked_without_it() {
    let mut api = chain();
    for (path, _) in &mut api.documents {
        *path = path.replace("/proxy/base/", "/proxy/").leak();
    }
    let (_, evidence, _) = evidence(api).await;
    let replica = &evidence.prometheus.replicas[0];
    assert_eq!((&replica.ready, replica.unprefixed), (&Read::Seen(true), true));
    assert!(replica.targets.seen().is_some() && replica.queries.values().all(|answer| answer.seen().is_some()));
}
