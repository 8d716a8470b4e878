//! Why the API server cannot reach the registered server.

use serde_json::Value;

use super::{desired, service};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::Source;
use crate::doctor::facts::{ports, server};
use crate::doctor::findings::pod_failure;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{ApiService, Service, condition, lives, name, namespace, ready_for, text, titled};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

pub fn finding(evidence: &Evidence, source: Source, api: &Value, version: &str, seen: &str) -> Finding {
    let (why, advice) = why(evidence, source, api, version);
    let seen = why.map_or_else(|| seen.to_owned(), |why| format!("{seen}; {why}"));
    // No command: the server and its APIService are shared.
    Finding::new(Cause::ApiServiceUnavailable, seen, advice, None)
}

/// Further evidence, and what to do.
fn why(evidence: &Evidence, source: Source, api: &Value, version: &str) -> (Option<String>, String) {
    let message = condition(api, "Available").map(|available| text(available, "/message")).unwrap_or_default();
    if message.contains("x509") || message.contains("certificate") {
        return (None, untrusted(evidence, api, version));
    }
    let port = api.pointer("/spec/service/port").and_then(Value::as_i64).unwrap_or(443);
    if let Some(service) = evidence.server.service.seen() {
        let ports = Service(service).ports().iter().filter_map(|port| port["port"].as_i64()).collect::<Vec<_>>();
        if let Some(first) = ports.first().filter(|_| !ports.contains(&port)) {
            let why = format!("it names port {port}, and {} has {ports:?}", titled(service));
            return (Some(why), format!("Set spec.service.port of APIService {version} to {first}."));
        }
    }
    if let Some((why, advice)) = another_port(evidence, port) {
        return (Some(why), advice);
    }
    if let Some((why, advice)) = evidence.server.deployment.seen().and_then(|server| not_running(evidence, server)) {
        return (Some(why), advice);
    }
    let owner = ApiService(api).owner();
    let advice = match service(evidence, source) {
        _ if evidence.server.service != Read::Absent => format!(
            "The pods of Service {owner} run, but the control plane cannot reach them. Allow it to reach their port, in \
             network policies and firewalls (on EKS: 6443 from the cluster's security group to the nodes')."
        ),
        Some((namespace, name, port)) => format!(
            "There is no Service {owner}. Set spec.service of APIService {version} to namespace {namespace}, name {name}, \
             port {port}."
        ),
        None => {
            let title = server::title(source);
            format!("There is no Service {owner}: install {title}, or point {version} to its Service.")
        }
    };
    (None, advice)
}

/// What to do about a certificate that the API server does not trust.
fn untrusted(evidence: &Evidence, api: &Value, version: &str) -> String {
    // It logs this at startup.
    if !evidence.server.log.seen().is_some_and(|log| log.contains(server::SELF_SIGNED)) {
        return format!(
            "The API server does not trust the certificate. Put the CA that signed it, in base64, into spec.caBundle of \
             {version} (with cert-manager: the annotation cert-manager.io/inject-ca-from). Check that the certificate \
             names the Service, and has not expired."
        );
    }
    let advice = "The server generates its own certificate at each start, so no CA matches it for long. Give it a permanent \
                  certificate (--tls-cert-file, --tls-private-key-file), and put the CA that signed it into spec.caBundle.";
    // A CA is somebody's decision to check certificates. The doctor does not revert it.
    if !text(api, "/spec/caBundle").is_empty() {
        return advice.to_owned();
    }
    format!(
        "{advice} Or set spec.insecureSkipTLSVerify: true in APIService {version}, as kube-prometheus' own manifests do: the \
         API server then trusts any certificate there."
    )
}

/// The server has no replica, or none that is ready.
fn not_running(evidence: &Evidence, deployment: &Value) -> Option<(String, String)> {
    let (namespace, name) = (namespace(deployment), name(deployment));
    if desired(deployment) == 0 {
        let advice = format!("Scale Deployment {name} in namespace {namespace} to 1 replica.");
        return Some((format!("Deployment {namespace}/{name} has spec.replicas 0"), advice));
    }
    if deployment.pointer("/status/readyReplicas").and_then(Value::as_i64).unwrap_or(0) > 0 {
        return None;
    }
    let pods = evidence.server.pods.items();
    let fails = |pod: &Value| pod_failure::finding(evidence, Some(deployment), pods, pod);
    if let Some(failing) = pods.iter().filter(|pod| lives(pod)).find_map(fails) {
        return Some((failing.evidence, failing.fix.advice));
    }
    let commands = Command::all([about(deployment, "describe"), about(deployment, "logs")]);
    let advice = if commands.is_empty() {
        "Check its pods and their logs.".to_owned()
    } else {
        format!("Find out why: {}.", commands.join("; "))
    };
    Some((format!("no pod of Deployment {namespace}/{name} is ready"), advice))
}

/// The Service leads to another port than the one that its server listens on: the evidence, and what to do.
fn another_port(evidence: &Evidence, port: i64) -> Option<(String, String)> {
    let service = evidence.server.service.seen()?;
    let listens: u16 = server::argument(evidence.server.deployment.seen()?, "--secure-port")?.parse().ok()?;
    let place = Service(service).ports().iter().position(|one| one["port"] == port)?;
    let item = &service["spec"]["ports"][place];
    let pod = evidence.server.pods.items().iter().find(|pod| ready_for(pod, evidence.taken).is_some())?;
    if ports::of_service(pod, item) == Some(listens) {
        return None;
    }
    let target = &item["targetPort"];
    let seen =
        format!("{}: targetPort {target} of port {port}; its server has --secure-port={listens}", titled(service));
    let advice = format!("Set targetPort of port {port} of {} to {listens}.", titled(service));
    Some((seen, advice))
}
