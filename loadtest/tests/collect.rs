//! What is read of a chain, from an API server of the test's own: plain HTTP, and no right to more than it is given.

use std::convert::Infallible;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loadtest::doctor::bundle;
use loadtest::doctor::evidence::{Evidence, Read};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An API server that has these documents, refuses these paths, and knows nothing else.
struct Api {
    documents: Vec<(&'static str, Value)>,
    forbidden: Vec<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Api {
    fn respond(&self, method: &str, path: &str) -> (StatusCode, String) {
        self.asked.lock().unwrap().push(format!("{method} {path}"));
        let status = |code: StatusCode, reason: &str| {
            let told = json!({"kind": "Status", "status": "Failure", "message": format!("{path}: {reason}"), "reason": reason, "code": code.as_u16()});
            (code, told.to_string())
        };
        if self.forbidden.iter().any(|forbidden| path.starts_with(forbidden)) {
            return status(StatusCode::FORBIDDEN, "Forbidden");
        }
        let bare = path.split('?').next().unwrap_or_default();
        match self.documents.iter().find(|(known, _)| *known == bare) {
            Some((_, Value::String(text))) => (StatusCode::OK, text.clone()),
            Some((_, document)) => (StatusCode::OK, document.to_string()),
            None => match bare.split_once("/proxy/") {
                // A pod answers at the ports that some document is at.
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

/// Runs the doctor on such an API server, and gives back what it read, where it did.
async fn examined(api: Api, arguments: &[&str]) -> (Output, Option<Evidence>, Arc<Api>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Arc::new(api);
    let serving = Arc::clone(&api);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let api = Arc::clone(&serving);
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                let (status, text) = api.respond(request.method().as_str(), &path);
                let answer = Response::builder().status(status).body(http_body_util::Full::new(Bytes::from(text)));
                async move { Ok::<_, Infallible>(answer.unwrap()) }
            });
            connections.spawn(async move {
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let kubeconfig = folder.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let file = folder.path().join("bundle.json");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.arg("doctor").args(arguments).arg("--bundle").arg(&file).env("KUBECONFIG", &kubeconfig).kill_on_drop(true);
    let ran = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs");
    (ran, read(&file), api)
}

fn read(file: &Path) -> Option<Evidence> {
    file.exists().then(|| bundle::read(file).unwrap())
}

fn list(kind: &str, items: &[Value]) -> Value {
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "items": items})
}

/// One pod, its HPA by prometheus-adapter's metric `hits_per_second`, and a Prometheus of one replica.
fn chain() -> Api {
    let hpa = json!({
        "metadata": {"name": "hpa", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "till"},
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "hits_per_second"}, "target": {"type": "AverageValue", "averageValue": "2"}}}],
        },
    });
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
            "namespaceSelector": {"matchNames": ["shop"]}, "selector": {"matchLabels": {"app": "till"}},
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
                "volumes": [{"configMap": {"name": "rules"}}],
            },
        }},
    });
    let rules = "rules:\n- seriesQuery: hits_total{pod!=\"\"}\n  name: {as: hits_per_second}\n  metricsQuery: sum(rate(<<.Series>>[2m])) by (pod)\n";
    let found = json!({"status": "success", "data": [{"__name__": "hits_total", "namespace": "shop", "pod": "till"}]});
    let targets = json!({"status": "success", "data": {
        "activeTargets": [{"labels": {"namespace": "shop"}}, {"labels": {"namespace": "else"}}], "droppedTargets": [],
    }});
    let review = json!({"kind": "SubjectAccessReview", "status": {"allowed": true}});
    let prometheus = "/api/v1/namespaces/watch/pods/prom:9090/proxy/base";
    let at = |path: &str| &*format!("{prometheus}{path}").leak();
    let documents = vec![
        (
            "/version",
            json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        ),
        ("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/hpa", hpa.clone()),
        ("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers", list("HorizontalPodAutoscaler", &[hpa])),
        ("/apis/autoscaling", json!({"versions": [{"version": "v2"}, {"version": "v1"}]})),
        (
            "/apis/apps/v1/namespaces/shop/statefulsets/till",
            json!({"spec": {"selector": {"matchLabels": {"app": "till"}}}}),
        ),
        ("/apis/apps/v1/namespaces/shop/statefulsets/till/scale", json!({"status": {"selector": "app=till"}})),
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
        ("/api/v1/namespaces/watch/services/prom", service("prom", "watch", 80)),
        ("/api/v1/namespaces/watch/pods", list("Pod", &[pod("prom", "watch", 9090)])),
        (at("/-/ready"), json!("Prometheus Server is Ready.\n")),
        (at("/api/v1/targets"), targets),
        (at("/api/v1/series"), found),
        (at("/api/v1/query"), json!({"status": "success", "data": {"resultType": "vector", "result": []}})),
        ("/apis/authorization.k8s.io/v1/subjectaccessreviews", review),
    ];
    // One namespace's Deployments may be listed, not all.
    let forbidden = vec![
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces/shop/events",
        "/api/v1/namespaces/watch/pods/prom/portforward",
    ];
    Api { documents, forbidden, asked: Mutex::default() }
}

