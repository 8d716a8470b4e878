//! Objects of others near the user's own: pods under the selector, monitors, targets, and Services.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use crate::changed::{advice_at, broken, commands_at, not_found, state, targets, without_targets};
use crate::healthy::{ADAPTER_SERIES, NAMESPACE, PODS, TAKEN, adapter, ago, keda};
use crate::{broken_cause, diagnose, seen};

/// Adds a pod that the selector takes, with this owner.
fn add_pod(evidence: &mut Evidence, name: &str, owner: &Value, phase: &str) {
    let mut pod = evidence.pods.seen().unwrap()[0].clone();
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["ownerReferences"] = json!([owner]);
    pod["status"]["phase"] = json!(phase);
    pod["status"]["podIP"] = json!("10.244.0.77");
    pod["status"]["podIPs"] = json!([{"ip": "10.244.0.77"}]);
    seen(&mut evidence.pods).push(pod);
}

fn owner(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name, "apiVersion": "apps/v1"})
}

#[test]
fn pods_of_another_deployment_under_the_selector_are_named() {
    let mut evidence = adapter();
    for number in 1..=2 {
        let name = format!("shopfront-deploy-worker-5c9-{number}");
        add_pod(&mut evidence, &name, &owner("ReplicaSet", "shopfront-deploy-worker-5c9"), "Running");
    }
    let finding = broken(&evidence, Link::Pod);
    assert_eq!((finding.cause, finding.fix.commands.len()), (Cause::SelectorTakesOthers, 0), "{finding:?}");
    for told in ["2 of the 4 pods", "app=shopfront", "Deployment/shopfront-deploy-worker", "worker-5c9-1"] {
        assert!(finding.evidence.contains(told), "{told}: {}", finding.evidence);
    }
    // KEDA's average divides by the scale's replicas, whatever the selector takes.
    let mut evidence = keda();
    add_pod(&mut evidence, "other", &owner("ReplicaSet", "other-5c9"), "Running");
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
    // The other workload has an HPA of its own: that is another cause.
    let mut evidence = adapter();
    add_pod(&mut evidence, "other", &owner("ReplicaSet", "other-5c9"), "Running");
    let mut hpa = evidence.hpa.seen().unwrap().clone();
    hpa["metadata"]["name"] = json!("other");
    hpa["spec"]["scaleTargetRef"]["name"] = json!("other");
    seen(&mut evidence.hpas).push(hpa);
    assert_eq!(diagnose(&evidence).links[0].state, State::Ok);
}

#[test]
fn finished_pods_of_a_job_under_the_selector_are_named() {
    let mut evidence = adapter();
    add_pod(&mut evidence, "migrate-x2x", &owner("Job", "migrate"), "Succeeded");
    let (cause, advice) = advice_at(&evidence, Link::Pod);
    assert_eq!(cause, Cause::SelectorTakesOthers);
    assert!(advice.contains("damps") && advice.contains("ttlSecondsAfterFinished"), "{advice}");
    // The controller leaves out a pod that failed, but not its requests.
    seen(&mut evidence.pods)[2]["status"]["phase"] = json!("Failed");
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
    let target = json!({"type": "Utilization", "averageUtilization": 80});
    seen(&mut evidence.hpa)["spec"]["metrics"] =
        json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    assert_eq!(broken(&evidence, Link::Pod).cause, Cause::SelectorTakesOthers);
}

#[test]
fn pods_of_a_rollout_and_of_an_unknown_kind_are_its_own() {
    let mut evidence = adapter();
    seen(&mut evidence.workload)["kind"] = json!("Rollout");
    seen(&mut evidence.workload)["apiVersion"] = json!("argoproj.io/v1alpha1");
    let target = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shopfront-deploy"});
    seen(&mut evidence.hpa)["spec"]["scaleTargetRef"] = target.clone();
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["labels"]["rollouts-pod-template-hash"] = json!("7d94b56f44");
    }
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
    let other = json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "shopfront-deploy"});
    for (place, value) in [("kind", other["kind"].clone()), ("apiVersion", other["apiVersion"].clone())] {
        seen(&mut evidence.workload)[place] = value;
    }
    seen(&mut evidence.hpa)["spec"]["scaleTargetRef"] = other;
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
}

#[test]
fn old_or_missing_version_of_the_target_is_patched() {
    for (written, expected) in [
        (
            json!("extensions/v1beta1"),
            r#"[{"op":"test","path":"/spec/scaleTargetRef/apiVersion","value":"extensions/v1beta1"},{"op":"replace","path":"/spec/scaleTargetRef/apiVersion","value":"apps/v1"}]"#,
        ),
        (
            Value::Null,
            r#"[{"op":"test","path":"/spec/scaleTargetRef","value":{"kind":"Deployment","name":"shopfront-deploy"}},{"op":"add","path":"/spec/scaleTargetRef/apiVersion","value":"apps/v1"}]"#,
        ),
    ] {
        let mut evidence = adapter();
        let target = &mut seen(&mut evidence.hpa)["spec"]["scaleTargetRef"];
        target.as_object_mut().unwrap().remove("apiVersion");
        if !written.is_null() {
            target["apiVersion"] = written;
        }
        let (cause, command) = commands_at(&evidence, Link::Pod);
        assert_eq!(cause, Cause::ScaleTargetVersion);
        let patch = "patch horizontalpodautoscaler.autoscaling/shopfront-hpa --type json -p";
        assert_eq!(command, format!("kubectl -n {NAMESPACE} {patch} '{expected}'"));
    }
    // The controller ignores the version.
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["spec"]["scaleTargetRef"]["apiVersion"] = json!("apps/v1beta2");
    assert_eq!(state(&evidence, Link::Pod), State::Ok);
}

