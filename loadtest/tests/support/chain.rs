//! A fake API server with an autoscaling chain that has none of this project's names.

use std::sync::Mutex;

use http::StatusCode;
use serde_json::{Value, json};

/// A fake API server. It answers 404 for any path that it does not have.
pub struct Api {
    pub documents: Vec<(&'static str, Value)>,
    pub forbidden: Vec<&'static str>,
    /// Paths that get no answer.
    #[allow(dead_code, reason = "one of the tests that share this has such paths")]
    pub silent: Vec<&'static str>,
    pub asked: Mutex<Vec<String>>,
}

impl Api {
    pub fn respond(&self, method: &str, path: &str) -> (StatusCode, String) {
        self.asked.lock().unwrap().push(format!("{method} {path}"));
        let status = |code: StatusCode, reason: &str| {
            let body = json!({"kind": "Status", "status": "Failure", "message": format!("{path}: {reason}"), "reason": reason, "code": code.as_u16()});
            (code, body.to_string())
        };
        if self.forbidden.iter().any(|forbidden| path.starts_with(forbidden)) {
            return status(StatusCode::FORBIDDEN, "Forbidden");
        }
        let bare = path.split('?').next().unwrap_or_default();
        match self.documents.iter().find(|(known, _)| *known == bare) {
            Some((_, Value::String(text))) => (StatusCode::OK, text.clone()),
            Some((_, document)) => (StatusCode::OK, document.to_string()),
            None => match bare.split_once("/proxy/") {
                // A pod listens on the ports of its documents.
                Some((port, _))
                    if self.documents.iter().any(|(known, _)| known.starts_with(&format!("{port}/proxy/"))) =>
                {
                    (StatusCode::NOT_FOUND, "404 page not found\n".to_owned())
                }
                Some(_) => status(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "error trying to reach service: dial tcp 10.244.0.11: connect: connection refused",
                ),
                None => status(StatusCode::NOT_FOUND, "NotFound"),
            },
        }
    }
}

pub fn list(kind: &str, items: &[Value]) -> Value {
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// One pod, its HPA on prometheus-adapter's metric `hits_per_second`, and a Prometheus with one replica.
pub fn chain() -> Api {
    let hpa = json!({
        "metadata": {"name": "hpa", "namespace": "shop"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "till"},
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "hits_per_second"}, "target": {"type": "AverageValue", "averageValue": "2"}}}],
        },
    });
    let labels = |name: &str| json!({"matchLabels": {"app": name}});
    let pod = |name: &str, namespace: &str, port: u16| {
        json!({
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"serviceAccountName": name, "containers": [{"name": "main", "ports": [{"name": "web", "containerPort": port}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    };
    let service = |name: &str, namespace: &str, port: u16| {
        json!({
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": "web"}]},
        })
    };
    let monitor = json!({
        "metadata": {"name": "till", "namespace": "watch"},
        "spec": {
            "namespaceSelector": {"matchNames": ["shop"]}, "selector": labels("till"),
            "endpoints": [{"port": "http", "path": "/counts"}],
        },
    });
    let adapter = json!({
        "metadata": {"name": "bridge", "namespace": "watch"},
        "spec": {"template": {
            "metadata": {"labels": {"app": "bridge"}},
            "spec": {
                "containers": [{"name": "main", "args": [
                    "--prometheus-url", "http://user:hidden@prom.watch.svc:80/base",
                    "--metrics-relist-interval=1m", "--metrics-max-age=2m",
                ]}],
                "volumes": [{"configMap": {"name": "ciphers"}}, {"configMap": {"name": "rules"}}],
            },
        }},
    });
    let rules = "rules:\n- seriesQuery: hits_total{pod!=\"\"}\n  name: {as: hits_per_second}\n  metricsQuery: sum(rate(<<.Series>>[2m])) by (pod)\n";
    let review = json!({"kind": "SubjectAccessReview", "status": {"allowed": true}});
    let mut documents = vec![
        (
            "/version",
            json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        ),
        ("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/hpa", hpa.clone()),
        ("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers", list("HorizontalPodAutoscaler", &[hpa])),
        ("/apis/autoscaling", json!({"versions": [{"version": "v2"}, {"version": "v1"}]})),
        (
            "/apis/apps/v1",
            json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
                {"name": "statefulsets", "singularName": "", "kind": "StatefulSet", "namespaced": true, "verbs": ["get"]},
            ]}),
        ),
        (
            "/apis/apps/v1/namespaces/shop/statefulsets/till",
            json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "till", "namespace": "shop"},
                "spec": {"replicas": 1, "selector": labels("till"), "template": {"metadata": {"labels": {"app": "till"}}}},
            }),
        ),
        (
            "/apis/apps/v1/namespaces/shop/statefulsets/till/scale",
            json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 1}, "status": {"replicas": 1, "selector": "app=till"}}),
        ),
        ("/api/v1/namespaces/shop/pods", list("Pod", &[pod("till", "shop", 8080)])),
        ("/api/v1/namespaces/shop/services", list("Service", &[service("till", "shop", 80)])),
        ("/apis/monitoring.coreos.com/v1/servicemonitors", list("ServiceMonitor", &[monitor])),
        ("/apis/monitoring.coreos.com/v1/podmonitors", list("PodMonitor", &[])),
        ("/api/v1/namespaces/shop/pods/till:8080/proxy/counts", json!("hits_total 7\n")),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.custom.metrics.k8s.io",
            json!({"spec": {"group": "custom.metrics.k8s.io", "version": "v1beta1", "service": {"namespace": "watch", "name": "bridge"}}}),
        ),
        ("/api/v1/namespaces/watch/services/bridge", service("bridge", "watch", 443)),
        ("/apis/apps/v1/namespaces/watch/deployments", list("Deployment", &[adapter])),
        ("/api/v1/namespaces/watch/configmaps/rules", json!({"data": {"config.yaml": rules}})),
        ("/api/v1/namespaces/watch/configmaps/ciphers", json!({"data": {"list": "none"}})),
        ("/api/v1/namespaces/watch/services/prom", service("prom", "watch", 80)),
        ("/api/v1/namespaces/watch/pods", list("Pod", &[pod("prom", "watch", 9090)])),
        ("/apis/authorization.k8s.io/v1/subjectaccessreviews", review),
    ];
    documents.extend(prometheus());
    // Deployments may be listed in one namespace only.
    let forbidden = vec![
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces/shop/events",
        "/api/v1/namespaces/watch/pods/prom/portforward",
    ];
    Api { documents, forbidden, silent: Vec::new(), asked: Mutex::default() }
}

