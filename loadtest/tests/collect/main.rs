//! What `doctor` and `run` read from a fake API server.

#[path = "../support/chain.rs"]
mod chain;
mod foreign;
mod planted;
#[path = "../support/server.rs"]
mod server;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use chain::{Api, chain, list, unbroken};
use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use loadtest::doctor::bundle;
use loadtest::doctor::evidence::Evidence;
use loadtest::kube::read::Read;
use serde_json::json;
use server::Server;

/// The longest that a command may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a command against this API server.
async fn run(api: Api, arguments: &[&str]) -> (Output, Arc<Api>) {
    let folder = tempfile::tempdir().unwrap();
    let api = Arc::new(api);
    let serving = Arc::clone(&api);
    let server = Server::start(folder.path(), move |request: Request<Incoming>| {
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let (status, text) = serving.respond(request.method().as_str(), &path);
        let answer = Response::builder().status(status).body(http_body_util::Full::new(Bytes::from(text)));
        let silent = serving.silent.iter().any(|silent| path.contains(silent));
        async move { if silent { std::future::pending().await } else { Ok(answer.unwrap()) } }
    })
    .await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments).env("KUBECONFIG", &server.kubeconfig).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs");
    (output, api)
}

/// Runs the doctor, and returns the evidence that it read, if any.
async fn diagnose(api: Api, hpa: &str) -> (Output, Option<Evidence>, Arc<Api>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let (ran, api) = run(api, &["doctor", hpa, "--bundle", file.to_str().unwrap()]).await;
    (ran, read(&file), api)
}

/// The same for the HPA `shop/hpa`, of which the doctor must read evidence.
async fn evidence(api: Api) -> (Output, Evidence, Arc<Api>) {
    let (ran, evidence, api) = diagnose(api, "shop/hpa").await;
    let evidence = evidence.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    (ran, evidence, api)
}

fn read(file: &Path) -> Option<Evidence> {
    file.exists().then(|| bundle::read(file).unwrap())
}

