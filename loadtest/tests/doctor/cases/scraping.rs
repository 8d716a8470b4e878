//! Causes from the pod's metrics page to the series: the counter, the scrape, and the labels.

use loadtest::doctor::catalogue::Cause;

use super::adapter::{RULES, RULES_BACK, rules};
use super::{MANIFEST, monitoring, own};
use crate::case::Case;

pub fn cases() -> Vec<Case> {
    vec![
        port_name(),
        selector(),
        namespace(),
        not_selected(),
        annotations(),
        lost(),
        twice(),
        balancer(),
        target_port(),
        path(),
        forbidden(),
        labels(),
        renamed(),
        replica(),
        absent(),
        probes_counted(),
    ]
}

/// Patches the `ServiceMonitor`.
fn monitor(patch: &str) -> String {
    monitoring(&format!("patch servicemonitor shopfront-monitor --type merge -p '{patch}'"))
}

/// Adds fields to its one endpoint.
fn endpoint(more: &str) -> String {
    monitor(&format!(r#"{{"spec":{{"endpoints":[{{"port":"web","path":"/metrics","interval":"5s",{more}}}]}}}}"#))
}

/// Uses the histogram's series, which count scrapes and probes too.
pub fn probes_counted() -> Case {
    let line = rules(
        r#"s/seriesQuery: .*/seriesQuery: http_requests_count{namespace!="",pod!=""}/; s/matches: .*/matches: ^(.*)_count$/"#,
    );
    Case::new(Cause::ProbesCounted, "the rule reads what counts scrapes and probes", line, RULES_BACK).tidied()
}

/// Uses the series of `/version`, which the program creates at the first request.
fn absent() -> Case {
    let line = rules(r#"s/seriesQuery: .*/seriesQuery: http_requests_total{namespace!="",pod!="",path="version"}/"#);
    Case::new(Cause::CounterAbsent, "the rule reads a series that comes with its first request", line, RULES_BACK)
        .by_hand("the program has to create the series")
}

fn annotations() -> Case {
    let line = own("annotate service shopfront-svc prometheus.io/scrape=true prometheus.io/port=9898 --overwrite");
    let undo = format!(
        "{} && {} && {MANIFEST}",
        own("annotate service shopfront-svc prometheus.io/scrape- prometheus.io/port-"),
        own("delete servicemonitor shopfront-deploy --ignore-not-found")
    );
    Case::new(Cause::AnnotationsOnly, "annotations in place of the ServiceMonitor", line, undo)
        .then(monitoring("delete servicemonitor shopfront-monitor"))
        .tidied()
}

/// Deletes the monitor: Prometheus answers with the last samples for five minutes.
fn lost() -> Case {
    let undo = format!("{} && {MANIFEST}", own("delete servicemonitor shopfront-deploy --ignore-not-found"));
    Case::new(
        Cause::MonitorLost,
        "the ServiceMonitor deleted",
        monitoring("delete servicemonitor shopfront-monitor"),
        undo,
    )
    .tidied()
}

/// A headless Service with the label that the monitor selects by.
fn twice() -> Case {
    let line = format!(
        "{} | sed 's/name: shopfront-svc/name: shopfront-headless/; s/type: LoadBalancer/clusterIP: None/; /^  clusterIP: [0-9]/d; \
         /clusterIPs:/,+1d; /uid:/d; /resourceVersion:/d; /nodePort:/d; /allocateLoadBalancerNodePorts:/d; \
         /externalTrafficPolicy:/d; /^status:/,$d' | kubectl create -f -",
        own("get service shopfront-svc -o yaml")
    );
    let undo = format!("{} && {MANIFEST}", own("delete service shopfront-headless --ignore-not-found"));
    Case::new(Cause::ScrapedTwice, "a headless Service that the monitor selects too", line, undo).tidied()
}

/// The Ingress of an AWS load balancer, which checks `/` without an annotation. No such load balancer is made here, so a
/// request stands for its checks.
fn balancer() -> Case {
    let subnets = "alb.ingress.kubernetes.io/subnets=a,b,c,d";
    let line = own(&format!(
        "create ingress shopfront --class alb --annotation {subnets} --rule '/*=shopfront-svc:80' && kubectl get --raw \
         /api/v1/namespaces/miztiik-automation-ns/services/shopfront-svc:web/proxy/"
    ));
    let undo = format!(
        "{} && {}",
        own("delete ingress shopfront --ignore-not-found"),
        own("annotate service shopfront-svc alb.ingress.kubernetes.io/healthcheck-path-")
    );
    Case::new(Cause::BalancerChecksCounted, "an Ingress whose load balancer checks /", line, undo).tidied()
}

pub fn port_name() -> Case {
    let line = monitor(r#"{"spec":{"endpoints":[{"port":"http","path":"/metrics","interval":"5s"}]}}"#);
    Case::new(Cause::MonitorSelectsNothing, "a port name that the Service does not have", line, MANIFEST)
        .tidied()
        .quick()
}

pub fn selector() -> Case {
    let line = monitor(r#"{"spec":{"selector":{"matchLabels":{"app":"shop-front"}}}}"#);
    Case::new(Cause::MonitorSelectsNothing, "a label that the Service does not have", line, MANIFEST).tidied()
}

fn namespace() -> Case {
    let line = monitor(r#"{"spec":{"namespaceSelector":{"matchNames":["default"]}}}"#);
    Case::new(Cause::MonitorSelectsNothing, "a namespaceSelector for another namespace", line, MANIFEST).tidied()
}

/// Selects monitors by a label, as the Helm chart does.
fn not_selected() -> Case {
    let line = monitoring(
        r#"patch prometheus k8s --type merge -p '{"spec":{"serviceMonitorSelector":{"matchLabels":{"release":"stack"}}}}'"#,
    );
    let undo = format!(
        "kubectl replace -f prometheus.bak && {} && {MANIFEST}",
        monitoring("label servicemonitor shopfront-monitor release-")
    );
    Case::new(Cause::MonitorSelectsNothing, "a Prometheus that selects other monitors", line, undo).tidied()
}

pub fn target_port() -> Case {
    let line = own(r#"patch service shopfront-svc -p '{"spec":{"ports":[{"port":80,"targetPort":9899}]}}'"#);
    Case::new(Cause::TargetDown, "a targetPort where nobody listens", line, MANIFEST).quick()
}

fn path() -> Case {
    let line = monitor(r#"{"spec":{"endpoints":[{"port":"web","path":"/metricz","interval":"5s"}]}}"#);
    Case::new(Cause::TargetDown, "a path that the program does not serve", line, MANIFEST)
}

/// An open watch stays open without the right, so Prometheus must first end its watch and then start a new one.
fn forbidden() -> Case {
    let undo = format!(
        "kubectl apply -f k8s/k8s_cluster_role_rbac_perms.yaml && {MANIFEST} && {}",
        own("delete role,rolebinding prometheus-k8s-targets --ignore-not-found")
    );
    Case::new(
        Cause::PrometheusForbidden,
        "no Role for Prometheus in the namespace",
        format!(
            "{} && for pod in 0 1; do while kubectl get --raw {TARGETS} | grep -q shopfront-monitor; do :; done; done",
            monitoring("delete servicemonitor shopfront-monitor")
        ),
        undo,
    )
    .then(own("delete rolebinding prometheus-k8s"))
    .then(MANIFEST)
    .tidied()
}

/// Where a replica of Prometheus lists its scrape pools.
const TARGETS: &str = "/api/v1/namespaces/monitoring/pods/prometheus-k8s-$pod:9090/proxy/api/v1/scrape_pools";

pub fn labels() -> Case {
    let line = endpoint(r#""metricRelabelings":[{"action":"labeldrop","regex":"pod"}]"#);
    Case::new(Cause::LabelsMissing, "the label pod dropped", line, MANIFEST).tidied()
}

fn renamed() -> Case {
    let line = endpoint(
        r#""metricRelabelings":[{"action":"labelmap","regex":"(namespace|pod)","replacement":"exported_$1"},{"action":"labeldrop","regex":"namespace|pod"}]"#,
    );
    let undo = format!("{MANIFEST} && kubectl apply -f k8s/{RULES} && {}", super::adapter::RESTART);
    Case::new(Cause::LabelsMissing, "the labels renamed to exported_*", line, undo).tidied()
}

/// Restarts the second replica with an image that does not exist.
fn replica() -> Case {
    let line =
        monitoring(r#"patch prometheus k8s --type merge -p '{"spec":{"image":"registry.invalid/prometheus:none"}}'"#);
    let reason = "get pod prometheus-k8s-1 -o jsonpath='{.status.containerStatuses[*].state.waiting.reason}'";
    let gone = format!("until {} | grep -q Image; do :; done", monitoring(reason));
    let undo = format!(
        "kubectl replace -f prometheus.bak && {} && {}",
        monitoring("delete pod prometheus-k8s-1 --ignore-not-found --wait=false"),
        monitoring("rollout status statefulset prometheus-k8s --timeout 2m")
    );
    Case::new(Cause::PrometheusNotReady, "a replica of Prometheus that does not start", line, undo)
        .then(gone)
        .by_hand("its owner has to find out why it does not start")
}
