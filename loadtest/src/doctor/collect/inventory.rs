//! Reads what a cluster without an HPA has for autoscaling.

use futures_util::future::join_all;

use super::server::{Known, api_service};
use crate::doctor::inventory::Found;
use crate::doctor::objects::text;
use crate::kube::cluster::Cluster;
use crate::kube::reader::Reader;

/// The metrics APIs, in the order in which people need them.
const GROUPS: [&str; 3] = ["metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/// Reads it.
pub async fn inventory(cluster: &Cluster) -> Found {
    let reader = &Reader::new(cluster.client.clone());
    let services = join_all(GROUPS.map(|group| async move { (group, api_service(reader, group).await) }));
    let (version, known, prometheuses, services) = tokio::join!(
        reader.one("/version", "the API server's version"),
        Known::list(reader),
        reader.all("/apis/monitoring.coreos.com/v1/prometheuses", "the Prometheus objects"),
        services,
    );
    Found {
        kubernetes: version.map(|version| text(&version, "/gitVersion").to_owned()),
        api_services: services.try_into().unwrap_or_else(|_| unreachable!("each group has one")),
        deployments: known.deployments,
        prometheuses,
    }
}
