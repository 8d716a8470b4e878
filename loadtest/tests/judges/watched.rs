//! `run` watches the chain that the doctor judges: both find the same metric and settings in the same evidence.

use loadtest::autoscaling::Autoscaler;
use loadtest::commands::watch_plan;
use loadtest::doctor::diagnosis::{Diagnosis, Link};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::autoscaler::Assumed;
use loadtest::doctor::facts::entrance::{Entrance, entrance};
use loadtest::doctor::facts::trust::Trust;
use loadtest::doctor::redact::redacted;
use loadtest::kube::read::Read;
use loadtest::observe::Plan;
use serde_json::{Value, json};

use crate::healthy::{ADAPTER_METRIC, KEDA_METRIC, KEDA_QUERY, NAMESPACE, adapter, keda};
use crate::ops::with_ops;
use crate::{diagnose, seen};

/// What `run` watches of a healthy chain. Also checks that the doctor's figures are those of the same autoscaler.
fn watched(evidence: &Evidence) -> (Autoscaler, Plan) {
    let (Assumed { autoscaler, .. }, plan) = planned(evidence);
    let diagnosis = diagnose(evidence);
    assert_eq!(diagnosis.broken, None);
    let figures = diagnosis.figures.as_ref().expect("a healthy chain has its figures");
    let pipeline = &autoscaler.pipeline;
    assert_eq!((figures.scrape, figures.window), (pipeline.scrape, pipeline.window));
    let settings = (pipeline.relist, pipeline.sync, autoscaler.target);
    assert_eq!((figures.relist, figures.sync, figures.target), settings);
    assert!(
        evidence_at(&diagnosis, Link::Answer).contains(&autoscaler.metric),
        "{}",
        evidence_at(&diagnosis, Link::Answer)
    );
    let counter = plan.counter.as_ref().expect("the counter is known");
    let page = evidence_at(&diagnosis, Link::Metrics);
    assert!(page.contains(&format!("{} is on {}", counter.series, counter.pages[0].path)), "{page}");
    assert_eq!(planned(&redacted(evidence)).1, plan, "of the redacted evidence");
    (autoscaler, plan)
}

fn planned(evidence: &Evidence) -> (Assumed, Plan) {
    watch_plan(evidence, Trust::OfTheCluster).unwrap_or_else(|fault| panic!("{fault}"))
}

fn evidence_at(diagnosis: &Diagnosis, link: Link) -> &str {
    &diagnosis.links.iter().find(|result| result.link == link).expect("each link has its line").evidence
}

/// The namespace and selector of Prometheus' pods, their port, the path prefix, and whether they use TLS.
fn prometheus(plan: &Plan) -> (String, Value, String, bool) {
    let pods = &plan.prometheus.as_ref().expect("Prometheus is known").pods;
    (format!("{}/{}", pods.namespace, pods.selector), json!(pods.port), pods.prefix.clone(), pods.tls)
}

/// The port of the pods' metrics pages that is tried first.
fn page(plan: &Plan) -> Value {
    json!(plan.counter.as_ref().expect("the counter is known").pages[0].port)
}

fn query(plan: &Plan) -> &str {
    &plan.prometheus.as_ref().expect("Prometheus is known").text
}

const OF_PODS: &str = r#"sum(rate(http_requests_total{namespace="miztiik-automation-ns"}[120s]))"#;
const PROMETHEUS: &str = "monitoring/app.kubernetes.io/name=prometheus";

#[test]
fn adapter_chain_is_watched_as_it_is_judged() {
    let evidence = adapter();
    let (autoscaler, plan) = watched(&evidence);
    assert_eq!(
        (autoscaler.name.as_str(), autoscaler.min, autoscaler.max),
        ("miztiik-automation-ns/shopfront-hpa", 1, 3)
    );
    assert_eq!((autoscaler.pipeline.scrape, autoscaler.pipeline.window), (5.0, 120.0));
    assert_eq!((plan.scaled.as_str(), plan.pods.as_str()), ("Deployment/shopfront-deploy", "app=shopfront"));
    let metric = ("http_requests_per_second", ADAPTER_METRIC);
    assert_eq!((plan.metric.name.as_str(), plan.metric.path.as_str()), metric);
    assert_eq!((query(&plan), page(&plan)), (OF_PODS, json!(9898)));
    assert_eq!(prometheus(&plan), (PROMETHEUS.to_owned(), json!("web"), String::new(), false));
    assert_eq!(entrance(&evidence, false).unwrap(), Entrance::Url("http://198.51.100.7:80/".to_owned()));
    assert_eq!(planned(&evidence).0.assumptions, [""; 0]);
}

#[test]
fn keda_chain_is_watched_by_the_query_of_its_trigger() {
    let (autoscaler, plan) = watched(&keda());
    assert_eq!((autoscaler.pipeline.scrape, autoscaler.pipeline.window), (5.0, 60.0));
    assert_eq!((plan.metric.path.as_str(), query(&plan)), (KEDA_METRIC, KEDA_QUERY));
    assert_eq!(prometheus(&plan), (PROMETHEUS.to_owned(), json!("web"), String::new(), false));
}

