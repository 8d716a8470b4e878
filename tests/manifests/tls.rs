//! What `k8s/tls` changes: https beside the plain port, with a mounted certificate.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, from_value};

use crate::ops::{of_kind, plain, services, with_component};

/// The service's default.
const TLS: i32 = shopfront::config::TLS_PORT as i32;

#[test]
fn k8s_tls_mounts_the_secret_where_the_settings_look_for_it() {
    let objects = with_component("tls");
    let deployment: Deployment = from_value(of_kind(&objects, "Deployment").next().unwrap().clone()).unwrap();
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    let [volume] = &pod.volumes.unwrap()[..] else { panic!("one volume") };
    let secret = volume.secret.clone().unwrap();
    let page = include_str!("../../docs/KUBERNETES.md");
    let name = secret.secret_name.unwrap();
    assert!(page.contains(&format!("create secret tls {name} ")) && page.contains("components: [tls]"));
    assert_eq!(secret.default_mode, None, "the image's user can read it");

    let container = &pod.containers[0];
    let [mount] = &container.volume_mounts.clone().unwrap()[..] else { panic!("one mount") };
    assert_eq!((&mount.name, mount.read_only, &mount.sub_path), (&volume.name, Some(true), &None));
    let variables: BTreeMap<_, _> =
        container.env.clone().unwrap().into_iter().map(|one| (one.name, one.value.unwrap())).collect();
    // The names of the keys in a Secret of this type.
    assert_eq!(variables["SHOPFRONT_TLS_CERT"], format!("{}/tls.crt", mount.mount_path));
    assert_eq!(variables["SHOPFRONT_TLS_KEY"], format!("{}/tls.key", mount.mount_path));
    assert!(variables.contains_key("SHOPFRONT_TARGET"), "the others stay");
    let ports: Vec<_> = container.ports.clone().unwrap().into_iter().map(|port| port.container_port).collect();
    assert_eq!(ports, [9898, 9797, TLS]);
}

#[test]
fn k8s_tls_opens_the_port_to_clients_and_keeps_the_plain_one() {
    let objects = with_component("tls");
    let [service] = &services(&objects)[..] else { panic!("one Service") };
    let ports = service.spec.clone().unwrap().ports.unwrap();
    let ports: Vec<_> =
        ports.into_iter().map(|port| (port.name.unwrap(), port.port, port.target_port.unwrap())).collect();
    assert_eq!(
        ports,
        [("web".to_owned(), 80, IntOrString::Int(9898)), ("https".to_owned(), 443, IntOrString::Int(TLS))]
    );
    let named = |objects: &[Value]| {
        let policies = of_kind(objects, "NetworkPolicy").map(|policy| from_value(policy.clone()).unwrap());
        policies
            .map(|policy: NetworkPolicy| (policy.metadata.name.unwrap(), policy.spec.unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (named(&plain()), named(&objects));
    assert_eq!(after.len(), before.len() + 1);
    let (added, clients) = (&after["shopfront-https"], &before["shopfront"]);
    assert_eq!(added.pod_selector, clients.pod_selector);
    let [rule] = &added.ingress.clone().unwrap()[..] else { panic!("one rule") };
    assert_eq!(rule.from, clients.ingress.clone().unwrap()[0].from, "the same clients");
    let ports: Vec<_> = rule.ports.clone().unwrap().into_iter().map(|port| port.port.unwrap()).collect();
    assert_eq!(ports, [IntOrString::Int(TLS)]);
}
