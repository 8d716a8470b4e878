//! The link rule for KEDA: the trigger and its query.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use crate::changed::{answers, cause_at, commands_at, ready_for, results, state};
use crate::healthy::{KEDA_QUERY, KEDA_SERIES, TAKEN, keda};
use crate::{broken_cause, seen};

fn metadata(evidence: &mut Evidence) -> &mut Value {
    &mut seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]
}

fn not_ready(evidence: &mut Evidence, reason: &str, message: &str) {
    let ready = json!({"type": "Ready", "status": "False", "reason": reason, "message": message});
    seen(&mut evidence.scaled_object)["status"]["conditions"] = json!([ready]);
}

fn failing(evidence: &mut Evidence) {
    let message = "Internal error occurred: unable to fetch metrics: context deadline exceeded";
    answers(evidence, 500, json!({"kind": "Status", "message": message}));
}

/// Changes the trigger's query, and makes Prometheus answer it with this result.
fn changed_query(evidence: &mut Evidence, query: &str, result: &[Value]) {
    metadata(evidence)["query"] = json!(query);
    for replica in &mut evidence.prometheus.replicas {
        let counters = replica.queries.values().find(|result| result.items().len() > 1).cloned().unwrap();
        for series in ["http_requests_total", KEDA_SERIES] {
            replica.queries.insert(series.to_owned(), counters.clone());
        }
    }
    results(evidence, query, result);
}

fn sum_of(value: &str) -> Value {
    json!({"metric": {}, "value": [TAKEN, value]})
}

