//! Why the API server cannot reach the registered server.

use serde_json::{Value, json};

use super::{desired, service};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::Source;
use crate::doctor::facts::{ports, server};
use crate::doctor::findings::pod_failure;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, describe, merge, patch_item, scale};
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
            let advice = format!("{advice} Or skip the check, as the command and kube-prometheus' own manifests do.");
            return found(seen, advice, vec![merge(api, &json!({"spec": {"insecureSkipTLSVerify": true}}))]);
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
            let patch = json!({"spec": {"service": {"port": first}}});
            seen = format!("{seen}; it names port {port}, but {} has {ports:?}", titled(service));
            return found(
                seen,
                format!("Set spec.service.port to the Service's port {first}."),
                vec![merge(api, &patch)],
            );
        }
    }
    if let Some((why, command)) = elsewhere(evidence, port) {
        let advice = "Point the Service to the port that the server listens on.".to_owned();
        return found(format!("{seen}; {why}"), advice, vec![command]);
    }
    if let Some(deployment) = evidence.server.deployment.seen() {
        let (namespace, name) = (namespace(deployment), name(deployment));
        if desired(deployment) == 0 {
            let command = scale(deployment, namespace, 1);
            let seen = format!("{seen}; Deployment {namespace}/{name} has spec.replicas 0");
            return found(seen, format!("Scale {name} to 1."), vec![command]);
        }
        let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_i64).unwrap_or(0);
        if ready == 0 {
            let pods = evidence.server.pods.items();
            let fails = |pod: &Value| pod_failure::finding(evidence, Some(deployment), pods, pod);
            if let Some(failing) = pods.iter().filter(|pod| lives(pod)).find_map(fails) {
                return Finding { cause: Cause::ApiServiceUnavailable, ..failing.after(&seen) };
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
        let advice = format!("Service {owner} does not exist. Install {title}, or point {version} to its Service.");
        let commands = service(evidence, source).map(|(namespace, name, port)| {
            merge(api, &json!({"spec": {"service": {"namespace": namespace, "name": name, "port": port}}}))
        });
        return found(seen, advice, commands.into_iter().collect());
    }
    let advice = format!(
        "The pods of Service {owner} run, but the control plane cannot reach them. Allow it to reach their port, in \
         network policies and firewalls (on EKS: 6443 from the cluster's security group to the nodes')."
    );
    found(seen, advice, Vec::new())
}

/// The Service leads to another port than the one that its server listens on.
fn elsewhere(evidence: &Evidence, port: i64) -> Option<(String, Command)> {
    let service = evidence.server.service.seen()?;
    let listens: u16 = server::argument(evidence.server.deployment.seen()?, "--secure-port")?.value.parse().ok()?;
    let place = list(service, "/spec/ports").iter().position(|one| one["port"] == port)?;
    let item = &service["spec"]["ports"][place];
    let pod = evidence.server.pods.items().iter().find(|pod| ready_for(pod, evidence.taken).is_some())?;
    if ports::of_service(pod, item) == Some(listens) {
        return None;
    }
    let path = format!("/spec/ports/{place}");
    let replaced = json!({"op": "add", "path": format!("{path}/targetPort"), "value": listens});
    let target = &item["targetPort"];
    let seen =
        format!("{}: targetPort {target} of port {port}; its server has --secure-port={listens}", titled(service));
    Some((seen, patch_item(service, &path, item, [replaced])))
}
