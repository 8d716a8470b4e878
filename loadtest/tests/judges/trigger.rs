//! KEDA's trigger.

use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use crate::changed::{answers, cause, results, state};
use crate::healthy::{TAKEN, ago, keda};
use crate::{named, seen};

fn metadata(evidence: &mut Evidence) -> &mut Value {
    &mut seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]
}

fn is_not_ready(evidence: &mut Evidence, reason: &str, message: &str) {
    let ready = json!({"type": "Ready", "status": "False", "reason": reason, "message": message});
    seen(&mut evidence.scaled_object)["status"]["conditions"] = json!([ready]);
}

fn fails(evidence: &mut Evidence) {
    let message = "Internal error occurred: unable to fetch metrics: context deadline exceeded";
    answers(evidence, 500, json!({"kind": "Status", "message": message}));
}

/// Queries of a trigger that was changed, answered as the one before.
fn asked_anew(evidence: &mut Evidence, query: &str, result: &[Value]) {
    metadata(evidence)["query"] = json!(query);
    for replica in &mut evidence.prometheus.replicas {
        let counters = replica.queries.values().find(|result| result.items().len() > 1).cloned().unwrap();
        for series in
            ["http_requests_total", r#"http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}"#]
        {
            replica.queries.insert(series.to_owned(), counters.clone());
        }
    }
    results(evidence, result);
}

fn number(value: &str) -> Value {
    json!({"metric": {}, "value": [TAKEN, value]})
}

#[test]
fn an_address_that_names_no_service() {
    let mut evidence = keda();
    evidence.prometheus.url = Read::Seen("http://prometheus.monitoring.svc:9090".to_owned());
    metadata(&mut evidence)["serverAddress"] = json!("http://prometheus.monitoring.svc:9090");
    evidence.prometheus.service = Read::Absent;
    fails(&mut evidence);
    let (number, command) = cause(&evidence, Link::Rule);
    assert_eq!(number, 9);
    assert!(
        command.starts_with(
            "kubectl -n miztiik-automation-ns patch scaledobject.keda.sh/shopfront-scaledobject --type json"
        ),
        "{command}"
    );
    assert!(command.contains(r#""path":"/spec/triggers/0/metadata/serverAddress","value":"http://prometheus-operated.monitoring.svc:9090""#), "{command}");
    // It has a value all the same; but not the one that it falls back on.
    let mut works = evidence.clone();
    answers(&mut works, 200, json!({"items": [{"metricName": "s0-prometheus", "value": "2"}]}));
    assert_eq!(state(&works, Link::Rule), State::Ok);
    seen(&mut works.scaled_object)["status"]["conditions"] = json!([{"type": "Fallback", "status": "True"}]);
    assert_eq!(cause(&works, Link::Rule).0, 9);
    // An address outside the cluster is nobody's Service.
    evidence.prometheus.service = Read::NotAsked;
    assert_eq!(cause(&evidence, Link::Answer).0, 32);
}

#[test]
fn nothing_and_nan_are_read_as_zero() {
    let mut evidence = keda();
    results(&mut evidence, &[]);
    let (cause_number, command) = cause(&evidence, Link::Rule);
    assert_eq!(cause_number, 30);
    assert!(
        command.contains(
            r#""sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",service=\"shopfront-svc\"}[1m]))""#
        ),
        "{command}"
    );
    results(&mut evidence, &[number("NaN")]);
    assert_eq!(cause(&evidence, Link::Rule).0, 30);
    // Of a gauge no rate is made, and nothing is said for it.
    asked_anew(
        &mut evidence,
        r#"max(http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}) > 9e9"#,
        &[],
    );
    assert_eq!(cause(&evidence, Link::Rule), (30, String::new()));
    let mut evidence = keda();
    // One replica has a gap: that is the replica's, not the query's.
    results(&mut evidence, &[number("0")]);
    let query = ScalingMetric::of(&evidence).query.unwrap();
    evidence.prometheus.replicas[0].queries.insert(query, Read::Seen(Vec::new()));
    assert_eq!(named(&evidence), Some(35));
    // The pods have had no two scrapes.
    results(&mut evidence, &[]);
    for pod in seen(&mut evidence.pods) {
        for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!(ago(4.0));
        }
    }
    assert_eq!(named(&evidence), None);
}

#[test]
fn several_series_or_an_average() {
    let of_a_pod = |pod: &str| json!({"metric": {"pod": pod}, "value": [TAKEN, "1"]});
    let rate = r#"rate(http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}[1m])"#;
    let mut evidence = keda();
    asked_anew(&mut evidence, &format!("sum by (pod) ({rate})"), &[of_a_pod("a"), of_a_pod("b")]);
    let (cause_number, command) = cause(&evidence, Link::Rule);
    assert_eq!(cause_number, 31);
    assert!(command.contains(r#""value":"sum(sum by (pod) (rate("#), "{command}");
    asked_anew(&mut evidence, &format!("avg({rate})"), &[number("1")]);
    let (cause_number, command) = cause(&evidence, Link::Rule);
    assert_eq!((cause_number, command.contains(r#""value":"sum(rate("#)), (31, true), "{command}");
    // What is told of something else than the pods, by several, is not to be summed up.
    let wanted = ScalingMetric::of(&evidence).selector.unwrap().text();
    for replica in &mut evidence.prometheus.replicas {
        let series = json!({"metric": {"pod": "exporter-a"}, "value": [TAKEN, "1"]});
        replica.queries.insert(wanted.clone(), Read::Seen(vec![series]));
    }
    assert_eq!(cause(&evidence, Link::Rule), (31, String::new()));
    // A Value is not divided by the number of pods: there an average is right.
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["external"]["target"] = json!({"type": "Value", "value": "2"});
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn a_window_of_less_than_two_scrapes() {
    let mut evidence = keda();
    let rate = |window: &str| {
        format!(
            r#"sum(rate(http_requests_total{{namespace="miztiik-automation-ns",service="shopfront-svc"}}[{window}]))"#
        )
    };
    asked_anew(&mut evidence, &rate("5s"), &[]);
    let (cause_number, command) = cause(&evidence, Link::Rule);
    assert_eq!((cause_number, command.contains("[20s]")), (8, true), "{command}");
    // What stands at the trigger's place by now may be another one.
    let path = "/spec/triggers/0/metadata/query";
    let query = evidence.scaled_object.seen().unwrap().pointer(path).unwrap();
    let test = json!({"op": "test", "path": path, "value": query});
    assert!(command.contains(&format!("--type json -p '[{test},{{\"op\":\"add\",\"path\":\"{path}\"")), "{command}");
    asked_anew(&mut evidence, &rate("20s"), &[number("2")]);
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn a_policy_that_does_not_admit_keda() {
    let policy = |from: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "prometheus-k8s", "namespace": "monitoring"},
            "spec": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}, "policyTypes": ["Egress", "Ingress"],
                "ingress": [{"from": from, "ports": [{"port": 9090, "protocol": "TCP"}]}],
            },
        })
    };
    let grafana = json!([{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "grafana"}}}]);
    let mut evidence = keda();
    evidence.prometheus.policies = Read::Seen(vec![policy(grafana.clone())]);
    // Not enforced, as it seems: the value arrives.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    fails(&mut evidence);
    is_not_ready(&mut evidence, "TriggerError", "Triggers defined in ScaledObject are not working correctly");
    let (cause_number, command) = cause(&evidence, Link::Rule);
    assert_eq!(cause_number, 32);
    assert!(command.starts_with(r"printf '%s\n' '") && command.contains("prometheus-k8s-keda"), "{command}");
    assert!(command.contains("kubernetes.io/metadata.name: keda"), "{command}");
    // Another policy admits it, but the object is not ready all the same.
    let keda = json!([{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    }]);
    evidence.prometheus.policies = Read::Seen(vec![policy(grafana), policy(keda)]);
    let log = "kubectl -n keda logs deployment/keda-operator --tail=50".to_owned();
    assert_eq!(cause(&evidence, Link::Rule), (32, log));
}

#[test]
fn a_scaled_object_that_keda_refuses() {
    let mut evidence = keda();
    let mut other = evidence.hpa.seen().unwrap().clone();
    other["metadata"]["name"] = json!("other-hpa");
    other["spec"]["scaleTargetRef"]["name"] = json!("other");
    seen(&mut evidence.hpas).push(other);
    let message =
        "the workload 'shopfront-deploy' of type 'apps/v1.Deployment' is already managed by the hpa 'other-hpa'";
    is_not_ready(&mut evidence, "ScaledObjectCheckFailed", message);
    let expected = "kubectl -n miztiik-automation-ns delete horizontalpodautoscaler.autoscaling/other-hpa".to_owned();
    assert_eq!(cause(&evidence, Link::Rule), (32, expected));
    // A trigger that failed a moment ago, and has a value now.
    is_not_ready(&mut evidence, "TriggerError", "Triggers defined in ScaledObject are not working correctly");
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    // What it made of the object before still works.
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["type"] = json!("prometheuz");
    is_not_ready(&mut evidence, "ScaledObjectCheckFailed", "no scaler found for type: prometheuz");
    assert_eq!(cause(&evidence, Link::Rule), (32, String::new()));
}

#[test]
fn a_trigger_of_prometheus_is_meant_wherever_it_stands() {
    let mut evidence = keda();
    let metric = |name: &str| {
        let selector = json!({"matchLabels": {"scaledobject.keda.sh/name": "shopfront-scaledobject"}});
        let target = json!({"type": "AverageValue", "averageValue": "2"});
        json!({"type": "External", "external": {"metric": {"name": name, "selector": selector}, "target": target}})
    };
    let cron = json!({"type": "cron", "metadata": {"desiredReplicas": "1"}});
    seen(&mut evidence.scaled_object)["spec"]["triggers"].as_array_mut().unwrap().insert(0, cron);
    seen(&mut evidence.hpa)["spec"]["metrics"] = json!([metric("s0-cron"), metric("s1-prometheus")]);
    let ScalingMetric { metric, query, .. } = ScalingMetric::of(&evidence);
    assert_eq!(metric.unwrap().name, "s1-prometheus");
    assert!(query.unwrap().starts_with("sum(rate(http_requests_total"));
}
