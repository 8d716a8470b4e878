//! Ports, by whatever they are named.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::Value;

use crate::doctor::objects::{Pod, Service};

/// The port of a pod's container that a name or a number means.
pub fn of_pod(pod: &Value, wanted: &Value) -> Option<u16> {
    if let Some(number) = wanted.as_u64() {
        return u16::try_from(number).ok();
    }
    let wanted = wanted.as_str().filter(|wanted| !wanted.is_empty())?;
    let port = declared(pod).find(|port| port["name"] == wanted)?;
    port["containerPort"].as_u64()?.try_into().ok()
}

/// All ports that a pod's containers declare.
pub fn declared(pod: &Value) -> impl Iterator<Item = &Value> {
    Pod(pod).containers().iter().flat_map(|container| container["ports"].as_array().into_iter().flatten())
}

/// Their numbers.
pub fn numbers(pod: &Value) -> impl Iterator<Item = u16> {
    declared(pod).filter_map(|port| port["containerPort"].as_u64()?.try_into().ok())
}

/// Where the port of a Service that a name or a number means leads in a pod.
pub fn behind(pod: &Value, service: &Value, wanted: &Value) -> Option<u16> {
    let mut ports = Service(service).ports().iter().filter(|_| !wanted.is_null());
    of_service(pod, ports.find(|port| port["name"] == *wanted || port["port"] == *wanted)?)
}

/// Where a port of a Service leads in a pod.
pub fn of_service(pod: &Value, port: &Value) -> Option<u16> {
    of_pod(pod, target_of(port))
}

/// The same by number or name, whatever the pod: the Service's own number where it says nothing.
pub fn target(port: &Value) -> Option<IntOrString> {
    named(target_of(port))
}

/// A port as an object writes it; none where it is not written.
pub fn named(port: &Value) -> Option<IntOrString> {
    IntOrString::deserialize(port).ok().filter(|port| *port != IntOrString::String(String::new()))
}

/// The container's port that an endpoint of a monitor names past any Service.
pub fn of_endpoint(endpoint: &Value) -> &Value {
    let target = &endpoint["targetPort"];
    if target.is_null() { &endpoint["portNumber"] } else { target }
}

fn target_of(port: &Value) -> &Value {
    let target = &port["targetPort"];
    if target.is_null() { &port["port"] } else { target }
}