#[tokio::test]
async fn any_workload_is_read_whatever_its_names_and_nothing_is_changed() {
    let (ran, evidence, api) = examined(chain(), &["shop/hpa"]).await;
    let evidence = evidence.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(evidence.pods.items().len(), 1);
    let page = &evidence.pages[0];
    assert_eq!((page.port, page.path.as_str()), (8080, "/counts"), "as its monitor says");
    assert_eq!((page.first.seen(), page.second.seen()), (Some(&"hits_total 7\n".to_owned()), page.first.seen()));
    assert!(page.apart >= 6.0, "{}", page.apart);

    let prometheus = &evidence.prometheus;
    assert_eq!(
        prometheus.url.seen().map(String::as_str),
        Some("http://prom.watch.svc:80/base"),
        "without its password"
    );
    let replica = &prometheus.replicas[0];
    assert_eq!(replica.ready, Read::Seen(true), "through the proxy, as there is no port-forward");
    assert_eq!(replica.targets.items().len(), 1, "those of the namespace alone");
    assert_eq!(replica.series["hits_total{pod!=\"\"}"].items()[0]["pod"], "till");

    let events = evidence.events.unread().expect("they may not be read");
    assert_eq!(events.right.as_deref(), Some("list events in namespace shop"));
    assert_eq!(evidence.endpoint_slices, Read::Absent, "what is not there is no fault");
    let controller = "system:serviceaccount:kube-system:horizontal-pod-autoscaler: get \
                      pods/hits_per_second.custom.metrics.k8s.io in shop";
    assert_eq!(evidence.access[controller], Read::Seen(true));
    assert_eq!(
        evidence.access["system:serviceaccount:watch:prom: watch endpointslices.discovery.k8s.io in shop"],
        Read::Seen(true)
    );
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/*/hits_per_second?labelSelector=app%3Dtill";
    assert_eq!(evidence.answers[path].status, 404, "a refusal is what there is to see");

    let asked = api.asked.lock().unwrap();
    let series =
        asked.iter().find_map(|asked| asked.split_once("/api/v1/series?")).expect("the series are asked for").1;
    let moment = |name: &str| {
        let value = series.split('&').find_map(|part| part.strip_prefix(name));
        value.expect("it has both ends").parse::<u64>().unwrap()
    };
    assert_eq!(moment("end=") - moment("start="), 120, "as far back as the adapter looks");
    let posted: Vec<_> = asked.iter().filter(|asked| !asked.starts_with("GET ")).collect();
    assert!(posted.iter().all(|asked| asked.ends_with("/subjectaccessreviews")), "{posted:?}");
    assert!(!asked.iter().any(|asked| asked.contains("/secrets")), "{asked:?}");
}

#[tokio::test]
async fn a_page_is_found_where_the_monitor_does_not_look() {
    for (port, path) in [(json!(9999), "/counts"), (json!(8080), "/wrong"), (json!(9999), "/wrong")] {
        let mut api = chain();
        for (known, document) in &mut api.documents {
            if known.ends_with("/servicemonitors") {
                document["items"][0]["spec"]["endpoints"] = json!([{"targetPort": port, "path": path}]);
            } else if path == "/wrong" && known.ends_with("/proxy/counts") {
                *known = "/api/v1/namespaces/shop/pods/till:8080/proxy/metrics";
            } else if known.ends_with("/configmaps/rules") && port == 8080 {
                let any = r#"rules: [{seriesQuery: '{__name__=~"^h.*"}', name: {matches: ^(.*)_total$, as: '${1}_per_second'}}]"#;
                *document = json!({"data": {"config.yaml": any}});
            }
        }
        let (ran, evidence, _) = examined(api, &["shop/hpa"]).await;
        let evidence = evidence.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
        let page = &evidence.pages[0];
        let there = if path == "/wrong" { "/metrics" } else { path };
        assert_eq!((page.port, page.path.as_str()), (8080, there), "{port} {path}: {:?}", page.first);
        assert_eq!(
            (page.first.seen().map(String::as_str), page.second.seen()),
            (Some("hits_total 7\n"), page.first.seen())
        );
    }
}

#[tokio::test]
async fn a_page_without_the_counter_is_not_the_one_that_was_meant() {
    let mut api = chain();
    for (known, document) in &mut api.documents {
        if known.ends_with("/proxy/counts") {
            (*known, *document) = ("/api/v1/namespaces/shop/pods/till:8080/proxy/metrics", json!("misses_total 7\n"));
        }
    }
    let (ran, evidence, _) = examined(api, &["shop/hpa"]).await;
    let evidence = evidence.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    let page = &evidence.pages[0];
    assert_eq!((page.port, page.path.as_str()), (8080, "/counts"));
    assert!(page.first.unread().is_some_and(|unread| unread.why.starts_with("404")), "{:?}", page.first);
}

#[tokio::test]
async fn an_hpa_that_is_not_there_is_a_finding_where_there_is_none_at_all() {
    let (ran, evidence, _) = examined(chain(), &["shop/hpq"]).await;
    assert_eq!((ran.status.code(), evidence), (Some(2), None), "its name is mistyped");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there: hpa"));

    let mut api = chain();
    for (path, document) in &mut api.documents {
        if path.ends_with("/horizontalpodautoscalers") {
            *document = list("HorizontalPodAutoscaler", &[]);
        }
    }
    let (_, evidence, _) = examined(api, &["shop/hpq"]).await;
    assert_eq!(evidence.map(|evidence| evidence.hpa), Some(Read::Absent));
}

#[tokio::test]
async fn without_any_right_all_of_them_are_named() {
    let mut api = chain();
    api.forbidden = vec!["/api", "/apis"];
    let (ran, evidence, _) = examined(api, &["shop/hpa"]).await;
    let evidence = evidence.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(ran.status.code(), Some(3), "{}", String::from_utf8_lossy(&ran.stdout));
    let right = evidence.hpa.unread().and_then(|unread| unread.right.clone());
    assert_eq!(right.as_deref(), Some("get horizontalpodautoscalers.autoscaling in namespace shop"));
}
