//! HPAs with several metrics: each is walked, and the one that decides is marked.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Measure, Outcome, State};
use loadtest::doctor::evidence::{Evidence, Server};
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::changed::{broken, conditions, scaled, state};
use crate::healthy::{NAMESPACE, adapter, ago, keda};
use crate::resource::{cpu, current, metrics_server, usage, utilization};
use crate::seen;

/// The adapter's chain with a second metric, on CPU, whose utilization is this.
fn with_cpu(value: u32) -> Evidence {
    let mut evidence = adapter();
    evidence.servers.insert("metrics.k8s.io".to_owned(), metrics_server());
    evidence.pods = cpu().pods;
    usage(&mut evidence, &format!("{value}m"), 10.0);
    second(&mut evidence, utilization("cpu", 50), current("cpu", value));
    evidence
}

/// Adds a metric and its status.
fn second(evidence: &mut Evidence, metric: Value, status: Value) {
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["metrics"].as_array_mut().unwrap().push(metric);
    hpa["status"]["currentMetrics"].as_array_mut().unwrap().push(status);
}

#[test]
fn the_metric_that_asks_for_the_most_decides() {
    let mut evidence = with_cpu(270);
    scaled(&mut evidence, "1", 2, 2, 2);
    let diagnosis = diagnose(&evidence);
    assert_eq!(diagnosis.outcome, Outcome::Healthy, "{:#?}", diagnosis.links);
    let asked: Vec<_> =
        diagnosis.metrics.iter().map(|metric| (metric.name.as_str(), metric.desired, metric.decides)).collect();
    assert_eq!(asked, [("http_requests_per_second", Some(1), false), ("cpu", Some(11), true)]);
    let finding = diagnosis.explains.unwrap();
    assert_eq!(finding.cause, Cause::AtMaximum);
    assert!(finding.evidence.contains("cpu 270 % of 50 % asks for 11"), "{}", finding.evidence);
    let why = diagnosis.why.unwrap();
    assert!(
        why.contains("Resource cpu, which asks for the most, is 270 % of 50 %") && why.ends_with("the maximum is 2"),
        "{why}"
    );
    // The second has links of its own.
    let own: Vec<_> = diagnosis.metrics[1].links.iter().map(|result| (result.link, result.state)).collect();
    assert_eq!(own[5..], [(Link::ApiService, State::Ok), (Link::Answer, State::Ok)]);
    assert!(own[..5].iter().all(|(_, state)| *state == State::NotApplicable) && diagnosis.metrics[0].links.is_empty());
}

#[test]
fn second_metric_on_new_pods_is_pending_whatever_its_place() {
    for reversed in [false, true] {
        let mut evidence = with_cpu(60);
        for pod in seen(&mut evidence.pods) {
            pod["status"]["startTime"] = json!(ago(100.0));
        }
        crate::changed::ready_for(&mut evidence, 90.0);
        usage(&mut evidence, "1m", 80.0);
        let hpa = seen(&mut evidence.hpa);
        hpa["status"]["currentMetrics"][1] = json!({"type": ""});
        if reversed {
            for list in ["/spec/metrics", "/status/currentMetrics"] {
                hpa.pointer_mut(list).unwrap().as_array_mut().unwrap().reverse();
            }
        }
        assert_eq!(state(&evidence, Link::Condition), State::Pending);
        let why = "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)";
        conditions(&mut evidence, "FailedGetResourceMetric", why, 80.0);
        assert_eq!(state(&evidence, Link::Condition), State::Pending);
    }
}

#[test]
fn missing_metrics_server_of_a_second_metric_is_named_at_its_link() {
    let mut evidence = with_cpu(60);
    let none = Server { api_service: Read::Absent, ..Server::default() };
    evidence.servers.insert("metrics.k8s.io".to_owned(), none);
    evidence.answers.retain(|path, _| !path.starts_with("/apis/metrics.k8s.io"));
    let finding = broken(&evidence, Link::ApiService);
    assert_eq!(finding.cause, Cause::ApiServiceMissing);
    assert!(finding.evidence.starts_with("spec.metrics[1], Resource cpu"), "{}", finding.evidence);
}

