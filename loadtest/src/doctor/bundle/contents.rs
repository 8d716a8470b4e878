//! A summary of a bundle for whoever is about to post it.

use std::fmt::Write;
use std::path::Path;

use crate::doctor::evidence::{Evidence, Prometheus, Server};
use crate::kube::read::Read;
use crate::kube::words::LEFT_OUT;

/// What the file contains, what was left out, and what to do before posting it.
pub fn contents(file: &Path, evidence: &Evidence) -> String {
    let Evidence { prometheus, server, .. } = evidence;
    let mut text = format!("Wrote {}, the evidence of HPA {}/{}:\n", file.display(), evidence.namespace, evidence.name);
    for (what, parts) in [
        ("objects", objects(evidence, prometheus, server)),
        ("texts", texts(evidence, server)),
        ("metrics", metrics(evidence, prometheus)),
    ] {
        let parts: Vec<String> = parts.into_iter().filter(|(count, ..)| *count > 0).map(counted).collect();
        let parts = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
        let _ = writeln!(text, "  {what:<8} {parts}");
    }
    let left_out = serde_json::to_string(evidence).unwrap_or_default().matches(LEFT_OUT).count();
    let _ = write!(
        text,
        "Left out: Secrets, environment variables, volumes, probe commands, and all arguments except four of the metrics \
         server. {left_out} values in the file read {LEFT_OUT}.\n\
         Read the file before you post it. It contains the names, labels and addresses of these objects, and a message \
         may contain a secret that nothing marks as one."
    );
    text
}

/// A count, and the noun in singular and plural.
type Part = (usize, &'static str, &'static str);

fn counted((count, one, several): Part) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn objects(evidence: &Evidence, prometheus: &Prometheus, server: &Server) -> Vec<Part> {
    let one = |is_there: bool| usize::from(is_there);
    let services = [&evidence.services, &prometheus.services, &server.candidates].map(|read| read.items().len());
    let named = [&prometheus.service, &server.service].map(|read| one(read.seen().is_some()));
    let pods = [&evidence.pods, &prometheus.pods, &server.pods].map(|read| read.items().len());
    let workloads = [&evidence.workload, &server.deployment].map(|read| one(read.seen().is_some()));
    vec![
        (evidence.hpas.items().len(), "HPA", "HPAs"),
        (one(evidence.scaled_object.seen().is_some()), "ScaledObject", "ScaledObjects"),
        (workloads.iter().sum(), "workload", "workloads"),
        (pods.iter().sum(), "pod", "pods"),
        (services.iter().chain(&named).sum(), "Service", "Services"),
        (evidence.monitors.items().len(), "monitor", "monitors"),
        (evidence.prometheuses.items().len(), "Prometheus object", "Prometheus objects"),
        (prometheus.policies.items().len(), "NetworkPolicy", "NetworkPolicies"),
        (one(server.api_service.seen().is_some()), "APIService", "APIServices"),
        (evidence.ingresses.items().len(), "Ingress", "Ingresses"),
        (evidence.events.items().len(), "event", "events"),
    ]
}

fn texts(evidence: &Evidence, server: &Server) -> Vec<Part> {
    let messages = evidence.events.items().iter().filter(|event| event["message"].is_string()).count();
    let rules = server.config.seen().and_then(|config| config["data"].as_object()).map_or(0, serde_json::Map::len);
    let lines = server.log.seen().map_or(0, |log| log.lines().count());
    vec![
        (messages, "event message", "event messages"),
        (rules, "document of adapter rules", "documents of adapter rules"),
        (lines, "log line of the metrics server", "log lines of the metrics server"),
    ]
}

fn metrics(evidence: &Evidence, prometheus: &Prometheus) -> Vec<Part> {
    let pages = evidence.pages.iter().filter(|page| page.first.seen().is_some()).count();
    let replicas = prometheus.replicas.iter();
    let targets = replicas.clone().map(|replica| replica.targets.items().len()).sum();
    let answers = replicas.flat_map(|replica| replica.queries.values().map(Read::items)).map(<[_]>::len).sum();
    vec![
        (pages, "pod's counter", "pods' counters"),
        (targets, "Prometheus target", "Prometheus targets"),
        (answers, "Prometheus series", "Prometheus series"),
        (evidence.answers.len(), "answer of the metrics API", "answers of the metrics API"),
    ]
}