/// A second target and a second series of each pod, by way of another Service.
fn scraped_twice() -> Evidence {
    let mut evidence = adapter();
    for targets in targets(&mut evidence) {
        let mut others = targets.clone();
        for target in &mut others {
            target["labels"]["service"] = json!("shopfront-headless");
        }
        targets.extend(others);
    }
    for replica in &mut evidence.prometheus.replicas {
        let samples = seen(replica.queries.get_mut(ADAPTER_SERIES).unwrap());
        let mut others = samples.clone();
        for sample in &mut others {
            sample["metric"]["service"] = json!("shopfront-headless");
        }
        samples.extend(others);
    }
    let mut headless = evidence.services.seen().unwrap()[0].clone();
    headless["metadata"]["name"] = json!("shopfront-headless");
    headless["spec"]["clusterIP"] = json!("None");
    seen(&mut evidence.services).insert(0, headless);
    evidence
}

#[test]
fn page_scraped_by_two_targets_is_scraped_twice() {
    let mut evidence = scraped_twice();
    let finding = broken(&evidence, Link::Target);
    assert_eq!(finding.cause, Cause::ScrapedTwice);
    assert!(finding.evidence.contains("service=shopfront-svc, service=shopfront-headless"), "{}", finding.evidence);
    let [command] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert!(command.contains(r#"{"op":"test","path":"/spec/endpoints/0/port","value":"web"}"#), "{command}");
    assert!(command.contains(&format!(r#""regex":"{NAMESPACE};(shopfront-headless)""#)), "{command}");
    // A monitor that others use as well is not changed.
    seen(&mut evidence.monitors)[0]["spec"]["namespaceSelector"] = json!({"any": true});
    assert_eq!(advice_at(&evidence, Link::Target).0, Cause::ScrapedTwice);
    // The query takes one of the two.
    for replica in &mut evidence.prometheus.replicas {
        seen(replica.queries.get_mut(ADAPTER_SERIES).unwrap()).truncate(2);
    }
    assert_eq!(state(&evidence, Link::Target), State::Ok);
}

#[test]
fn two_monitors_of_one_page_get_no_command() {
    let mut evidence = scraped_twice();
    let mut second = evidence.monitors.seen().unwrap()[0].clone();
    second["metadata"]["name"] = json!("second");
    seen(&mut evidence.monitors).push(second);
    for target in targets(&mut evidence).flat_map(|targets| &mut targets[2..]) {
        target["scrapePool"] = json!("serviceMonitor/monitoring/second/0");
    }
    let (cause, advice) = advice_at(&evidence, Link::Target);
    assert!(cause == Cause::ScrapedTwice && advice.contains("monitoring/second"), "{advice}");
}

/// A chain without targets, whose own monitor names a port that the Service does not have; and other namespaces' monitors.
fn mistyped(others: &[Value]) -> Evidence {
    let mut evidence = adapter();
    without_targets(&mut evidence);
    not_found(&mut evidence);
    let monitor = &mut seen(&mut evidence.monitors)[0];
    monitor["metadata"]["namespace"] = json!(NAMESPACE);
    monitor["spec"]["namespaceSelector"] = Value::Null;
    monitor["spec"]["endpoints"][0]["port"] = json!("http");
    let all = seen(&mut evidence.monitors);
    for (number, other) in others.iter().enumerate() {
        all.insert(number % 2, other.clone());
    }
    evidence
}

fn monitor(kind: &str, of: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": {"name": name, "namespace": of,
           "creationTimestamp": ago(9000.0)}, "spec": spec})
}

#[test]
fn own_monitor_is_judged_before_those_of_other_namespaces() {
    let selector = json!({"matchLabels": {"app": "shopfront"}});
    let others = [
        monitor(
            "PodMonitor",
            "staging",
            "shopfront",
            &json!({"selector": selector, "podMetricsEndpoints": [{"port": "web"}]}),
        ),
        monitor(
            "ServiceMonitor",
            "staging",
            "shopfront",
            &json!({"selector": selector, "endpoints": [{"port": "web"}]}),
        ),
        monitor(
            "PodMonitor",
            "platform",
            "all-pods",
            &json!({"selector": {}, "namespaceSelector": {"any": true}, "podMetricsEndpoints": [{"port": "metrics"}]}),
        ),
        monitor(
            "ServiceMonitor",
            "monitoring",
            "unrelated",
            &json!({"selector": selector, "endpoints": [{"port": "web"}]}),
        ),
    ];
    for count in 0..=others.len() {
        let (cause, command) = commands_at(&mistyped(&others[..count]), Link::Monitor);
        assert_eq!(cause, Cause::MonitorSelectsNothing, "{count}");
        let own =
            format!("kubectl -n {NAMESPACE} patch servicemonitor.monitoring.coreos.com/shopfront-monitor --type json");
        assert!(command.starts_with(&own) && command.contains(r#""value":"web""#), "{count}: {command}");
    }
    // Without a monitor of its own, none of the others is blamed.
    let mut evidence = mistyped(&others);
    seen(&mut evidence.monitors).retain(|monitor| monitor["metadata"]["namespace"] != NAMESPACE);
    let finding = broken(&evidence, Link::Monitor);
    assert_eq!(finding.cause, Cause::AnnotationsOnly, "{finding:?}");
    assert!(finding.fix.commands.iter().all(|command| command.starts_with("printf")), "{finding:?}");
}

#[test]
fn new_monitor_does_not_replace_one_of_the_same_name() {
    let mut evidence = adapter();
    without_targets(&mut evidence);
    not_found(&mut evidence);
    let spec = json!({"selector": {"matchLabels": {"app": "cart"}}, "endpoints": [{"port": "http"}]});
    *seen(&mut evidence.monitors) = vec![monitor("ServiceMonitor", NAMESPACE, "shopfront-deploy", &spec)];
    let (cause, command) = commands_at(&evidence, Link::Monitor);
    assert_eq!(cause, Cause::AnnotationsOnly);
    assert!(command.contains(&format!("name: {NAMESPACE}-shopfront-deploy")), "{command}");
}

/// Makes the newest sample this old, of series with one sample every 5 s until then.
fn sampled(evidence: &mut Evidence, age: f64) {
    for replica in &mut evidence.prometheus.replicas {
        let one = |value: f64| json!([{"metric": {"pod": PODS[0].0}, "value": [TAKEN, value.to_string()]}]);
        let rows = [
            (format!("timestamp({ADAPTER_SERIES})"), one(TAKEN - age)),
            (format!("count_over_time({ADAPTER_SERIES}[300s])"), one((300.0 - age) / 5.0)),
        ];
        for (query, result) in rows {
            replica.queries.insert(query, Read::Seen(result.as_array().unwrap().clone()));
        }
    }
}

#[test]
fn series_that_outlive_their_monitor_are_no_proof() {
    let mut evidence = adapter();
    seen(&mut evidence.monitors).clear();
    targets(&mut evidence).for_each(Vec::clear);
    sampled(&mut evidence, 40.0);
    let finding = broken(&evidence, Link::Monitor);
    assert_eq!(finding.cause, Cause::MonitorLost, "{finding:?}");
    assert!(finding.evidence.contains("40 s old") && finding.fix.commands.len() == 1, "{finding:?}");
    // They still come, by whatever way.
    sampled(&mut evidence, 4.0);
    assert_eq!(broken_cause(&evidence), None);
}

/// An Ingress of an AWS load balancer that sends to the pods' Service.
fn ingress(annotations: &Value) -> Value {
    let backend = json!({"service": {"name": "shopfront-svc", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": NAMESPACE, "annotations": annotations},
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]},
    })
}

#[test]
fn health_checks_of_a_load_balancer_on_a_counted_path_are_reported() {
    let three = "subnet-a,subnet-b,subnet-c";
    let mut evidence = adapter();
    evidence.ingresses = Read::Seen(vec![ingress(&json!({"alb.ingress.kubernetes.io/subnets": three}))]);
    // The readiness probe asks a port that the Service does not lead to.
    assert_eq!(advice_at(&evidence, Link::Metrics).0, Cause::BalancerChecksCounted);
    for pod in seen(&mut evidence.pods) {
        pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] = json!("web");
    }
    let (cause, command) = commands_at(&evidence, Link::Metrics);
    assert_eq!(cause, Cause::BalancerChecksCounted);
    let path = "alb.ingress.kubernetes.io/healthcheck-path=/readyz";
    assert_eq!(command, format!("kubectl -n {NAMESPACE} annotate service/shopfront-svc '{path}' --overwrite"));
    // It checks a path that is not counted, or checks so rarely that it does no harm.
    for annotations in [
        json!({"alb.ingress.kubernetes.io/healthcheck-path": "/healthz", "alb.ingress.kubernetes.io/subnets": three}),
        json!({"alb.ingress.kubernetes.io/healthcheck-interval-seconds": "60"}),
    ] {
        evidence.ingresses = Read::Seen(vec![ingress(&annotations)]);
        assert_eq!(state(&evidence, Link::Metrics), State::Ok, "{annotations}");
    }
    let mut other = ingress(&json!({"alb.ingress.kubernetes.io/subnets": three}));
    other["spec"]["ingressClassName"] = json!("nginx");
    other["metadata"]["annotations"] = json!({});
    evidence.ingresses = Read::Seen(vec![other]);
    assert_eq!(state(&evidence, Link::Metrics), State::Ok);
}
