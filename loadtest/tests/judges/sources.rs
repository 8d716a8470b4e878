//! If the metrics API has a value, the links before it work, whichever server it is.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Outcome, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::json;

use crate::changed::{advice_at, broken, not_found, state, targets, without_targets};
use crate::healthy::{ADAPTER_QUERY, NAMESPACE, PODS, adapter};
use crate::{broken_cause, diagnose, seen};

/// Replaces the counter on each page.
fn pages_without_counter(evidence: &mut Evidence, by: &str) {
    for page in &mut evidence.pages {
        for text in [&mut page.first, &mut page.second] {
            *text = Read::Seen(by.to_owned());
        }
    }
}

#[test]
fn value_proves_the_links_before_it() {
    // The counter is on a second endpoint, or Prometheus reads native histograms, which no text page has.
    let mut evidence = adapter();
    pages_without_counter(&mut evidence, "# TYPE go_gc_total counter\ngo_gc_total 1\n");
    for target in targets(&mut evidence).flatten() {
        target["scrapePool"] = json!("serviceMonitor/else/where/0");
    }
    let diagnosis = diagnose(&evidence);
    assert_eq!(diagnosis.outcome, Outcome::Healthy, "{:#?}", diagnosis.links);
    assert_eq!(state(&evidence, Link::Metrics), State::NotApplicable);
    // Without a value, it is broken.
    not_found(&mut evidence);
    assert_eq!(broken(&evidence, Link::Metrics).cause, Cause::CounterAbsent);
}

#[test]
fn value_without_some_pods_proves_nothing() {
    let mut evidence = adapter();
    for target in targets(&mut evidence).map(|targets| &mut targets[1]) {
        (target["health"], target["lastError"]) = (json!("down"), json!("connection refused"));
    }
    for result in evidence.prometheus.replicas.iter_mut().flat_map(|replica| replica.queries.values_mut()) {
        seen(result).retain(|sample| sample["metric"]["pod"] != PODS[1].0);
    }
    assert_eq!(broken(&evidence, Link::Target).cause, Cause::TargetDown);
}

/// Another server has the API: nobody scrapes the pods, and there may be no operator.
fn served_by(name: &str, image: &str) -> Evidence {
    let mut evidence = adapter();
    let deployment = seen(&mut evidence.server.deployment);
    deployment["metadata"]["name"] = json!(name);
    deployment["spec"]["template"]["spec"] = json!({"containers": [{"name": "main", "image": image}]});
    evidence.server.config = Read::Absent;
    without_targets(&mut evidence);
    (evidence.prometheus, evidence.pages) = Default::default();
    evidence
}

const OTHERS: [(&str, &str); 4] = [
    ("datadog-cluster-agent", "gcr.io/datadoghq/cluster-agent:7"),
    ("custom-metrics-stackdriver-adapter", "gcr.io/gke-release/custom-metrics-stackdriver-adapter:v0.13"),
    ("azure-k8s-metrics-adapter", "mcr.microsoft.com/azure-k8s-metrics-adapter"),
    ("kube-metrics-adapter", "registry.opensource.zalan.do/teapot/kube-metrics-adapter:v0.2"),
];

#[test]
fn other_server_needs_no_prometheus() {
    for (name, image) in OTHERS {
        let mut evidence = served_by(name, image);
        for monitors in [Read::Absent, Read::Seen(Vec::new())] {
            evidence.monitors = monitors;
            let diagnosis = diagnose(&evidence);
            assert_eq!(diagnosis.outcome, Outcome::Healthy, "{name}: {:#?}", diagnosis.links);
            for result in &diagnosis.links[1..6] {
                assert_eq!(result.state, State::NotApplicable, "{name}: {result:?}");
                assert!(!result.evidence.contains("Prometheus"), "{result:?}");
            }
        }
        // Without a value, the finding quotes the server's answer, and advises no monitor.
        not_found(&mut evidence);
        let finding = broken(&evidence, Link::ApiService);
        assert_eq!(finding.cause, Cause::AnotherServer);
        assert!(finding.evidence.contains("it answers 404 the server could not find the metric"), "{finding:?}");
        assert!(!finding.fix.advice.contains("ServiceMonitor") && finding.fix.commands.is_empty(), "{finding:?}");
    }
}

#[test]
fn prometheus_outside_of_the_cluster_is_not_judged_by_the_monitors() {
    let mut evidence = adapter();
    without_targets(&mut evidence);
    not_found(&mut evidence);
    (evidence.prometheus, evidence.monitors, evidence.prometheuses) = Default::default();
    evidence.prometheus.url = Read::Seen("https://prometheus.example.com/api/prom".to_owned());
    let diagnosis = diagnose(&evidence);
    let told = diagnosis.broken.map(|finding| finding.cause);
    assert_ne!(told, Some(Cause::AnnotationsOnly), "{:#?}", diagnosis.links);
}

#[test]
fn query_that_prometheus_refuses_is_reported_in_its_words() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    let why = "400 Bad Request: invalid parameter \"query\": 1:5: parse error: unexpected character";
    for replica in &mut evidence.prometheus.replicas {
        replica
            .queries
            .insert(ADAPTER_QUERY.to_owned(), Read::Unread(Unread { why: why.to_owned(), ..Unread::default() }));
    }
    let (cause, _) = advice_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::QueryRefused);
    assert!(broken(&evidence, Link::Rule).evidence.ends_with(why));
}

#[test]
fn adapter_url_with_a_wrong_path_gets_advice() {
    let mut evidence = adapter();
    not_found(&mut evidence);
    evidence.prometheus.url = Read::Seen("http://prometheus-k8s.monitoring.svc:9090/prom/".to_owned());
    evidence.prometheus.replicas.iter_mut().for_each(|replica| replica.unprefixed = true);
    let (cause, advice) = advice_at(&evidence, Link::Rule);
    assert_eq!(cause, Cause::PrefixWrong);
    assert!(advice.ends_with("to http://prometheus-k8s.monitoring.svc:9090."), "{advice}");
}

#[test]
fn relabeling_of_a_shared_monitor_is_not_removed() {
    let mut evidence = adapter();
    let monitor = &mut seen(&mut evidence.monitors)[0];
    monitor["spec"]["endpoints"][0]["metricRelabelings"] = json!([{"action": "labeldrop", "regex": "pod"}]);
    monitor["spec"]["namespaceSelector"] = json!({"matchNames": [NAMESPACE, "cart"]});
    not_found(&mut evidence);
    for (query, result) in evidence.prometheus.replicas.iter_mut().flat_map(|replica| &mut replica.queries) {
        if query.starts_with("http_requests_total{namespace") || query.starts_with("sum(") {
            *result = Read::Seen(Vec::new());
        } else {
            for sample in seen(result) {
                sample["metric"].as_object_mut().unwrap().remove("pod");
            }
        }
    }
    let (cause, _) = advice_at(&evidence, Link::Series);
    assert_eq!(cause, Cause::LabelsMissing);
    assert!(broken_cause(&evidence).is_some());
}
