//! Where kube-prometheus keeps what the chain needs, for those who may not ask where it is.

use futures_util::future::join_all;
use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::objects::namespace;
use crate::kube::read::Read;
use crate::kube::reader::Reader;

/// Its namespace, and the `ConfigMap` with the adapter's rules.
const NAMESPACE: &str = "monitoring";
const CONFIG: &str = "adapter-config";

/// The adapter's rules.
pub async fn config(reader: &Reader) -> Read<Value> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIG}");
    reader.one(&path, &format!("ConfigMap {NAMESPACE}/{CONFIG}")).await
}

/// The monitors beside whoever serves the metrics API, and beside the HPA; unread where neither may be listed.
pub async fn monitors(reader: &Reader, evidence: &Evidence) -> Read<Vec<Value>> {
    let server = &evidence.server;
    let server = server.deployment.seen().or(server.service.seen()).map_or(NAMESPACE, namespace);
    let mut places = vec![server, evidence.namespace.as_str()];
    places.dedup();
    let lists = places.iter().flat_map(|place| ["servicemonitors", "podmonitors"].map(|kind| (place, kind)));
    let all = join_all(lists.map(|(place, kind)| async move {
        let path = format!("/apis/monitoring.coreos.com/v1/namespaces/{place}/{kind}");
        reader.all(&path, &format!("the {kind} of {place}")).await
    }))
    .await;
    Read::of_all(all)
}
