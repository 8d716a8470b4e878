//! A summary of a bundle for whoever is about to post it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::doctor::evidence::{Evidence, Prometheus, Server};
use crate::kube::read::Read;
use crate::kube::words::LEFT_OUT;

/// What the file contains, what was left out, and what to do before posting it.
pub fn contents(file: &Path, evidence: &Evidence) -> String {
    let Evidence { prometheus, server, .. } = evidence;
    let mut text = format!("Wrote {}, the evidence of HPA {}/{}:\n", file.display(), evidence.namespace, evidence.name);
    let written = serde_json::to_value(evidence).unwrap_or_default();
    for (what, parts) in [
        ("objects", objects(evidence, prometheus, server)),
        ("texts", texts(&written, server)),
        ("metrics", metrics(evidence, prometheus)),
        ("cluster", cluster(evidence)),
    ] {
        let parts: Vec<String> = parts.into_iter().filter(|(count, ..)| *count > 0).map(counted).collect();
        let parts = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
        let _ = writeln!(text, "  {what:<8} {parts}");
    }
    let left_out = written.to_string().matches(LEFT_OUT).count();
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

fn one<T>(read: &Read<T>) -> usize {
    usize::from(read.seen().is_some())
}

fn objects(evidence: &Evidence, prometheus: &Prometheus, server: &Server) -> Vec<Part> {
    let services = [&evidence.services, &prometheus.services, &server.candidates].map(|read| read.items().len());
    let named = [&prometheus.service, &server.service].map(one);
    let pods = [&evidence.pods, &prometheus.pods, &server.pods].map(|read| read.items().len());
    let workloads = [&evidence.workload, &server.deployment].map(one);
    vec![
        (evidence.hpas.items().len().max(one(&evidence.hpa)), "HPA", "HPAs"),
        (one(&evidence.scaled_object), "ScaledObject", "ScaledObjects"),
        (workloads.iter().sum(), "workload", "workloads"),
        (one(&evidence.scale), "scale", "scales"),
        (pods.iter().sum(), "pod", "pods"),
        (services.iter().chain(&named).sum(), "Service", "Services"),
        (evidence.monitors.items().len(), "monitor", "monitors"),
        (evidence.prometheuses.items().len(), "Prometheus object", "Prometheus objects"),
        (prometheus.policies.items().len(), "NetworkPolicy", "NetworkPolicies"),
        (one(&server.api_service), "APIService", "APIServices"),
        (one(&server.config), "ConfigMap", "ConfigMaps"),
        (one(&evidence.own_namespace), "namespace", "namespaces"),
        (evidence.ingresses.items().len(), "Ingress", "Ingresses"),
        (evidence.events.items().len(), "event", "events"),
    ]
}

/// The kinds of text that others wrote, as they are counted in the file itself: none is missed.
const TEXTS: [(&str, &str, &str); 8] = [
    ("conditions", "condition message", "condition messages"),
    ("events", "event message", "event messages"),
    ("containers", "container message", "container messages"),
    ("answers", "message of the metrics API", "messages of the metrics API"),
    ("message", "other message", "other messages"),
    ("lastError", "scrape error", "scrape errors"),
    ("why", "reason why something was not read", "reasons why something was not read"),
    ("query", "PromQL query", "PromQL queries"),
];

fn texts(written: &Value, server: &Server) -> Vec<Part> {
    let mut counts = BTreeMap::new();
    count(written, "message", &mut counts);
    let texts = TEXTS.iter().map(|(kind, one, several)| (counts.get(kind).copied().unwrap_or(0), *one, *several));
    let rules = server.config.seen().and_then(|config| config["data"].as_object()).map_or(0, serde_json::Map::len);
    let lines = server.log.seen().map_or(0, |log| log.lines().count());
    let others = [
        (rules, "document of adapter rules", "documents of adapter rules"),
        (lines, "log line of the metrics server", "log lines of the metrics server"),
    ];
    texts.chain(others).collect()
}

/// Counts the texts in a value, in which a message is of this kind.
fn count(value: &Value, kind: &'static str, counts: &mut BTreeMap<&'static str, usize>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| count(item, kind, counts)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let inner = match name.as_str() {
                    "conditions" => "conditions",
                    "events" => "events",
                    "containerStatuses" | "initContainerStatuses" => "containers",
                    "answers" => "answers",
                    _ => kind,
                };
                let found = match (name.as_str(), field) {
                    (_, Value::String(text)) if text.is_empty() => None,
                    ("message", Value::String(_)) => Some(inner),
                    // An answer that is no JSON.
                    ("body", Value::String(_)) if kind == "answers" => Some("answers"),
                    ("lastError", Value::String(_)) => Some("lastError"),
                    ("why", Value::String(_)) => Some("why"),
                    ("query", Value::String(_)) => Some("query"),
                    ("queries" | "series", Value::Object(queries)) => {
                        *counts.entry("query").or_default() += queries.len();
                        None
                    }
                    _ => None,
                };
                *counts.entry(found.unwrap_or_default()).or_default() += usize::from(found.is_some());
                count(field, inner, counts);
            }
        }
        _ => {}
    }
}

fn metrics(evidence: &Evidence, prometheus: &Prometheus) -> Vec<Part> {
    let pages = evidence.pages.iter().filter(|page| page.first.seen().is_some()).count();
    let replicas = prometheus.replicas.iter();
    let targets = replicas.clone().map(|replica| replica.targets.items().len()).sum();
    let answers = replicas.clone().flat_map(|replica| replica.queries.values().map(Read::items)).map(<[_]>::len);
    let series = replicas.flat_map(|replica| replica.series.values().map(Read::items)).map(<[_]>::len);
    vec![
        (pages, "pod's counter", "pods' counters"),
        (targets, "Prometheus target", "Prometheus targets"),
        (answers.chain(series).sum(), "Prometheus series", "Prometheus series"),
        (evidence.answers.len(), "answer of the metrics API", "answers of the metrics API"),
        (one(&evidence.load), "summary of a load", "summaries of a load"),
    ]
}

/// What is no object of the chain: what the API server serves, and who may read what.
fn cluster(evidence: &Evidence) -> Vec<Part> {
    let prometheus = &evidence.prometheus;
    vec![
        (evidence.autoscaling.items().len(), "version of autoscaling", "versions of autoscaling"),
        (evidence.resources.items().len(), "kind of object", "kinds of objects"),
        (evidence.access.len(), "access review", "access reviews"),
        (evidence.elsewhere.len(), "other namespace", "other namespaces"),
        (one(&prometheus.url), "URL of Prometheus", "URLs of Prometheus"),
        (prometheus.replicas.len(), "replica of Prometheus", "replicas of Prometheus"),
    ]
}