#[test]
fn cron_trigger_before_the_prometheus_trigger_is_not_the_metric() {
    let mut evidence = keda();
    let triggers = seen(&mut evidence.scaled_object)["spec"]["triggers"].as_array_mut().unwrap();
    triggers.insert(0, json!({"type": "cron", "metadata": {"start": "0 6 * * *", "desiredReplicas": "2"}}));
    let metrics = seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap();
    let mut of_cron = metrics[0].clone();
    of_cron["external"]["metric"]["name"] = json!("s0-cron");
    metrics[0]["external"]["metric"]["name"] = json!("s1-prometheus");
    seen(&mut evidence.hpa)["status"]["currentMetrics"][0]["external"]["metric"]["name"] = json!("s1-prometheus");
    let value = evidence.answers.remove(KEDA_METRIC).unwrap();
    evidence.answers.insert(KEDA_METRIC.replace("s0-prometheus", "s1-prometheus"), value);
    seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap().insert(0, of_cron);
    let (autoscaler, plan) = watched(&evidence);
    assert_eq!((autoscaler.metric.as_str(), autoscaler.pipeline.window), ("s1-prometheus", 60.0));
    assert_eq!((plan.metric.name.as_str(), query(&plan)), ("s1-prometheus", KEDA_QUERY));
    let assumed = planned(&evidence).0.assumptions;
    assert!(assumed[0].contains("External s0-cron as well") && assumed.len() == 1, "{assumed:?}");
}

#[test]
fn prometheus_behind_tls_and_a_prefix_is_queried_there() {
    let mut evidence = adapter();
    let url = "https://prometheus-k8s.monitoring.svc:9090/prometheus";
    evidence.prometheus.url = Read::Seen(url.to_owned());
    let (_, plan) = watched(&evidence);
    assert_eq!(prometheus(&plan), (PROMETHEUS.to_owned(), json!("web"), "/prometheus".to_owned(), true));
    // The Prometheus object knows the prefix better than the URL does.
    seen(&mut evidence.prometheuses)[0]["spec"]["routePrefix"] = json!("/deep");
    assert_eq!(prometheus(&watched(&evidence).1).2, "/deep");
}

#[test]
fn pods_metric_is_watched_rather_than_cpu() {
    let mut evidence = adapter();
    let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}});
    let metrics = seen(&mut evidence.hpa)["spec"]["metrics"].as_array_mut().unwrap();
    metrics.insert(0, json!({"type": "Resource", "resource": cpu}));
    let (autoscaler, plan) = watched(&evidence);
    assert_eq!((autoscaler.metric.as_str(), autoscaler.target), ("http_requests_per_second", 2.0));
    assert_eq!((plan.metric.name.as_str(), query(&plan)), ("http_requests_per_second", OF_PODS));
    let assumed = planned(&evidence).0.assumptions;
    assert!(assumed[0].contains("Resource cpu as well") && assumed.len() == 1, "{assumed:?}");
}

#[test]
fn metrics_pages_are_read_on_the_scraped_port() {
    for evidence in [with_ops(adapter()), with_ops(keda())] {
        let (autoscaler, plan) = watched(&evidence);
        assert_eq!((page(&plan), autoscaler.pipeline.scrape), (json!("ops"), 5.0));
        let target = &evidence.prometheus.replicas[0].targets.items()[0]["scrapeUrl"];
        assert!(target.as_str().unwrap().contains(":9797/"), "Prometheus scrapes that port: {target}");
        // The load goes to the Service for clients.
        assert_eq!(
            entrance(&evidence, true).unwrap(),
            Entrance::Url(format!("http://shopfront-svc.{NAMESPACE}.svc:80/"))
        );
    }
}

#[test]
fn unreadable_settings_are_assumed_and_name_the_missing_right() {
    let mut evidence = adapter();
    let unread = |right: &str| loadtest::kube::read::Unread { right: Some(right.to_owned()), ..Default::default() };
    evidence.prometheus = loadtest::doctor::evidence::Prometheus::default();
    evidence.monitors = Read::Unread(unread("list servicemonitors"));
    evidence.server.config = Read::Unread(unread("get configmaps"));
    let (assumed, plan) = planned(&evidence);
    let expected = "a scrape each 30 s and a window of 120 s are assumed: the right to list servicemonitors is missing, \
                    the right to get configmaps is missing";
    assert_eq!(assumed.assumptions, [expected]);
    assert!(plan.prometheus.is_err());
    evidence.monitors = adapter().monitors;
    let expected = "a window of 120 s is assumed: the right to get configmaps is missing";
    let (assumed, _) = planned(&evidence);
    assert_eq!((assumed.assumptions, assumed.autoscaler.pipeline.scrape), (vec![expected.to_owned()], 5.0));
}
