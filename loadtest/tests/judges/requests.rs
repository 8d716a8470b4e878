//! The paths and queries that the doctor sends, letter by letter. The evidence of the other tests has its answers under
//! the same literals.

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::requests;
use serde_json::{Value, json};

use crate::healthy::{
    self, ADAPTER_LIST, ADAPTER_METRIC, ADAPTER_QUERY, ADAPTER_SERIES, COUNTER, KEDA_LIST, KEDA_METRIC, KEDA_QUERY,
    KEDA_SERIES,
};

/// The paths of the metrics API for the HPA's metric: its group's list, and its values.
fn paths(evidence: &Evidence) -> [String; 2] {
    let metric = &evidence.hpa.seen().unwrap()["spec"]["metrics"][0];
    [requests::listing(evidence, requests::group(metric)), requests::metric(evidence, metric).unwrap()]
}

#[test]
fn adapter_chain_is_read_by_these_paths_and_queries() {
    let evidence = healthy::adapter();
    assert_eq!(paths(&evidence), [ADAPTER_LIST, ADAPTER_METRIC]);
    assert_eq!(Vec::from_iter(requests::queries(&evidence)), [COUNTER, ADAPTER_SERIES, ADAPTER_QUERY]);
}

#[test]
fn keda_chain_is_read_by_these_paths_and_queries() {
    let evidence = healthy::keda();
    assert_eq!(paths(&evidence), [KEDA_LIST, KEDA_METRIC]);
    assert_eq!(Vec::from_iter(requests::queries(&evidence)), [COUNTER, KEDA_SERIES, KEDA_QUERY]);
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