/// The answers of Prometheus' replica, through the API server's proxy.
fn prometheus() -> Vec<(&'static str, Value)> {
    let found = json!({"status": "success", "data": [{"__name__": "hits_total", "namespace": "shop", "pod": "till"}]});
    let targets = json!({"status": "success", "data": {
        "activeTargets": [
            {"labels": {"namespace": "shop", "pod": "till"}, "health": "up", "scrapeUrl": "http://10.244.0.11:8080/counts"},
            {"labels": {"namespace": "else"}},
        ],
        "droppedTargets": [],
    }});
    let prometheus = "/api/v1/namespaces/watch/pods/prom:9090/proxy/base";
    let at = |path: &str| &*format!("{prometheus}{path}").leak();
    vec![
        (at("/-/ready"), json!("Prometheus Server is Ready.\n")),
        (at("/api/v1/targets"), targets),
        (at("/api/v1/series"), found),
        (at("/api/v1/query"), json!({"status": "success", "data": {"resultType": "vector", "result": []}})),
    ]
}

/// The same chain without a broken link: Prometheus and the metrics API have a value.
#[allow(dead_code, reason = "not all of the tests that share this want it")]
pub fn unbroken() -> Api {
    let mut api = chain();
    let value = json!({"metric": {"namespace": "shop", "pod": "till"}, "value": [0, "1"]});
    for (path, document) in &mut api.documents {
        if path.ends_with("/api/v1/query") {
            document["data"]["result"] = json!([value]);
        }
    }
    let served = json!({"describedObject": {"kind": "Pod", "namespace": "shop", "name": "till"}, "value": "1"});
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/*/hits_per_second";
    api.documents.push((path, list("MetricValue", &[served])));
    api
}
