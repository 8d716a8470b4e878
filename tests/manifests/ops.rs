//! The port ops: of the pod, for the kubelet and Prometheus, and of no Service that faces the internet; and what `k8s/ops`
//! changes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Probe, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, from_value};
use shopfront::app::Endpoint;

use crate::container_port;
use crate::custom::{Component, Custom, Kustomization, ServiceMonitorSpec};
use crate::objects::{container, documents, object, text};

/// The service's default.
const OPS: i32 = shopfront::config::OPS_PORT as i32;

/// Every object of `k8s/`.
pub fn plain() -> Vec<Value> {
    let kustomization: Kustomization = object("kustomization.yaml", "Kustomization");
    kustomization.resources.iter().flat_map(|file| documents(file)).collect()
}

/// The same with `k8s/ops`.
fn with_ops() -> Vec<Value> {
    with_component("ops")
}

/// The same with a component of `k8s/`.
pub fn with_component(folder: &str) -> Vec<Value> {
    let component: Component = object(&format!("{folder}/kustomization.yaml"), "Component");
    let mut objects = plain();
    for patch in component.patches {
        let change = documents(&format!("{folder}/{}", patch.path)).remove(0);
        let mut changed = objects
            .iter_mut()
            .filter(|object| object["kind"] == patch.target.kind && object["metadata"]["name"] == patch.target.name);
        merge(changed.next().unwrap_or_else(|| panic!("{} changes nothing", patch.path)), &change);
        assert!(changed.next().is_none(), "{}", patch.path);
    }
    objects.extend(component.resources.iter().flat_map(|file| documents(&format!("{folder}/{file}"))));
    objects
}

