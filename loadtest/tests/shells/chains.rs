//! Broken chains, each of which has the doctor print another command; and the places of their texts.

use loadtest::doctor::evidence::{Evidence, HPA_CONTROLLER, Load, Server};
use loadtest::kube::access::access;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::altered::{
    answers, argument, conditions, counting_scrapes, down, not_found, results, rewritten, unavailable, without_results,
    without_targets,
};
use crate::healthy::{ACCOUNT, ADAPTER_LIST, ADAPTER_QUERY, KEDA_QUERY, NAMESPACE, PODS, adapter, ago, keda};
use crate::seen;

/// Where nobody but the API server writes, or what is no text of an object.
const NOT_OTHERS: [&str; 9] = [
    "/version",
    "/resources",
    "/autoscaling",
    "/access",
    "creationTimestamp",
    "lastTransitionTime",
    "startedAt",
    "startTime",
    "discoveredLabels",
];

/// The places of texts that others choose.
pub fn places(whole: &Value) -> Vec<String> {
    fn within(value: &Value, pointer: &str, all: &mut Vec<String>) {
        match value {
            Value::String(text) if !matches!(text.as_str(), "absent" | "notAsked") => all.push(pointer.to_owned()),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| within(item, &format!("{pointer}/{at}"), all));
            }
            Value::Object(fields) => fields.iter().for_each(|(name, item)| {
                within(item, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }),
            _ => {}
        }
    }
    let mut all = Vec::new();
    within(whole, "", &mut all);
    all.retain(|place| !NOT_OTHERS.iter().any(|not| place.contains(not)));
    all
}

/// A name, a chain that holds, and what breaks it.
type Broken = (&'static str, fn() -> Evidence, fn(&mut Evidence));

/// Each by a name.
pub fn all() -> Vec<(&'static str, Evidence)> {
    let breaks = |(name, healthy, change): Broken| {
        let mut evidence = healthy();
        change(&mut evidence);
        (name, evidence)
    };
    let chains = [of_monitors(), of_rules(), of_objects()].concat();
    chains.into_iter().map(breaks).chain([("no list of answers", without_list())]).collect()
}

/// Between the pods' objects and Prometheus.
fn of_monitors() -> Vec<Broken> {
    vec![
        ("a monitor without a label", adapter, |it| {
            without_targets(it);
            seen(&mut it.prometheuses)[0]["spec"]["serviceMonitorSelector"] =
                json!({"matchLabels": {"release": "kps"}});
        }),
        ("a Service without a label", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors)[0]["spec"]["selector"]["matchLabels"] = json!({"team": "shop"});
            seen(&mut it.services)[0]["metadata"]["labels"] = Value::Null;
        }),
        ("a namespace without a label", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors)[0]["metadata"]["namespace"] = json!(NAMESPACE);
            seen(&mut it.prometheuses)[0]["spec"]["serviceMonitorNamespaceSelector"] =
                json!({"matchLabels": {"scrape": "yes"}});
        }),
        ("no monitor", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors).clear();
            seen(&mut it.prometheuses)[0]["spec"]["serviceMonitorSelector"] =
                json!({"matchLabels": {"release": "kps"}});
        }),
        ("a monitor that looks elsewhere", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors)[0]["spec"]["namespaceSelector"]["matchNames"] = json!(["shop"]);
        }),
        ("a monitor of other labels", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors)[0]["spec"]["selector"] = json!({"matchLabels": {"app": "shop"}});
        }),
        ("a monitor of another port", adapter, |it| {
            without_targets(it);
            seen(&mut it.monitors)[0]["spec"]["endpoints"][0]["port"] = json!("http");
        }),
        ("Prometheus may not look", adapter, |it| {
            without_targets(it);
            let slices = access(ACCOUNT, "list", "discovery.k8s.io", "endpointslices", NAMESPACE);
            it.access.insert(slices, Read::Seen(false));
        }),
        ("a target of another path", adapter, |it| {
            down(it, "server returned HTTP status 404 Not Found", ":9898/wrong");
        }),
        ("a target of another port", adapter, |it| {
            down(it, "dial tcp 10.244.0.11:9999: connect: connection refused", ":9999/metrics");
            seen(&mut it.services)[0]["spec"]["ports"][0]["targetPort"] = json!(9999);
        }),
    ]
}

