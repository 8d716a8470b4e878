//! Whether a Prometheus is asked, which somebody else has named.
//!
//! An administrator's doctor on a tenant's HPA must not ask a pod of the tenant's for what Prometheus has: whoever may write
//! a `ScaledObject` could have any pod of his answer, and so choose the diagnosis. Prometheus has a namespace of its own by
//! every usual installation (kube-prometheus, the charts of prometheus-community), so the HPA's own namespace is where the
//! line is: a pod there is asked if the metrics API's own server names it, which is for an administrator to install, or if
//! the user says so. It gets no credential of the user in any case: a port-forward has none, and the API server's proxy
//! passes none on.

use serde_json::Value;

use super::requests;
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{Workload, leads_to, name, namespace};
use crate::kube::read::Unread;

/// Whether the user has said that Prometheus is to be trusted wherever it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// Wherever it is.
    Anywhere,
    /// Where an administrator has it.
    OfTheCluster,
}

impl Trust {
    /// As the flag `--trust-prometheus` says.
    pub const fn of_flag(given: bool) -> Self {
        if given { Self::Anywhere } else { Self::OfTheCluster }
    }

    /// Why a pod of Prometheus is not asked; none where it is.
    pub fn refuses(self, evidence: &Evidence, pod: &Value) -> Option<Unread> {
        let of = namespace(pod);
        let why = self.refuses_all_in(evidence, of)?;
        Some(Unread::new(format!("Prometheus {of}/{}", name(pod)), &why))
    }

    /// Why no pod in this namespace is asked as Prometheus; none where they are.
    pub fn refuses_all_in(self, evidence: &Evidence, of: &str) -> Option<String> {
        let is_trusted = self == Self::Anywhere || of != evidence.namespace || is_named_by_the_server(evidence);
        (!is_trusted).then(|| {
            format!(
                "not asked: it runs in {of}, the HPA's own namespace, where any pod may pass for Prometheus; if it is \
                 yours, add --trust-prometheus"
            )
        })
    }
}

/// Whether the URL is that of the adapter behind the `APIService`.
fn is_named_by_the_server(evidence: &Evidence) -> bool {
    let by_trigger = requests::triggers(evidence).any(|trigger| trigger["serverAddress"].is_string());
    let (service, deployment) = (evidence.server.service.seen(), evidence.server.deployment.seen());
    let behind = service.zip(deployment).is_some_and(|(service, deployment)| {
        namespace(service) == namespace(deployment)
            && Workload(deployment).pod_labels().is_some_and(|labels| leads_to(service, labels))
    });
    !by_trigger && behind && evidence.prometheus.service.seen().is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::evidence::{Prometheus, Server};
    use crate::kube::read::Read;

    fn refused(evidence: &Evidence, of: &str, trust: Trust) -> bool {
        let pod = json!({"metadata": {"name": "prom-0", "namespace": of}});
        trust.refuses(evidence, &pod).is_some()
    }

    #[test]
    fn a_prometheus_beside_the_hpa_is_asked_where_the_user_or_an_administrator_says_so() {
        let trigger = json!({"type": "prometheus", "metadata": {"serverAddress": "http://prom:9090"}});
        let keda = Evidence {
            namespace: "shop".to_owned(),
            scaled_object: Read::Seen(json!({"spec": {"triggers": [trigger]}})),
            ..Evidence::default()
        };
        assert!(refused(&keda, "shop", Trust::OfTheCluster) && !refused(&keda, "shop", Trust::Anywhere));
        assert!(!refused(&keda, "monitoring", Trust::OfTheCluster));

        let of = |name: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {
            "selector": {"app": name}, "template": {"metadata": {"labels": {"app": name}}}}})
        };
        let server =
            Server { service: Read::Seen(of("adapter")), deployment: Read::Seen(of("adapter")), ..Server::default() };
        let prometheus = Prometheus { service: Read::Seen(of("prom")), ..Prometheus::default() };
        let adapter = Evidence { namespace: "shop".to_owned(), server, prometheus, ..Evidence::default() };
        assert!(!refused(&adapter, "shop", Trust::OfTheCluster));
        // A Deployment that only looks like an adapter is a tenant's to write.
        let mut forged = adapter.clone();
        forged.server.service = Read::Absent;
        assert!(refused(&forged, "shop", Trust::OfTheCluster));
        let both = Evidence { scaled_object: keda.scaled_object, ..adapter };
        assert!(refused(&both, "shop", Trust::OfTheCluster));
    }
}
