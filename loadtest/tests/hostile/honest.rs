//! What a large cluster honestly has is read all the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use loadtest::doctor::bundle;
use serde_json::{Value, json};

use crate::chain::{chain, list};
use crate::measured::{MIB, run};

#[path = "../support/server.rs"]
mod server;

const PODS: usize = 5000;

/// Some six kilobytes, as pods with a sidecar are.
fn pod(number: usize) -> Value {
    let variables: Vec<Value> = (0..20)
        .map(|number| json!({"name": format!("VARIABLE_{number}"), "value": "a value of usual length"}))
        .collect();
    let container = |name: &str, port: u16| {
        json!({"name": name, "image": format!("registry.example/{name}:1.2.3"), "env": variables,
               "ports": [{"name": if port == 8080 { "web" } else { "proxy" }, "containerPort": port, "protocol": "TCP"}],
               "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
               "readinessProbe": {"httpGet": {"path": "/ready", "port": "web"}}})
    };
    let managed = json!([{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": {".": {}, "k:{\"type\":\"Ready\"}": {}}}}}]);
    let since = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since, "observedGeneration": 1});
    let conditions =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    let status = |name: &str| {
        json!({"name": name, "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": since}},
               "image": format!("registry.example/team/{name}:1.2.3"), "lastState": {},
               "containerID": "containerd://5f0c4ad18f0e3f4a70c3c9b52b5f0ab05f0c4ad18f0e3f4a70c3c9b52b5f0ab0"})
    };
    json!({
        "metadata": {"name": format!("till-7c9f8d6b5-{number:05}"), "generateName": "till-7c9f8d6b5-", "namespace": "shop",
                     "labels": {"app": "till", "pod-template-hash": "7c9f8d6b5"}, "managedFields": managed,
                     "uid": format!("2b5f0ab0-6f0c-4ad1-8f0e-{number:012}"), "creationTimestamp": since,
                     "resourceVersion": format!("{}", 100_000 + number)},
        "spec": {"serviceAccountName": "till", "nodeName": format!("ip-10-1-2-{}.example.internal", number % 250),
                 "containers": [container("main", 8080), container("proxy", 15000)]},
        "status": {"phase": "Running", "podIP": format!("10.1.{}.{}", number / 250, number % 250), "startTime": since,
                   "conditions": conditions,
                   "containerStatuses": [status("main"), status("proxy")]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_pods_are_read_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let api = std::sync::Arc::new(chain());
    let pods: std::sync::Arc<Vec<Value>> = std::sync::Arc::new((0..PODS).map(pod).collect());
    let pages = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&pages);
    let server = server::Server::start(folder.path(), move |request: http::Request<Incoming>| {
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let (mut status, mut text) = api.respond(request.method().as_str(), &path);
        if path.starts_with("/api/v1/namespaces/shop/pods?") {
            counted.fetch_add(1, Ordering::Relaxed);
            let number = |name: &str| path.split(name).nth(1)?.split('&').next()?.parse::<usize>().ok();
            let (limit, first) = (number("limit=").unwrap_or(PODS), number("continue=").unwrap_or(0));
            let end = (first + limit).min(PODS);
            let mut page = list("Pod", &pods[first..end]);
            if end < PODS {
                page["metadata"]["continue"] = json!(end.to_string());
            }
            (status, text) = (http::StatusCode::OK, page.to_string());
        }
        let answer = http::Response::builder().status(status).body(http_body_util::Full::new(Bytes::from(text)));
        async move { Ok(answer.unwrap()) }
    })
    .await;
    let file = folder.path().join("bundle.json");
    let arguments = ["doctor", "shop/hpa", "--bundle", file.to_str().unwrap()];
    let ran = run(&arguments, &[("KUBECONFIG", &server.kubeconfig)], Duration::from_secs(150)).await;
    println!("{} MiB, {} pages", ran.peak / MIB, pages.load(Ordering::Relaxed));
    assert!(matches!(ran.code, Some(0 | 1 | 3)), "{}{}", ran.out, ran.said);
    assert!(ran.out.contains("5000"), "{}", ran.out);
    // 36 MB of text, and what redaction copies of it.
    assert!(ran.peak < 700 * MIB, "{} MiB", ran.peak / MIB);
    let evidence = bundle::read(&file).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(evidence.pods.items().len(), PODS);
    assert!(evidence.pods.items().iter().all(|pod| pod["kind"] == "Pod" && pod["metadata"]["managedFields"].is_null()));
}
