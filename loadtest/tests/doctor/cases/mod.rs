//! The causes that the lab can make on a cluster with kube-prometheus, in an order with little to restore in between.

pub mod adapter;
pub mod api;
pub mod autoscaler;
pub mod keda;
pub mod pods;
pub mod scraping;
#[cfg(test)]
mod tests;
pub mod traffic;

use crate::case::{Case, Pair};
use crate::lab::STABILISATION;

/// A kubectl command in the workload's namespace.
pub fn own(arguments: &str) -> String {
    format!("kubectl -n miztiik-automation-ns {arguments}")
}

/// A kubectl command in the namespace of kube-prometheus.
pub fn monitoring(arguments: &str) -> String {
    format!("kubectl -n monitoring {arguments}")
}

/// Restores the fields that the manifest has.
pub const MANIFEST: &str = "kubectl apply -f k8s/shopfront.yml";

/// The same, and the lab's short stabilisation, for an HPA that was deleted.
pub fn manifest() -> String {
    let behavior =
        format!(r#"{{"spec":{{"behavior":{{"scaleDown":{{"stabilizationWindowSeconds":{STABILISATION}}}}}}}}}"#);
    format!("{MANIFEST} && {}", own(&format!("patch hpa shopfront-hpa -p '{behavior}'")))
}

/// Causes in prometheus-adapter's chain, without load.
pub fn adapter() -> Vec<Case> {
    [pods::cases(), scraping::cases(), adapter::cases(), api::cases(), autoscaler::cases()].concat()
}

/// Causes under load.
pub fn loaded() -> Vec<Case> {
    traffic::cases()
}

/// Causes in KEDA's chain.
pub fn keda() -> Vec<Case> {
    keda::cases()
}

/// Pairs of causes in prometheus-adapter's chain.
pub fn pairs() -> Vec<Pair> {
    vec![
        scraping::port_name().with(autoscaler::second_metric()).quick(),
        pods::no_replicas().with(api::missing()).quick(),
        pods::no_image().with(adapter::short_window()),
        scraping::probes_counted().with(api::no_adapter()),
        scraping::selector().with(adapter::name()),
        scraping::target_port().with(autoscaler::second_hpa()),
        scraping::labels().with(api::wrong_port()),
        adapter::broken_neighbour().with(autoscaler::forbidden()),
        adapter::not_grouped().with(pods::no_room()),
        api::missing().with(autoscaler::second_hpa()),
        autoscaler::second_metric().with(pods::no_room()),
    ]
}

/// Pairs of causes in KEDA's chain.
pub fn pairs_of_keda() -> Vec<Pair> {
    vec![scraping::target_port().with(keda::several_series()).quick()]
}
