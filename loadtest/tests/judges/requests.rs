//! What is asked of the metrics API and of Prometheus, letter by letter: the other tests take their keys from the code that
//! asks, and would not see a path that no server has.

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::requests;
use serde_json::{Value, json};

use crate::healthy;

/// The counter of the pods, whatever labels it has: by their addresses, or at least of their namespace.
const BY_ADDRESS: &str = concat!(
    r#"http_requests_total{instance=~"\\[?10\\.244\\.0\\.11\\]?(:\\d+)?|\\[?10\\.244\\.0\\.12\\]?(:\\d+)?"}"#,
    r#" or http_requests_total{namespace="miztiik-automation-ns"}"#,
);

/// The paths of the metrics API that were asked, and the queries of each replica of Prometheus.
fn asked(evidence: &Evidence) -> (Vec<&str>, Vec<&str>) {
    let queries = |index: usize| evidence.prometheus.replicas[index].queries.keys().map(String::as_str);
    assert!(queries(0).eq(queries(1)));
    (evidence.answers.keys().map(String::as_str).collect(), queries(0).collect())
}

#[test]
fn adapter_chain_is_read_by_these_paths_and_queries() {
    let evidence = healthy::adapter();
    let (paths, queries) = asked(&evidence);
    assert_eq!(
        paths,
        [
            "/apis/custom.metrics.k8s.io/v1beta1",
            "/apis/custom.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/pods/*/http_requests_per_second\
             ?labelSelector=app%3Dshopfront",
        ]
    );
    assert_eq!(
        queries,
        [
            BY_ADDRESS,
            "http_requests_total{namespace=\"miztiik-automation-ns\",\
             pod=~\"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp\"}",
            "sum(rate(http_requests_total{namespace=\"miztiik-automation-ns\",\
             pod=~\"shopfront-deploy-7d94b56f44-fblvd|shopfront-deploy-7d94b56f44-x2kqp\"}[2m])) by (pod)",
        ]
    );
}

#[test]
fn keda_chain_is_read_by_these_paths_and_queries() {
    let evidence = healthy::keda();
    let (paths, queries) = asked(&evidence);
    assert_eq!(
        paths,
        [
            "/apis/external.metrics.k8s.io/v1beta1",
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/s0-prometheus\
             ?labelSelector=scaledobject.keda.sh%2Fname%3Dshopfront-scaledobject",
        ]
    );
    assert_eq!(
        queries,
        [
            BY_ADDRESS,
            r#"http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}"#,
            r#"sum(rate(http_requests_total{namespace="miztiik-automation-ns",service="shopfront-svc"}[1m]))"#,
        ]
    );
}

/// Where the HPA's controller reads a metric of this description.
fn path(metric: &Value) -> String {
    requests::metric(&healthy::adapter(), metric).unwrap()
}

#[test]
fn each_metric_type_is_read_at_the_path_of_the_hpa_controller() {
    const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns";
    let labelled = json!({"name": "hits", "selector": {"matchLabels": {"shop": "a/b"}}});
    let object = |version: &str, kind: &str, name: &str| {
        let object = json!({"apiVersion": version, "kind": kind, "name": name});
        json!({"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": object}})
    };
    assert_eq!(
        path(&json!({"type": "Pods", "pods": {"metric": labelled}})),
        format!("{CUSTOM}/pods/*/hits?labelSelector=app%3Dshopfront&metricLabelSelector=shop%3Da%2Fb")
    );
    assert_eq!(path(&object("v1", "Service", "front")), format!("{CUSTOM}/services/front/hits"));
    assert_eq!(path(&object("apps/v1", "Deployment", "front")), format!("{CUSTOM}/deployments.apps/front/hits"));
    assert_eq!(path(&object("v1", "Namespace", "n")), format!("{CUSTOM}/metrics/hits"));
    assert_eq!(
        path(&json!({"type": "External", "external": {"metric": labelled}})),
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/hits?labelSelector=shop%3Da%2Fb"
    );
    assert_eq!(
        path(&json!({"type": "Resource", "resource": {"name": "cpu"}})),
        "/apis/metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/pods?labelSelector=app%3Dshopfront"
    );
}