#[test]
fn server_address_without_a_service_is_replaced() {
    let mut evidence = keda();
    evidence.prometheus.url = Read::Seen("http://prometheus.monitoring.svc:9090".to_owned());
    metadata(&mut evidence)["serverAddress"] = json!("http://prometheus.monitoring.svc:9090");
    evidence.prometheus.service = Read::Absent;
    failing(&mut evidence);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrometheusUnreachable);
    assert!(
        command.starts_with(
            "kubectl -n miztiik-automation-ns patch scaledobject.keda.sh/shopfront-scaledobject --type json"
        ),
        "{command}"
    );
    assert!(command.contains(r#""path":"/spec/triggers/0/metadata/serverAddress","value":"http://prometheus-operated.monitoring.svc:9090""#), "{command}");
    // KEDA has a value nevertheless, unless it is the fallback.
    let mut works = evidence.clone();
    answers(&mut works, 200, json!({"items": [{"metricName": "s0-prometheus", "value": "2"}]}));
    assert_eq!(state(&works, Link::Rule), State::Ok);
    seen(&mut works.scaled_object)["status"]["conditions"] = json!([{"type": "Fallback", "status": "True"}]);
    assert_eq!(cause_at(&works, Link::Rule), Cause::PrometheusUnreachable);
    // An address outside the cluster belongs to no Service.
    evidence.prometheus.service = Read::NotAsked;
    assert_eq!(cause_at(&evidence, Link::Answer), Cause::KedaBlocked);
}

#[test]
fn empty_and_nan_results_are_read_as_zero() {
    let mut evidence = keda();
    results(&mut evidence, KEDA_QUERY, &[]);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::EmptyReadAsZero);
    assert!(
        command.contains(
            r#""sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",service=\"shopfront-svc\"}[1m]))""#
        ),
        "{command}"
    );
    results(&mut evidence, KEDA_QUERY, &[sum_of("NaN")]);
    assert_eq!(cause_at(&evidence, Link::Rule), Cause::EmptyReadAsZero);
    // A gauge gets no rate, so there is no command.
    changed_query(&mut evidence, &format!("max({KEDA_SERIES}) > 9e9"), &[]);
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::EmptyReadAsZero, String::new()));
    let mut evidence = keda();
    // One Prometheus replica has a gap: that is not the query's fault.
    results(&mut evidence, KEDA_QUERY, &[sum_of("0")]);
    evidence.prometheus.replicas[0].queries.insert(KEDA_QUERY.to_owned(), Read::Seen(Vec::new()));
    assert_eq!(broken_cause(&evidence), Some(Cause::PrometheusNotReady));
    // The pods have not been scraped twice.
    results(&mut evidence, KEDA_QUERY, &[]);
    ready_for(&mut evidence, 4.0);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn query_of_several_series_or_an_average_becomes_a_sum() {
    let of_a_pod = |pod: &str| json!({"metric": {"pod": pod}, "value": [TAKEN, "1"]});
    let rate = format!("rate({KEDA_SERIES}[1m])");
    let mut evidence = keda();
    changed_query(&mut evidence, &format!("sum by (pod) ({rate})"), &[of_a_pod("a"), of_a_pod("b")]);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::SeveralSeries);
    assert!(command.contains(r#""value":"sum(sum by (pod) (rate("#), "{command}");
    changed_query(&mut evidence, &format!("avg({rate})"), &[sum_of("1")]);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!((cause, command.contains(r#""value":"sum(rate("#)), (Cause::SeveralSeries, true), "{command}");
    // Series of several exporters must not be summed.
    for replica in &mut evidence.prometheus.replicas {
        let series = json!({"metric": {"pod": "exporter-a"}, "value": [TAKEN, "1"]});
        replica.queries.insert(KEDA_SERIES.to_owned(), Read::Seen(vec![series]));
    }
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::SeveralSeries, String::new()));
    // A target of type Value is not divided by the number of pods, so an average is right.
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["external"]["target"] = json!({"type": "Value", "value": "2"});
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn trigger_window_shorter_than_two_scrapes_is_widened() {
    let mut evidence = keda();
    let rate = |window: &str| format!("sum(rate({KEDA_SERIES}[{window}]))");
    changed_query(&mut evidence, &rate("5s"), &[]);
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!((cause, command.contains("[20s]")), (Cause::WindowTooShort, true), "{command}");
    // The command tests the query first, because another trigger may have that index by now.
    let path = "/spec/triggers/0/metadata/query";
    let query = evidence.scaled_object.seen().unwrap().pointer(path).unwrap();
    let test = json!({"op": "test", "path": path, "value": query});
    assert!(command.contains(&format!("--type json -p '[{test},{{\"op\":\"add\",\"path\":\"{path}\"")), "{command}");
    changed_query(&mut evidence, &rate("20s"), &[sum_of("2")]);
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
}

#[test]
fn network_policy_without_keda_gets_one_for_keda() {
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
    // The value arrives, so the policy is not enforced.
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    failing(&mut evidence);
    not_ready(&mut evidence, "TriggerError", "Triggers defined in ScaledObject are not working correctly");
    let (cause, command) = commands_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::KedaBlocked);
    assert!(command.starts_with(r"printf '%s\n' '") && command.contains("prometheus-k8s-keda"), "{command}");
    assert!(command.contains("kubernetes.io/metadata.name: keda"), "{command}");
    // Another policy admits KEDA, but the object is still not ready.
    let keda = json!([{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    }]);
    evidence.prometheus.policies = Read::Seen(vec![policy(grafana), policy(keda)]);
    let log = "kubectl -n keda logs deployment/keda-operator --tail=50".to_owned();
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::KedaBlocked, log));
}

#[test]
fn refused_scaled_object_is_keda_blocked() {
    let mut evidence = keda();
    let mut other = evidence.hpa.seen().unwrap().clone();
    other["metadata"]["name"] = json!("other-hpa");
    other["spec"]["scaleTargetRef"]["name"] = json!("other");
    seen(&mut evidence.hpas).push(other);
    let message =
        "the workload 'shopfront-deploy' of type 'apps/v1.Deployment' is already managed by the hpa 'other-hpa'";
    not_ready(&mut evidence, "ScaledObjectCheckFailed", message);
    let expected = "kubectl -n miztiik-automation-ns delete horizontalpodautoscaler.autoscaling/other-hpa".to_owned();
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::KedaBlocked, expected));
    // The trigger failed a moment and has a value now.
    not_ready(&mut evidence, "TriggerError", "Triggers defined in ScaledObject are not working correctly");
    assert_eq!(state(&evidence, Link::Rule), State::Ok);
    // The HPA that KEDA made from the earlier object still works.
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["type"] = json!("prometheuz");
    not_ready(&mut evidence, "ScaledObjectCheckFailed", "no scaler found for type: prometheuz");
    assert_eq!(commands_at(&evidence, Link::Rule), (Cause::KedaBlocked, String::new()));
}

#[test]
fn prometheus_trigger_is_found_at_any_index() {
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
