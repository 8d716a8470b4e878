//! Why the API server cannot reach the registered server.

use serde_json::Value;

use super::{desired, service};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::Source;
use crate::doctor::facts::{ports, server};
use crate::doctor::findings::pod_failure;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, describe};
use crate::doctor::objects::{condition, list, lives, name, namespace, ready_for, text, titled};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

pub fn finding(evidence: &Evidence, source: Source, api: &Value, version: &str, mut seen: String) -> Finding {
    let found =
        |seen: String, advice: String, commands| Finding::new(Cause::ApiServiceUnavailable, seen, advice, commands);
    let message = condition(api, "Available").map(|available| text(available, "/message")).unwrap_or_default();
    if message.contains("x509") || message.contains("certificate") {
        // It logs so at startup.
        if evidence.server.log.seen().is_some_and(|log| log.contains(server::SELF_SIGNED)) {
            let advice = "The server generates its own certificate at each start, so no CA matches it for long. Give it a \
                          permanent certificate (--tls-cert-file, --tls-private-key-file), and put the CA that signed it \
                          into spec.caBundle.";
            // A CA is somebody's decision to check certificates. The doctor does not revert it.
            if !text(api, "/spec/caBundle").is_empty() {
                return found(seen, advice.to_owned(), Vec::new());
            }
            let advice = format!(
                "{advice} Or set spec.insecureSkipTLSVerify: true in APIService {version}, as kube-prometheus' own \
                 manifests do: the API server then trusts any certificate there."
            );
            return found(seen, advice, Vec::new());
        }
        let advice = format!(
            "The API server does not trust the certificate. Put the CA that signed it, in base64, into spec.caBundle of \
             {version} (with cert-manager: the annotation cert-manager.io/inject-ca-from). Check that the certificate \
             names the Service, and has not expired."
        );
        return found(seen, advice, Vec::new());
    }
    let port = api.pointer("/spec/service/port").and_then(Value::as_i64).unwrap_or(443);
    if let Some(service) = evidence.server.service.seen() {
        let ports = list(service, "/spec/ports").iter().filter_map(|port| port["port"].as_i64()).collect::<Vec<_>>();
        if let Some(first) = ports.first().filter(|_| !ports.contains(&port)) {
            seen = format!("{seen}; it names port {port}, and {} has {ports:?}", titled(service));
            return found(seen, format!("Set spec.service.port of APIService {version} to {first}."), Vec::new());
        }
    }
    if let Some((why, advice)) = elsewhere(evidence, port) {
        return found(format!("{seen}; {why}"), advice, Vec::new());
    }
    if let Some(deployment) = evidence.server.deployment.seen() {
        let (namespace, name) = (namespace(deployment), name(deployment));
        if desired(deployment) == 0 {
            let seen = format!("{seen}; Deployment {namespace}/{name} has spec.replicas 0");
            return found(seen, format!("Scale Deployment {name} in namespace {namespace} to 1 replica."), Vec::new());
        }
        let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_i64).unwrap_or(0);
        if ready == 0 {
            let pods = evidence.server.pods.items();
            let fails = |pod: &Value| pod_failure::finding(evidence, Some(deployment), pods, pod);
            if let Some(failing) = pods.iter().filter(|pod| lives(pod)).find_map(fails) {
                // No command: the server is shared.
                let failing = failing.after(&seen);
                return found(failing.evidence, failing.fix.advice, Vec::new());
            }
            let seen = format!("{seen}; no pod of Deployment {namespace}/{name} is ready");
            let looks = [describe(deployment), about(deployment, "logs").end()];
            let looks: Vec<&str> = looks.iter().filter_map(Command::text).collect();
            let advice = if looks.is_empty() {
                "Check its pods and their logs.".to_owned()
            } else {
                format!("Find out why: {}.", looks.join("; "))
            };
            return found(seen, advice, Vec::new());
        }
    }
    let owner = format!("{}/{}", text(api, "/spec/service/namespace"), text(api, "/spec/service/name"));
    if evidence.server.service == Read::Absent {
        let title = server::title(source);
        let advice = match service(evidence, source) {
            Some((namespace, name, port)) => format!(
                "There is no Service {owner}. Set spec.service of APIService {version} to namespace {namespace}, name \
                 {name}, port {port}."
            ),
            None => format!("There is no Service {owner}: install {title}, or point {version} to its Service."),
        };
        return found(seen, advice, Vec::new());
    }
    let advice = format!(
        "The pods of Service {owner} run, but the control plane cannot reach them. Allow it to reach their port, in \
         network policies and firewalls (on EKS: 6443 from the cluster's security group to the nodes')."
    );
    found(seen, advice, Vec::new())
}

/// The Service leads to another port than the one that its server was told to listen on: what is seen, and what to do.
fn elsewhere(evidence: &Evidence, port: i64) -> Option<(String, String)> {
    let service = evidence.server.service.seen()?;
    let listens: u16 = server::argument(evidence.server.deployment.seen()?, "--secure-port")?.parse().ok()?;
    let place = list(service, "/spec/ports").iter().position(|one| one["port"] == port)?;
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
