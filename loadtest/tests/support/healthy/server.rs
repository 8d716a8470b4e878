//! The metrics API's server of the healthy chain: prometheus-adapter, or KEDA's metrics server.

use loadtest::doctor::evidence::Server;
use loadtest::kube::read::Read;
use serde_json::json;

use super::{ago, manifest};

pub fn adapter_server() -> Server {
    let mut server = server("custom.metrics.k8s.io", "monitoring", "prometheus-adapter");
    if let Read::Seen(deployment) = &mut server.deployment {
        let template = &mut deployment["spec"]["template"]["spec"];
        template["containers"][0]["args"] = json!([
            "--cert-dir=/var/run/serving-cert",
            "--config=/etc/adapter/config.yaml",
            "--metrics-relist-interval=1m",
            "--prometheus-url=http://prometheus-k8s.monitoring.svc:9090/",
            "--secure-port=6443",
        ]);
        template["volumes"] = json!([{"name": "config", "configMap": {"name": "adapter-config"}}]);
    }
    server.config = Read::Seen(manifest("custom-metrics-config.yaml", "ConfigMap"));
    server
}

pub fn keda_server() -> Server {
    Server { config: Read::NotAsked, ..server("external.metrics.k8s.io", "keda", "keda-operator-metrics-apiserver") }
}

fn server(group: &str, namespace: &str, name: &str) -> Server {
    let labels = json!({"app.kubernetes.io/name": name});
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": ago(3000.0)});
    let metadata = |name: &str| json!({"name": name, "namespace": namespace, "creationTimestamp": ago(3100.0)});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
        "spec": {"selector": labels, "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
    });
    Server {
        api_service: Read::Seen(json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": format!("v1beta1.{group}"), "creationTimestamp": ago(3100.0)},
            "spec": {
                "group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true, "service": {"name": name, "namespace": namespace, "port": 443},
            },
            "status": {"conditions": [condition("Available", "Passed")]},
        })),
        candidates: Read::Seen(vec![service.clone()]),
        service: Read::Seen(service),
        deployment: Read::Seen(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name}]}},
            },
            "status": {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
        })),
        pods: Read::Seen(vec![json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-646f9f4b54-gjzwc"), "namespace": namespace, "labels": labels,
                "creationTimestamp": ago(3000.0),
            },
            "spec": {"containers": [{"name": name}]},
            "status": {
                "phase": "Running", "startTime": ago(3000.0), "conditions": [condition("Ready", "")],
                "containerStatuses": [{
                    "name": name, "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": ago(2998.0)}}, "lastState": {},
                }],
            },
        })]),
        log: Read::Seen(String::new()),
        ..Server::default()
    }
}