/// Between Prometheus' series and the HPA's metric.
fn of_rules() -> Vec<Broken> {
    vec![
        ("a counter that is not there", keda, |it| {
            it.pages.iter_mut().for_each(|page| {
                page.first = Read::Seen("other_total 1\n".to_owned());
                page.second = page.first.clone();
            });
            without_results(it);
        }),
        ("a counter of scrapes", adapter, counting_scrapes),
        ("a counter of scrapes, with KEDA", keda, counting_scrapes),
        ("no rule", adapter, |it| {
            not_found(it);
            seen(&mut it.server.config)["data"]["config.yaml"] =
                json!("rules:\n  - {seriesQuery: other_total, resources: {template: <<.Resource>>}}\n");
        }),
        ("a rule of another name", adapter, |it| {
            not_found(it);
            rewritten(it, "${1}_per_second", "${1}_rate");
        }),
        ("a rule that fits nothing", adapter, |it| {
            not_found(it);
            rewritten(it, "^(.*)_total", "^(.*)_count$");
        }),
        ("a short window", adapter, |it| {
            rewritten(it, "[2m]", "[5s]");
            answers(it, 200, json!({"items": []}));
        }),
        ("a query that does not group", adapter, |it| {
            answers(it, 200, json!({"items": []}));
            rewritten(it, " by (<<.GroupBy>>)", "");
            results(it, ADAPTER_QUERY.trim_end_matches(" by (pod)"), &[json!({"metric": {}, "value": [1, "2"]})]);
        }),
        ("an adapter older than its rules", adapter, |it| {
            seen(&mut it.server.config)["metadata"]["managedFields"] =
                json!([{"time": ago(60.0), "fieldsV1": {"f:data": {"f:config.yaml": {}}}}]);
            not_found(it);
        }),
        ("an adapter that asks elsewhere", adapter, |it| {
            not_found(it);
            let url = "http://prometheus-k8s.monitoring.svc:9091/";
            argument(it, 3, &format!("--prometheus-url={url}"));
            it.prometheus.url = Read::Seen(url.to_owned());
        }),
        ("a trigger that asks elsewhere", keda, |it| {
            let url = "http://prometheus.monitoring.svc:9090";
            it.prometheus.url = Read::Seen(url.to_owned());
            seen(&mut it.scaled_object)["spec"]["triggers"][0]["metadata"]["serverAddress"] = json!(url);
            it.prometheus.service = Read::Absent;
            answers(it, 500, json!({"kind": "Status", "message": "unable to fetch metrics"}));
        }),
        ("a trigger that finds nothing", keda, |it| results(it, KEDA_QUERY, &[])),
    ]
}

/// The API, the HPA, and what it scales.
fn of_objects() -> Vec<Broken> {
    vec![
        ("no APIService", adapter, |it| {
            let candidates = it.server.candidates.clone();
            it.server = Server { api_service: Read::Absent, candidates, ..Server::default() };
            answers(it, 404, json!({"message": "the server could not find the requested resource"}));
        }),
        ("an APIService of another port", adapter, |it| {
            unavailable(it, "ServicePortError", "no port", 300.0);
            seen(&mut it.server.api_service)["spec"]["service"]["port"] = json!(8443);
        }),
        ("a controller without the right", adapter, |it| {
            let right =
                access(HPA_CONTROLLER, "get", "custom.metrics.k8s.io", "pods/http_requests_per_second", NAMESPACE);
            it.access.insert(right, Read::Seen(false));
            conditions(it, "FailedGetPodsMetric", "unable to get metric: forbidden", 60.0);
        }),
        ("a workload elsewhere", adapter, |it| {
            it.workload = Read::Absent;
            it.elsewhere = vec!["shop".to_owned()];
        }),
        ("no replicas", adapter, |it| {
            seen(&mut it.scale)["spec"] = json!({});
            seen(&mut it.pods).clear();
        }),
        ("no memory", adapter, |it| {
            let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": ago(200.0), "finishedAt": ago(20.0)}});
            unready(it, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), &ended, 600.0);
        }),
        ("a change that fails", adapter, |it| {
            unready(it, &json!({"waiting": {"reason": "ImagePullBackOff"}}), &json!({}), 60.0);
            let workload = seen(&mut it.workload);
            workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
            let mut served = it.pods.items()[0].clone();
            served["metadata"]["labels"]["pod-template-hash"] = json!("5f4d6c7b8");
            served["metadata"]["creationTimestamp"] = json!(ago(9000.0));
            served["status"]["containerStatuses"][0]["ready"] = json!(true);
            seen(&mut it.pods).push(served);
        }),
        ("a program that fails", adapter, |it| {
            unready(it, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), &json!({}), 600.0);
        }),
        ("two HPAs", adapter, |it| {
            let mut other = it.hpa.seen().expect("it is there").clone();
            other["metadata"]["name"] = json!("second-hpa");
            other["metadata"]["creationTimestamp"] = json!(ago(60.0));
            seen(&mut it.hpas).push(other);
        }),
        ("a load that falls short", adapter, |it| {
            it.load =
                Read::Seen(Load { pod: "loadtest-x".to_owned(), seconds: 10.0, due: 100, answered: 40, dropped: 0 });
        }),
        ("a load balancer without an address", keda, |it| {
            seen(&mut it.services)[0]["status"] = json!({"loadBalancer": {}});
            it.pages.iter_mut().for_each(|page| page.second = page.first.clone());
        }),
    ]
}

fn without_list() -> Evidence {
    let mut evidence = adapter();
    evidence.answers.insert(ADAPTER_LIST.to_owned(), Answer { status: 404, body: json!("404 page not found") });
    not_served(&mut evidence);
    evidence
}

/// Another server owns the `APIService`.
fn not_served(evidence: &mut Evidence) {
    seen(&mut evidence.server.deployment)["metadata"]["name"] = json!("datadog-cluster-agent");
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0] =
        json!({"name": "agent", "image": "registry.example/datadog/cluster-agent:7"});
    answers(evidence, 404, json!({"message": "no"}));
}

fn unready(evidence: &mut Evidence, state: &Value, last: &Value, age: f64) {
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["creationTimestamp"] = json!(ago(age));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "message": "containers not ready"}]);
        pod["status"]["containerStatuses"] =
            json!([{"name": "shopfront", "ready": false, "restartCount": 5, "state": state, "lastState": last}]);
    }
    assert_eq!(evidence.pods.items().len(), PODS.len());
}