#[tokio::test]
async fn any_workload_is_read_without_changes() {
    let (_, evidence, api) = evidence(chain()).await;
    assert_eq!(evidence.pods.items().len(), 1);
    let page = &evidence.pages[0];
    assert_eq!((page.port, page.path.as_str()), (8080, "/counts"), "from its monitor");
    assert_eq!((page.first.seen(), page.second.seen()), (Some(&"hits_total 7\n".to_owned()), page.first.seen()));
    assert!(page.apart >= 6.0, "{}", page.apart);

    let prometheus = &evidence.prometheus;
    assert_eq!(
        prometheus.url.seen().map(String::as_str),
        Some("http://prom.watch.svc:80/base"),
        "without its password"
    );
    let replica = &prometheus.replicas[0];
    assert_eq!(replica.ready, Read::Seen(true), "through the proxy, without a port-forward");
    assert_eq!(replica.targets.items().len(), 1, "only those of the namespace");
    assert_eq!(replica.series["hits_total{pod!=\"\"}"].items()[0]["pod"], "till");

    let events = evidence.events.unread().expect("they are forbidden");
    assert_eq!(events.right.as_deref(), Some("list events in namespace shop"));
    assert_eq!(evidence.prometheuses, Read::Absent, "a missing object is no error");
    let controller = "system:serviceaccount:kube-system:horizontal-pod-autoscaler: get \
                      pods/hits_per_second.custom.metrics.k8s.io in shop";
    assert_eq!(evidence.access[controller], Read::Seen(true));
    assert_eq!(
        evidence.access["system:serviceaccount:watch:prom: watch endpointslices.discovery.k8s.io in shop"],
        Read::Seen(true)
    );
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/*/hits_per_second?labelSelector=app%3Dtill";
    assert_eq!(evidence.answers[path].status, 404, "a refusal is an answer too");

    let asked = api.asked.lock().unwrap();
    let series =
        asked.iter().find_map(|asked| asked.split_once("/api/v1/series?")).expect("the series are requested").1;
    let moment = |name: &str| {
        let value = series.split('&').find_map(|part| part.strip_prefix(name));
        value.expect("it has both ends").parse::<u64>().unwrap()
    };
    assert_eq!(moment("end=") - moment("start="), 120, "the adapter's maximum age");
    let posted: Vec<_> = asked.iter().filter(|asked| !asked.starts_with("GET ")).collect();
    assert!(posted.iter().all(|asked| asked.ends_with("/subjectaccessreviews")), "{posted:?}");
    assert!(!asked.iter().any(|asked| asked.contains("/secrets")), "{asked:?}");
}

#[tokio::test]
async fn metrics_page_is_found_beside_the_monitored_port_and_path() {
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
        let (_, evidence, _) = evidence(api).await;
        let page = &evidence.pages[0];
        let there = if path == "/wrong" { "/metrics" } else { path };
        assert_eq!((page.port, page.path.as_str()), (8080, there), "{port} {path}: {:?}", page.first);
        assert_eq!(
            (page.first.seen().map(String::as_str), page.second.seen()),
            (Some("hits_total 7\n"), page.first.seen())
        );
    }
}

/// As in `k8s/ops`: a headless Service for scrapes, which is listed first, and no metrics on the public port.
#[tokio::test]
async fn metrics_page_is_read_on_the_port_of_a_headless_service() {
    let mut api = chain();
    for (known, document) in &mut api.documents {
        match *known {
            "/api/v1/namespaces/shop/pods" => {
                let ports = json!([{"name": "web", "containerPort": 8080}, {"name": "ops", "containerPort": 9797}]);
                document["items"][0]["spec"]["containers"][0]["ports"] = ports;
            }
            "/api/v1/namespaces/shop/services" => {
                let ports = json!([{"name": "ops", "port": 9797, "targetPort": "ops"}]);
                let service = json!({
                    "metadata": {"name": "till-ops", "namespace": "shop", "labels": {"app": "till-ops"}},
                    "spec": {"clusterIP": "None", "selector": {"app": "till"}, "ports": ports},
                });
                document["items"].as_array_mut().unwrap().insert(0, service);
            }
            "/apis/monitoring.coreos.com/v1/servicemonitors" => {
                let spec = &mut document["items"][0]["spec"];
                spec["selector"] = json!({"matchLabels": {"app": "till-ops"}});
                spec["endpoints"] = json!([{"port": "ops", "path": "/counts"}]);
            }
            "/api/v1/namespaces/shop/pods/till:8080/proxy/counts" => {
                *known = "/api/v1/namespaces/shop/pods/till:9797/proxy/counts";
            }
            _ => {}
        }
    }
    let (_, evidence, api) = evidence(api).await;
    let page = &evidence.pages[0];
    assert_eq!((page.port, page.path.as_str()), (9797, "/counts"));
    assert_eq!(page.second.seen().map(String::as_str), Some("hits_total 7\n"));
    assert!(!api.asked.lock().unwrap().iter().any(|asked| asked.contains("/till:8080/")), "no other port is read");
}

/// A network policy may drop the API server's proxy, but not a port-forward.
#[tokio::test]
async fn metrics_page_is_read_by_port_forward_if_the_proxy_times_out() {
    let mut api = chain();
    api.silent = vec!["/pods/till:8080/proxy/"];
    let (_, evidence, api) = evidence(api).await;
    let asked = api.asked.lock().unwrap();
    assert!(asked.iter().any(|asked| asked.contains("/pods/till/portforward")), "{asked:?}");
    // The fake server has no port-forward.
    assert_eq!(evidence.pages[0].first.unread().map(|unread| unread.why.as_str()), Some("no answer within 8 s"));
}

#[tokio::test]
async fn page_without_the_counter_does_not_replace_the_monitored_page() {
    let mut api = chain();
    for (known, document) in &mut api.documents {
        if known.ends_with("/proxy/counts") {
            (*known, *document) = ("/api/v1/namespaces/shop/pods/till:8080/proxy/metrics", json!("misses_total 7\n"));
        }
    }
    let (_, evidence, _) = evidence(api).await;
    let page = &evidence.pages[0];
    assert_eq!((page.port, page.path.as_str()), (8080, "/counts"));
    assert!(page.first.unread().is_some_and(|unread| unread.why.starts_with("404")), "{:?}", page.first);
}

#[tokio::test]
async fn missing_hpa_is_an_error_unless_its_namespace_has_none() {
    let (ran, evidence, _) = diagnose(chain(), "shop/hpq").await;
    assert_eq!((ran.status.code(), evidence), (Some(2), None), "the name is mistyped");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there: hpa"));
    let (ran, evidence, _) = diagnose(chain(), "shpo/hpa").await;
    assert_eq!((ran.status.code(), evidence), (Some(2), None), "the namespace is mistyped");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("no namespace shpo"));

    let mut api = chain();
    api.documents.push(("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop"}})));
    for (path, document) in &mut api.documents {
        if path.ends_with("/horizontalpodautoscalers") {
            *document = list("HorizontalPodAutoscaler", &[]);
        }
    }
    let (_, evidence, _) = diagnose(api, "shop/hpq").await;
    assert_eq!(evidence.map(|evidence| evidence.hpa), Some(Read::Absent));

    let mut api = chain();
    api.documents.push(("/api/v1/namespaces/elsewhere", json!({"metadata": {"name": "elsewhere"}})));
    let nothing = list("HorizontalPodAutoscaler", &[]);
    api.documents.push(("/apis/autoscaling/v2/namespaces/elsewhere/horizontalpodautoscalers", nothing));
    let all = list("HorizontalPodAutoscaler", &[json!({"metadata": {"name": "hpa", "namespace": "shop"}})]);
    api.documents.push(("/apis/autoscaling/v2/horizontalpodautoscalers", all));
    let (ran, evidence, _) = diagnose(api, "elsewhere/hpa").await;
    assert_eq!((ran.status.code(), evidence), (Some(2), None), "the HPA is in another namespace");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there is shop/hpa"));

    // KEDA does not create an HPA if the workload has another one.
    let mut api = chain();
    let object = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"scaleTargetRef": {"name": "web"}}});
    let objects = list("ScaledObject", &[object]);
    api.documents.push(("/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects", objects));
    let (_, evidence, _) = diagnose(api, "shop/keda-hpa-web").await;
    assert!(evidence.is_some_and(|evidence| evidence.scaled_object.seen().is_some()));
}

#[tokio::test]
async fn user_without_rights_gets_no_access_and_the_missing_rights() {
    let mut api = chain();
    api.forbidden = vec!["/api", "/apis"];
    let (ran, evidence, _) = evidence(api).await;
    let told = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(3), "{told}");
    assert!(
        told.contains("NO ACCESS at pod") && told.contains("Next      Grant the rights below, and ask again."),
        "{told}"
    );
    let right = evidence.hpa.unread().and_then(|unread| unread.right.clone());
    assert_eq!(right.as_deref(), Some("get horizontalpodautoscalers.autoscaling in namespace shop"));
}

#[tokio::test]
async fn silent_endpoint_does_not_delay_other_reads() {
    let mut api = chain();
    api.silent = vec!["/proxy/base/api/v1/targets"];
    let (_, evidence, _) = evidence(api).await;
    let replica = &evidence.prometheus.replicas[0];
    let why = replica.targets.unread().map(|unread| unread.why.as_str());
    assert_eq!(why, Some("no answer within 8 s"));
    assert_eq!(replica.series["hits_total{pod!=\"\"}"].items().len(), 1);
    assert!(!replica.queries.is_empty() && replica.queries.values().all(|result| result.seen().is_some()));
}

#[tokio::test]
async fn prometheus_with_a_route_prefix_is_queried_behind_it() {
    let mut api = chain();
    let object = json!({"metadata": {"name": "main", "namespace": "watch"}, "spec": {"routePrefix": "/deep/"}});
    api.documents.push(("/apis/monitoring.coreos.com/v1/prometheuses", list("Prometheus", &[object])));
    for (path, document) in &mut api.documents {
        if let Some((pod, rest)) = path.split_once("/proxy/base/") {
            *path = format!("{pod}/proxy/deep/{rest}").leak();
        } else if *path == "/api/v1/namespaces/watch/pods" {
            document["items"][0]["metadata"]["labels"]["operator.prometheus.io/name"] = json!("main");
        }
    }
    let (_, evidence, api) = evidence(api).await;
    let replica = &evidence.prometheus.replicas[0];
    assert_eq!((&replica.ready, replica.targets.items().len()), (&Read::Seen(true), 1));
    assert!(replica.queries.values().all(|result| result.seen().is_some()), "{:?}", replica.queries);
    assert!(
        !api.asked.lock().unwrap().iter().any(|asked| asked.contains("/proxy/base/")),
        "not behind the prefix of the URL"
    );
}

#[tokio::test]
async fn argo_rollout_is_scaled_like_a_deployment() {
    let mut api = chain();
    for (path, document) in &mut api.documents {
        if let Some(rest) = path.strip_prefix("/apis/apps/v1/namespaces/shop/statefulsets/") {
            *path = format!("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/{rest}").leak();
            if document["kind"] == "StatefulSet" {
                (document["apiVersion"], document["kind"]) = (json!("argoproj.io/v1alpha1"), json!("Rollout"));
            } else {
                document["spec"]["replicas"] = json!(0);
            }
        } else if path.contains("/horizontalpodautoscalers") {
            let target = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "till"});
            for spec in ["/spec", "/items/0/spec"] {
                if let Some(spec) = document.pointer_mut(spec) {
                    spec["scaleTargetRef"] = target.clone();
                }
            }
        }
    }
    let (ran, evidence, _) = evidence(api).await;
    assert_eq!(evidence.workload.seen().map(|workload| &workload["kind"]), Some(&json!("Rollout")));
    assert_eq!(evidence.pods.items().len(), 1, "by the selector of its scale");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(told.contains("Rollout shop/till: spec.replicas is 0"), "{told}");
    assert!(told.ends_with("\nkubectl -n shop scale rollout.argoproj.io/till --replicas=1\n"), "{told}");
}

/// The result of a short load. `sent` says whether the target got a connection.
struct Loaded {
    code: Option<i32>,
    out: String,
    said: String,
    sent: bool,
    asked: Vec<String>,
}

/// Runs a short load for the HPA against a target that does not answer.
async fn load(api: Api, hpa: &str, flags: &[&str]) -> Loaded {
    let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", target.local_addr().unwrap());
    let load = ["run", "--hpa", hpa, "--url", &url, "--stage", "5rps:1s", "--timeout", "1s", "--json"];
    let (ran, api) = run(api, &[&load, flags].concat()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let asked = api.asked.lock().unwrap().clone();
    let sent = target.accept().is_ok();
    Loaded { code: ran.status.code(), out: text(ran.stdout), said: text(ran.stderr), sent, asked }
}

fn without_replicas() -> Api {
    let mut api = chain();
    for (path, document) in &mut api.documents {
        if path.contains("/statefulsets/till") {
            document["spec"]["replicas"] = json!(0);
        }
    }
    api
}

#[tokio::test]
async fn load_for_an_hpa_that_cannot_scale_is_refused() {
    let Loaded { code, out, said, sent, .. } = load(without_replicas(), "shop/hpa", &[]).await;
    assert_eq!((code, out.as_str(), sent), (Some(3), "", false), "{said}");
    assert!(said.contains("(cause 21, replicas-zero)"), "{said}");
    let told = "shop/hpa cannot scale, so a load test would prove nothing; --skip-doctor sends the load anyway";
    assert!(said.contains(told), "{said}");

    let Loaded { said, sent, .. } = load(without_replicas(), "shop/hpa", &["--skip-doctor"]).await;
    assert!(sent && !said.contains("cause 21"), "{said}");
}

#[tokio::test]
async fn load_is_sent_if_no_link_is_broken() {
    let Loaded { out, said, sent, asked, .. } = load(unbroken(), "shop/hpa", &[]).await;
    assert!(sent, "{said}");
    assert!(!out.contains(r#""Assumed""#), "the rules and the monitor are found: {out}");
    // Without a port-forward, Prometheus is queried through the API server's proxy, behind its prefix.
    let query = "sum%28rate%28hits_total%7Bnamespace%3D%22shop%22%7D%5B120s%5D%29%29";
    let path = format!("GET /api/v1/namespaces/watch/pods/prom:9090/proxy/base/api/v1/query?query={query}");
    assert!(asked.contains(&path) && !out.contains("Prometheus: "), "{out}");
}

#[tokio::test]
async fn load_for_a_missing_hpa_is_refused_in_one_line() {
    let Loaded { code, out, said, sent, .. } = load(chain(), "till/typo", &[]).await;
    assert_eq!((code, out.as_str(), sent), (Some(2), "", false), "{said}");
    assert!(said.contains("no HPA typo in namespace till") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn no_planted_secret_reaches_the_bundle_or_the_screen() {
    let corpus = planted::corpus();
    assert_eq!(corpus.len(), 162);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let (text, _) = run(planted::planted(&corpus), &["doctor", "shop/hpa", "--bundle", file.to_str().unwrap()]).await;
    let (json, _) = run(planted::planted(&corpus), &["doctor", "shop/hpa", "--json"]).await;
    let bundle = std::fs::read_to_string(&file).unwrap();
    let told = [&text.stdout, &text.stderr, &json.stdout, &json.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    for shown in [bundle.as_str()].into_iter().chain(told.iter().map(AsRef::as_ref)) {
        let found = |number: &usize| shown.contains(&format!("hidden{number:03}x"));
        let leaks: Vec<_> = (0..corpus.len()).filter(found).map(|number| &corpus[number]).collect();
        assert!(leaks.is_empty(), "{} of {}: {leaks:#?}", leaks.len(), corpus.len());
    }
    // The objects around the secrets were read and kept.
    for kept in ["new-relic", "CrashLoopBackOff", "Unhealthy", "no such host", "probed", "EOF", "queryParameters"] {
        assert!(bundle.contains(kept), "{kept}: {bundle}");
    }
    let said = String::from_utf8_lossy(&text.stderr);
    for expected in ["bundle.json, the evidence of HPA shop/hpa", "2 workloads", "Read the file before you post it"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // Every message in the file is counted.
    let (_, texts) = said.split_once("\n  texts").expect("the summary names the texts");
    let texts = texts.split("\n  metrics").next().unwrap_or_default().replace('\n', " ");
    let of_messages = texts.split(", ").filter(|part| part.contains("message"));
    let counted: usize = of_messages.filter_map(|part| part.split_whitespace().next()?.parse::<usize>().ok()).sum();
    let written = |text: &str| bundle.matches(text).count();
    let messages = written("\"message\": \"") - written("\"message\": \"\"");
    assert_eq!(counted, messages + written("\"body\": \""), "{said}");
    for kind in ["condition messages", "container messages", "event messages", "scrape error"] {
        assert!(texts.contains(kind), "{kind}: {texts}");
    }
}

/// The chain of a tenant whose `ScaledObject` has this address of Prometheus, and whose namespace has a Service `till`.
fn tenant(address: &str) -> Api {
    let mut api = chain();
    let metric = json!({"metric": {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "web"}}},
                        "target": {"type": "AverageValue", "averageValue": "2"}});
    for (path, document) in &mut api.documents {
        let hpa = match *path {
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/hpa" => document,
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers" => &mut document["items"][0],
            _ => continue,
        };
        hpa["metadata"]["ownerReferences"] = json!([{"kind": "ScaledObject", "name": "web"}]);
        hpa["spec"]["metrics"] = json!([{"type": "External", "external": metric}]);
    }
    let trigger =
        json!({"type": "prometheus", "metadata": {"serverAddress": address, "query": "sum(rate(hits_total[2m]))"}});
    let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "web", "namespace": "shop"},
                        "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "till"}, "triggers": [trigger]}});
    api.documents.push(("/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/web", object));
    let service = json!({"metadata": {"name": "till", "namespace": "shop"},
                         "spec": {"selector": {"app": "till"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}});
    api.documents.push(("/api/v1/namespaces/shop/services/till", service));
    api
}

/// The printed text without line breaks.
fn words(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the doctor sent Prometheus' requests to this pod.
fn asked_of(api: &Api, pod: &str) -> bool {
    let asked = api.asked.lock().unwrap();
    let api = asked.iter().any(|asked| asked.contains(&format!("/pods/{pod}")) && asked.contains("/proxy/api/v1/"));
    api || asked.iter().any(|asked| asked.contains(&format!("/pods/{pod}/portforward")))
}

#[tokio::test]
async fn tenants_own_prometheus_is_queried_only_with_trust_prometheus() {
    for address in ["http://till.shop.svc:80", "http://till.shop:80", "http://till.shop.svc.cluster.local"] {
        let (ran, api) = run(tenant(address), &["doctor", "shop/hpa"]).await;
        let told = words(&ran);
        assert!(!asked_of(&api, "till"), "{address}: {:?}", api.asked.lock().unwrap());
        assert!(told.contains("any pod may pass for") && told.contains("--trust-prometheus"), "{told}");
        // The chain has no KEDA metrics server either, which is another link's.
        assert!(told.contains("? target Prometheus shop/till: not asked") && !told.contains("✗ series"), "{told}");
    }
    let (ran, api) = run(tenant("http://till.shop.svc:80"), &["doctor", "shop/hpa", "--trust-prometheus"]).await;
    assert!(asked_of(&api, "till"), "{}", String::from_utf8_lossy(&ran.stderr));

    let (ran, api) = run(tenant("http://prom.watch.svc:80/base"), &["doctor", "shop/hpa"]).await;
    let told = words(&ran);
    let asked = api.asked.lock().unwrap();
    assert!(asked.iter().any(|asked| asked.contains("/pods/prom:9090/proxy/base/api/v1/query")), "{asked:?}");
    assert!(!told.contains("--trust-prometheus"), "{told}");
}
