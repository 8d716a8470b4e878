//! A cluster in which every text is hostile: what an API server answers, what it refuses, and the kubeconfig.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};

use super::server::Server;
use super::{HOSTILE, poison, prints_clean};

/// Which fields are hostile.
type IsHostile = fn(&str) -> bool;

/// What stays as it is, so that one thing leads to the next.
const KEPT: [&str; 4] = ["name", "namespace", "uid", "apiVersion"];

/// An API server with one HPA, whose objects and refusals are hostile wherever `is_hostile` says so of a field.
async fn server(folder: &std::path::Path, is_hostile: IsHostile) -> Server {
    Server::start(folder, move |request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(request.uri().path(), is_hostile))
    })
    .await
}

fn answer(path: &str, is_hostile: IsHostile) -> Response<Full<Bytes>> {
    let (status, mut body) = match object(path) {
        Some(body) => (StatusCode::OK, body),
        None => (
            StatusCode::FORBIDDEN,
            json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403,
            }),
        ),
    };
    poison(&mut body, &|name, _| !is_hostile(name));
    let answer = Response::builder().status(status).header("content-type", "application/json");
    // As a server writes it that escapes no more than it has to.
    answer.body(Full::new(Bytes::from(body.to_string()))).expect("an answer")
}

fn object(path: &str) -> Option<Value> {
    let list = |kind: &str, items: &[Value]| json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
    let condition =
        json!({"type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric", "message": "no"});
    let metric = json!({"type": "Pods", "pods": {"metric": {"name": "rate"}, "target": {"type": "AverageValue", "averageValue": "2"}}});
    let hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop-hpa", "namespace": "shops"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                 "maxReplicas": 2, "metrics": [metric]},
        "status": {"desiredReplicas": 1, "currentReplicas": 1, "conditions": [condition]},
    });
    let pod = json!({"metadata": {"name": "shop-0", "namespace": "shops", "uid": "1"},
                     "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let event = json!({"metadata": {"name": "e", "namespace": "shops", "uid": "2"}, "reason": "Killing", "message": "it ends",
                       "involvedObject": {"kind": "Pod", "name": "shop-0"}, "type": "Warning", "count": 1});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": "shops"},
                            "spec": {"template": {"metadata": {"labels": {"app": "shop"}}}}});
    Some(match path {
        "/version" => json!({"major": "1", "minor": "34"}),
        "/apis/autoscaling/v2/horizontalpodautoscalers"
        | "/apis/autoscaling/v2/namespaces/shops/horizontalpodautoscalers" => {
            list("HorizontalPodAutoscalerList", &[hpa])
        }
        "/apis/autoscaling/v2/namespaces/shops/horizontalpodautoscalers/shop-hpa" => hpa,
        "/apis/apps/v1/namespaces/shops/deployments/shop" => deployment,
        "/apis/apps/v1" => json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
            {"name": "deployments", "singularName": "deployment", "kind": "Deployment", "namespaced": true, "verbs": ["get"]}]}),
        "/apis/apps/v1/namespaces/shops/deployments/shop/scale" => json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": {}, "status": {"replicas": 1, "selector": "app=shop"}}),
        "/api/v1/namespaces/shops/pods" => list("PodList", &[pod]),
        "/api/v1/namespaces/shops/events" => list("EventList", &[event]),
        _ => return None,
    })
}

#[tokio::test]
async fn a_clusters_answers_are_shown_without_terminal_escapes() {
    let load = ["--url", "http://127.0.0.1:1/", "--stage", "1rps:1s"];
    // Everything; then one kind of field at a time, so that the tool comes further.
    let fields: [(&str, IsHostile); 6] = [
        ("everything", |name| !KEPT.contains(&name)),
        ("names", |name| name == "name"),
        ("kinds", |name| name == "kind"),
        ("messages", |name| matches!(name, "message" | "reason")),
        ("values", |name| matches!(name, "averageValue" | "selector" | "type" | "status")),
        ("versions", |name| matches!(name, "apiVersion" | "major" | "minor")),
    ];
    for (what, is_hostile) in fields {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let api = server(folder.path(), is_hostile).await;
        let kubeconfig = Some(api.kubeconfig.as_path());
        for arguments in [
            vec!["doctor"],
            vec!["doctor", "shops/shop-hpa", "--json"],
            vec!["run", "--hpa", "shops/shop-hpa", load[0], load[1], load[2], load[3]],
            vec!["run", "--hpa", "shops/shop-hpa", "--skip-doctor", load[0], load[1], load[2], load[3]],
            vec!["run", "--skip-doctor", "--json", load[0], load[1], load[2], load[3]],
        ] {
            let ran = prints_clean(&arguments, kubeconfig).await;
            let said = [ran.stdout, ran.stderr].concat();
            assert!(!said.is_empty(), "{what}: {arguments:?} says nothing");
        }
    }
}

#[tokio::test]
async fn a_kubeconfig_is_reported_without_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("kubeconfig");
    let config = |context: &str, cluster: &str, server: &str, current: &str| {
        json!({"apiVersion": "v1", "kind": "Config", "users": [], "current-context": current,
               "clusters": [{"name": cluster, "cluster": {"server": server}}],
               "contexts": [{"name": context, "context": {"cluster": cluster}}]})
        .to_string()
    };
    let hostile_server = format!("http://{HOSTILE}/");
    for text in [
        config("a", "b", "http://127.0.0.1:1", HOSTILE),
        config(HOSTILE, "b", "http://127.0.0.1:1", "a"),
        config(HOSTILE, HOSTILE, "http://127.0.0.1:1", HOSTILE),
        config("a", "b", &hostile_server, "a"),
        format!("{HOSTILE}: ["),
        format!("clusters: {HOSTILE}"),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        for arguments in [&["doctor"][..], &["run", "--stage", "1rps:1s"], &["doctor", "--context", HOSTILE]] {
            let ran = prints_clean(arguments, Some(&file)).await;
            assert!(!ran.stderr.is_empty(), "{arguments:?} says nothing");
        }
    }
}
