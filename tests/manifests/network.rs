//! Who may talk to whom in the namespace, as a network plugin reads its policies.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::from_value;

use crate::container_port;
use crate::objects::{NAMESPACE, documents, object};

const OPS: i32 = shopfront::config::OPS_PORT as i32;
const WEB: i32 = 9898;

/// The other end of a connection.
#[derive(Clone, Copy)]
enum End {
    /// An address outside of the cluster, or of a node.
    Address(&'static str),
    /// A pod of another namespace.
    Of(&'static str),
    /// A pod of this namespace, by its label `app`.
    Pod(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Ingress,
    Egress,
}

fn policies() -> Vec<NetworkPolicy> {
    let all = documents("networkpolicy.yaml").into_iter().chain(documents("loadtest.yml"));
    let policies: Vec<NetworkPolicy> =
        all.filter(|object| object["kind"] == "NetworkPolicy").map(|object| from_value(object).unwrap()).collect();
    assert!(policies.iter().all(|policy| policy.metadata.namespace.as_deref() == Some(NAMESPACE)));
    policies
}

fn takes(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    assert!(selector.match_expressions.is_none(), "no policy here has one");
    selector.match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value))
}

fn labelled(name: &str, value: &str) -> BTreeMap<String, String> {
    [(name.to_owned(), value.to_owned())].into()
}

fn is(peer: &NetworkPolicyPeer, end: End) -> bool {
    match end {
        End::Address(address) => {
            peer.ip_block.as_ref().is_some_and(|block| block.cidr == format!("{address}/32") && block.except.is_none())
        }
        End::Of(namespace) => {
            let labels = labelled("kubernetes.io/metadata.name", namespace);
            peer.namespace_selector.as_ref().is_some_and(|selector| takes(selector, &labels))
        }
        End::Pod(app) => {
            peer.namespace_selector.is_none()
                && peer.pod_selector.as_ref().is_some_and(|selector| takes(selector, &labelled("app", app)))
        }
    }
}

fn has(ports: Option<&Vec<NetworkPolicyPort>>, protocol: &str, port: i32) -> bool {
    ports.is_none_or(|ports| {
        ports.iter().any(|one| {
            one.protocol.as_deref() == Some(protocol)
                && one.port == Some(IntOrString::Int(port))
                && one.end_port.is_none()
        })
    })
}

/// Whether the pod with this label may have such a connection. Without a policy of that direction, it may.
fn allowed(app: &str, way: Way, end: End, protocol: &str, port: i32) -> bool {
    let name = if way == Way::Ingress { "Ingress" } else { "Egress" };
    let specs = policies().into_iter().filter_map(|policy| policy.spec);
    let specs: Vec<_> = specs
        .filter(|spec| spec.policy_types.as_ref().unwrap().iter().any(|one| one == name))
        .filter(|spec| takes(spec.pod_selector.as_ref().unwrap(), &labelled("app", app)))
        .collect();
    let peers = |peers: Option<&Vec<NetworkPolicyPeer>>| peers.is_none_or(|all| all.iter().any(|peer| is(peer, end)));
    let enters = |NetworkPolicyIngressRule { from, ports }: &NetworkPolicyIngressRule| {
        peers(from.as_ref()) && has(ports.as_ref(), protocol, port)
    };
    let leaves = |NetworkPolicyEgressRule { to, ports }: &NetworkPolicyEgressRule| {
        peers(to.as_ref()) && has(ports.as_ref(), protocol, port)
    };
    specs.is_empty()
        || specs.iter().any(|spec| match way {
            Way::Ingress => spec.ingress.iter().flatten().any(enters),
            Way::Egress => spec.egress.iter().flatten().any(leaves),
        })
}

const STRANGER: End = End::Address("203.0.113.7");

#[test]
fn network_policies_use_the_ports_of_the_container() {
    assert_eq!((container_port("web"), container_port("ops")), (WEB, OPS));
    let service: Service = object("shopfront.yml", "Service");
    assert!(service.spec.unwrap().ports.unwrap().iter().all(|port| port.target_port == Some(IntOrString::Int(WEB))));
}

#[test]
fn clients_reach_the_public_port_from_any_address() {
    for end in [STRANGER, End::Of("default"), End::Of("monitoring"), End::Pod("shopfront-loadtest")] {
        assert!(allowed("shopfront", Way::Ingress, end, "TCP", WEB));
    }
}

#[test]
fn only_prometheus_reaches_the_ops_port() {
    assert!(allowed("shopfront", Way::Ingress, End::Of("monitoring"), "TCP", OPS));
    for end in [STRANGER, End::Of("default"), End::Of("kube-system"), End::Pod("shopfront-loadtest")] {
        assert!(!allowed("shopfront", Way::Ingress, end, "TCP", OPS));
    }
}

#[test]
fn other_ports_and_pods_are_not_reached() {
    for end in [STRANGER, End::Of("monitoring"), End::Pod("shopfront")] {
        assert!(!allowed("shopfront", Way::Ingress, end, "TCP", 22));
        assert!(!allowed("shopfront", Way::Ingress, end, "UDP", WEB));
        for app in ["shopfront-loadtest", "anything"] {
            assert!(!allowed(app, Way::Ingress, end, "TCP", WEB), "{app}");
        }
    }
}

#[test]
fn every_pod_is_denied_egress() {
    let metadata = End::Address("169.254.169.254");
    for app in ["shopfront", "anything"] {
        for end in [STRANGER, metadata, End::Of("kube-system"), End::Of("monitoring"), End::Pod("shopfront")] {
            for port in [53, 80, 443, WEB] {
                assert!(!allowed(app, Way::Egress, end, "TCP", port) && !allowed(app, Way::Egress, end, "UDP", port));
            }
        }
    }
}

#[test]
fn load_tool_reaches_dns_the_api_server_and_shopfront() {
    let may = |end, protocol, port| allowed("shopfront-loadtest", Way::Egress, end, protocol, port);
    for protocol in ["UDP", "TCP"] {
        assert!(may(End::Of("kube-system"), protocol, 53) && may(End::Address("169.254.20.10"), protocol, 53));
        assert!(!may(STRANGER, protocol, 53));
    }
    assert!(may(End::Pod("shopfront"), "TCP", WEB) && may(STRANGER, "TCP", 443) && may(STRANGER, "TCP", 6443));
    assert!(!may(End::Pod("shopfront"), "TCP", OPS) && !may(STRANGER, "TCP", 80));
    assert!(!may(End::Address("169.254.169.254"), "TCP", 80));
}