#[test]
fn broken_chain_of_a_second_metric_is_in_its_evidence() {
    let mut evidence = adapter();
    let external = json!({"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "AverageValue", "averageValue": "5"}}});
    second(&mut evidence, external, json!({"type": ""}));
    let none = Server { api_service: Read::Absent, ..Server::default() };
    evidence.servers.insert("external.metrics.k8s.io".to_owned(), none);
    let finding = broken(&evidence, Link::Condition);
    assert_eq!(finding.cause, Cause::OtherMetricInvalid);
    assert!(finding.evidence.contains("APIService v1beta1.external.metrics.k8s.io does not exist"), "{finding:?}");
    assert!(
        finding.fix.advice.contains("broken at APIService") && !finding.fix.advice.contains("remove it"),
        "{finding:?}"
    );
    let diagnosis = diagnose(&evidence);
    assert_eq!(diagnosis.metrics[1].broken.as_ref().map(|finding| finding.cause), Some(Cause::ApiServiceMissing));
}

#[test]
fn second_external_metric_with_a_value_is_healthy() {
    let mut evidence = adapter();
    let external = json!({"type": "External", "external": {
        "metric": {"name": "queue_depth"}, "target": {"type": "Value", "value": "5"}}});
    let status =
        json!({"type": "External", "external": {"metric": {"name": "queue_depth"}, "current": {"value": "12"}}});
    second(&mut evidence, external, status);
    let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/queue_depth?labelSelector=");
    evidence.answers.insert(path, Answer { status: 200, body: json!({"items": [{"value": "12"}]}) });
    let diagnosis = diagnose(&evidence);
    assert_eq!((diagnosis.outcome, &diagnosis.broken), (Outcome::Healthy, &None), "{:#?}", diagnosis.links);
    let queue = &diagnosis.metrics[1];
    // 12 of 5, times two ready pods.
    assert_eq!((queue.measure, queue.desired, queue.decides), (Measure::Value, Some(5), true));
}

#[test]
fn object_metric_is_divided_by_the_replicas() {
    let mut evidence = adapter();
    let object = json!({"kind": "Ingress", "name": "web", "apiVersion": "networking.k8s.io/v1"});
    let target = json!({"type": "AverageValue", "averageValue": "10"});
    let metric = json!({"name": "requests"});
    let spec = json!({"describedObject": object, "metric": metric, "target": target});
    second(&mut evidence, json!({"type": "Object", "object": spec}), json!({"type": ""}));
    let path =
        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/ingresses.networking.k8s.io/web/requests";
    let body = json!({"items": [{"describedObject": object, "value": "60"}]});
    evidence.answers.insert(path.to_owned(), Answer { status: 200, body });
    let metric = diagnose(&evidence).metrics[1].clone();
    assert_eq!((metric.value, metric.desired), (Some(30.0), Some(6)));
}

#[test]
fn version_of_the_server_is_in_the_diagnosis() {
    for mut evidence in [adapter(), keda(), cpu()] {
        evidence.kubernetes = Read::Seen("v1.37.2".to_owned());
        assert_eq!(diagnose(&evidence).kubernetes.as_deref(), Some("v1.37.2"));
    }
}

#[test]
fn selector_of_the_metric_that_selects_no_series_is_named() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["pods"]["metric"]["selector"] =
        json!({"matchLabels": {"path": "nowhere"}});
    let finding = broken(&evidence, Link::Metrics);
    assert_eq!(finding.cause, Cause::CounterAbsent);
    assert!(finding.evidence.contains("none with path=nowhere") && finding.fix.commands.is_empty(), "{finding:?}");
}