/// As kustomize merges: objects by their fields, containers by their names, and any other list as a whole.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (field, value) in patch {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(patch)) if patch.iter().all(|item| item["name"].is_string()) => {
            for item in patch {
                match into.iter_mut().find(|one| one["name"] == item["name"]) {
                    Some(known) => merge(known, item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

pub fn services(objects: &[Value]) -> Vec<Service> {
    of_kind(objects, "Service").map(|service| from_value(service.clone()).unwrap()).collect()
}

/// The container's port that a Service's port leads to.
fn target(port: Option<&IntOrString>) -> i32 {
    match port.unwrap() {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => container_port(name),
    }
}

/// The container's ports, and paths, at which Prometheus scrapes each pod.
fn scraped(objects: &[Value]) -> Vec<(i32, String)> {
    let mut scraped = Vec::new();
    for monitor in of_kind(objects, "ServiceMonitor") {
        let monitor: Custom<ServiceMonitorSpec> = from_value(monitor.clone()).unwrap();
        let wanted = monitor.spec.selector["matchLabels"].as_object().unwrap();
        assert!(!wanted.is_empty());
        for service in services(objects) {
            let labels = service.metadata.labels.unwrap_or_default();
            if !wanted.iter().all(|(name, value)| labels.get(name).map(String::as_str) == value.as_str()) {
                continue;
            }
            for port in service.spec.unwrap().ports.unwrap() {
                let endpoints = monitor.spec.endpoints.iter();
                let here = endpoints.filter(|endpoint| Some(&endpoint.port) == port.name.as_ref());
                scraped.extend(here.map(|endpoint| (target(port.target_port.as_ref()), endpoint.path.clone())));
            }
        }
    }
    scraped
}

#[test]
fn probes_use_the_paths_of_the_code_on_the_ops_port() {
    assert_eq!(container_port("ops"), OPS);
    let container = container();
    for (probe, endpoint) in
        [(container.readiness_probe, Endpoint::Readyz), (container.liveness_probe, Endpoint::Healthz)]
    {
        let Probe { http_get, timeout_seconds, .. } = probe.unwrap();
        let asked = http_get.unwrap();
        assert_eq!(asked.path.as_deref(), Some(endpoint.path()));
        assert_eq!(asked.port, IntOrString::String("ops".to_owned()), "no client's connection stands in its way");
        assert!(timeout_seconds.is_some(), "said on purpose");
    }
}

#[test]
fn each_pod_is_scraped_once() {
    let path = Endpoint::Metrics.path().to_owned();
    assert_eq!(scraped(&plain()), [(container_port("web"), path.clone())], "the walk-through's");
    assert_eq!(scraped(&with_ops()), [(OPS, path)]);
}

#[test]
fn services_with_an_address_do_not_expose_the_ops_port() {
    for objects in [plain(), with_ops()] {
        for service in services(&objects) {
            let name = service.metadata.name.unwrap();
            let spec = service.spec.unwrap();
            let leads =
                spec.ports.unwrap().iter().any(|port| port.port == OPS || target(port.target_port.as_ref()) == OPS);
            let is_headless = spec.type_.is_none() && spec.cluster_ip.as_deref() == Some("None");
            assert_eq!(leads, is_headless, "{name}");
        }
    }
}

#[test]
fn k8s_ops_removes_metrics_from_the_public_port_and_keeps_the_rest() {
    let (before, after) = (plain(), with_ops());
    let one = |objects: &[Value], kind: &str, name: &str| {
        of_kind(objects, kind).find(|object| object["metadata"]["name"] == name).unwrap().clone()
    };
    let mut deployment = one(&after, "Deployment", "shopfront-deploy");
    let container = deployment.pointer_mut("/spec/template/spec/containers/0").unwrap();
    assert_eq!(container["args"], serde_json::json!(["--public-metrics=false"]));
    container.as_object_mut().unwrap().remove("args");
    assert_eq!(deployment, one(&before, "Deployment", "shopfront-deploy"));

    // KEDA, the alerts and the dashboard ask by the name of the Service, and go on doing so.
    let monitor = one(&after, "ServiceMonitor", "shopfront-monitor");
    assert_eq!(
        monitor["spec"]["endpoints"][0]["relabelings"],
        serde_json::json!([{"targetLabel": "service", "replacement": "shopfront-svc"}])
    );
    let interval = |monitor: &Value| monitor["spec"]["endpoints"][0]["interval"].clone();
    assert_eq!(interval(&monitor), interval(&one(&before, "ServiceMonitor", "shopfront-monitor")));
    let names = |objects: &[Value]| services(objects).into_iter().filter_map(|service| service.metadata.name).collect();
    let names: Vec<String> = names(&after);
    assert_eq!(names, ["shopfront-svc", "shopfront-ops"]);
    let switch = "components: [ops]";
    let page = include_str!("../../docs/KUBERNETES.md");
    assert!(page.contains(switch) && text("ops/kustomization.yaml").contains(switch));
}

#[test]
fn k8s_lab_has_an_hpa_on_cpu_whose_target_the_work_setting_reaches_and_no_public_address() {
    let objects = with_component("lab");
    let hpa: HorizontalPodAutoscaler =
        from_value(of_kind(&objects, "HorizontalPodAutoscaler").next().unwrap().clone()).unwrap();
    let [metric] = &hpa.spec.unwrap().metrics.unwrap()[..] else { panic!("one metric") };
    let metric = metric.resource.clone().unwrap();
    assert_eq!((metric.name.as_str(), metric.target.type_.as_str()), ("cpu", "Utilization"));
    for service in services(&objects) {
        assert_eq!(service.spec.unwrap().type_.as_deref(), Some("ClusterIP"), "anyone could load or stop the pods");
    }

    let deployment: Deployment = from_value(of_kind(&objects, "Deployment").next().unwrap().clone()).unwrap();
    let container = deployment.spec.unwrap().template.spec.unwrap().containers.remove(0);
    let variables: BTreeMap<_, _> =
        container.env.unwrap().into_iter().map(|one| (one.name, one.value.unwrap())).collect();
    assert_eq!(variables["SHOPFRONT_LAB"], "true");
    let millis = |text: &str, unit: &str| text.strip_suffix(unit).unwrap().parse::<f64>().unwrap();
    let resources = container.resources.unwrap();
    let request = millis(&resources.requests.unwrap()["cpu"].0, "m");
    let target = request * f64::from(metric.target.average_utilization.unwrap()) / 100.0;
    // Milliseconds of CPU time a second are millicores.
    let rate: f64 = variables["SHOPFRONT_TARGET"].parse().unwrap();
    assert!((rate * millis(&variables["SHOPFRONT_WORK"], "ms") - target).abs() < f64::EPSILON, "the page draws it");
    assert!(millis(&resources.limits.unwrap()["cpu"].0, "m") >= 2.0 * target, "it can rise above the target");
    assert!(include_str!("../../docs/KUBERNETES.md").contains("components: [lab]"));
}
