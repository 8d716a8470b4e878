//! A target that is down: why, and how to fix it.

use serde_json::{Value, json};

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Page};
use crate::doctor::facts::early::settled;
use crate::doctor::facts::monitors::of_target;
use crate::doctor::facts::nearness::is_own;
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{Ours, ours, place, result, with_counter};
use crate::doctor::findings::selection::Workload;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{Endpoint, patch_item};
use crate::doctor::objects::{Monitor, Service, name, selects};
use crate::doctor::status::Finding;

/// A pod that has been ready for long has no target that is up in any replica of Prometheus.
pub fn finding(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Finding> {
    let settled = settled(evidence, scaling);
    let targets: Vec<(&str, &Value)> =
        evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, scaling, replica)).collect();
    settled.into_iter().find_map(|pod| {
        let of_pod: Vec<&Value> = targets.iter().filter(|(of, _)| *of == pod).map(|(_, target)| *target).collect();
        if of_pod.iter().any(|target| target["health"] != "down") {
            return None;
        }
        let target = *of_pod.first()?;
        let why = target["lastError"].as_str().unwrap_or_default();
        // A pod under load may miss a scrape: while its rate has values, it is not down for good.
        if may_pass(why) && has_value(evidence, scaling, pod) {
            return None;
        }
        let url = target["scrapeUrl"].as_str().unwrap_or_default();
        let (advice, commands) = fix(evidence, scaling, target, why);
        let seen = format!("target {url} of pod {pod} is down: {why}");
        Some(Finding::new(Cause::TargetDown, seen, advice, commands))
    })
}

/// Whether the error may be gone by the next scrape.
fn may_pass(why: &str) -> bool {
    ["context deadline exceeded", "Client.Timeout", "EOF", "connection reset"].iter().any(|text| why.contains(text))
}

fn has_value(evidence: &Evidence, scaling: &ScalingMetric, pod: &str) -> bool {
    let pods = Ours::of(evidence);
    let answered = scaling.query.as_deref().and_then(|query| result(evidence, query));
    answered.into_iter().flatten().any(|sample| pods.pod_of_series(&sample["metric"]).is_none_or(|of| of == pod))
}

/// The fix, by Prometheus' error.
fn fix(evidence: &Evidence, scaling: &ScalingMetric, target: &Value, why: &str) -> (String, Vec<Command>) {
    let pages = scaling.series.as_deref().map(|series| with_counter(evidence, series)).unwrap_or_default();
    let page = pages.first().copied();
    let (port, path) = place(target);
    let set = |field: &str, value: &str| {
        let own = of_target(evidence, target).filter(|(monitor, _)| is_own(evidence, monitor));
        own.map(|at| Endpoint::new(at).set(field, &json!(value), &[]))
    };
    let found = page.map(|page| format!("port {}, path {}", page.port, page.path));
    let found = found.map_or_else(String::new, |found| format!(" The counter is at {found}."));
    let another_port = page.filter(|page| Some(page.port) != port);
    let another_path = page.filter(|page| page.path != path).map(|page| set("path", &page.path));
    if why.contains("connection refused") || another_port.is_some() {
        let refused = why.contains("connection refused");
        let to_port = another_port.and_then(|page| to_port(evidence, target, page, refused));
        return (
            format!("Point the monitor or the Service to the port that the container listens on.{found}"),
            // The port is last: it identifies the endpoint, which the other patch tests.
            another_path.flatten().into_iter().chain(to_port).collect(),
        );
    }
    if let Some(command) = another_path {
        return (format!("Set the monitor's path to the page's.{found}"), command.into_iter().collect());
    }
    if why.contains("HTTP response to HTTPS client") {
        let advice = "The pod serves the page without TLS. Set the monitor's scheme to http.";
        return (advice.to_owned(), set("scheme", "http").into_iter().collect());
    }
    let advice = if why.contains("status 404") || why.contains("Content-Type") {
        "Correct the path of the monitor's endpoint: the pod serves no metrics there."
    } else if why.contains("status 401") || why.contains("status 403") {
        "Give the monitor's endpoint the credentials that the page requires, or allow Prometheus to read it."
    } else if why.contains("tls") || why.contains("x509") || why.contains("status 400") || why.contains("EOF") {
        "Correct the TLS settings: `scheme` and `tlsConfig` of the monitor's endpoint, or a mesh's mTLS at the pod's port."
    } else if why.contains("deadline") || why.contains("timeout") || why.contains("no route") {
        "Check whether a NetworkPolicy blocks Prometheus, or the page takes longer than `scrapeTimeout`."
    } else {
        "Fix what the error reports."
    };
    (advice.to_owned(), Vec::new())
}

/// The command that leads a target to the port of the counter. It changes the monitor, to use the Service's port that leads
/// there, or the pod's port. If the Service's port leads to a port that refuses connections, it changes the Service.
fn to_port(evidence: &Evidence, target: &Value, page: &Page, refused: bool) -> Option<Command> {
    let (monitor, number) = of_target(evidence, target)?;
    let at = Endpoint { monitor, number };
    let endpoint = at.spec();
    let workload = Workload::of(evidence)?;
    let pod = evidence.pods.items().iter().find(|pod| name(pod) == page.pod)?;
    let is_own = is_own(evidence, monitor);
    let set = |field: &str, value: &Value| is_own.then(|| at.set(field, value, &["port", "targetPort", "portNumber"]));
    let named = ports::declared(pod).find(|port| port["containerPort"] == page.port).map(|port| &port["name"]);
    if monitor["kind"] == "PodMonitor" {
        return match named.filter(|name| name.is_string()) {
            Some(name) if endpoint["port"].is_string() => set("port", name),
            _ => set("portNumber", &json!(page.port)),
        };
    }
    if endpoint["port"].is_null() {
        return set("targetPort", &json!(page.port));
    }
    // The monitor does not find the ports of other Services.
    let selector = Monitor(monitor).selector();
    for service in workload.services.iter().filter(|service| selects(selector, &service["metadata"]["labels"])) {
        let ports: Vec<&Value> = Service(service).ports().iter().collect();
        let leading =
            ports.iter().find(|port| ports::of_service(pod, port) == Some(page.port) && port["name"].is_string());
        if let Some(leading) = leading {
            return set("port", &leading["name"]);
        }
        let leads_nowhere = |port: &Value| {
            let leads = ports::of_service(pod, port);
            port["name"] == endpoint["port"] && refused && (leads.is_none() || leads == place(target).0)
        };
        if let Some(at) = ports.iter().position(|port| leads_nowhere(port)) {
            let path = format!("/spec/ports/{at}");
            let set = json!({"op": "add", "path": format!("{path}/targetPort"), "value": page.port});
            return Some(patch_item(service, &path, ports[at], [set]));
        }
    }
    set("targetPort", &json!(page.port))
}
