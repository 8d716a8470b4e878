//! What is kept where a field's name does not decide: arguments, events, pages, the log, answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shopfront::redact::text;

use super::{address, told};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pod_state::never_started;
use crate::doctor::facts::requests;
use crate::doctor::facts::server::{FLAGS, is_read_of_log};
use crate::doctor::objects::APPLIED;
use crate::doctor::redact::table::kept;
use crate::kube::read::Answer;
use crate::kube::words::LEFT_OUT;

/// An object of this kind. Of the manifest that kubectl applied last, the replicas are kept.
pub fn kept_of(kind: &str, object: &Value) -> Value {
    let mut kept = kept(kind, object);
    if let Some(applied) = kept.pointer_mut("/metadata/annotations").and_then(|all| all.get_mut(APPLIED)) {
        let whole = object["metadata"]["annotations"][APPLIED].as_str().unwrap_or_default();
        let whole: Value = serde_json::from_str(whole).unwrap_or_default();
        let replicas = whole.pointer("/spec/replicas").and_then(Value::as_i64);
        let read = replicas.map_or_else(|| json!({}), |replicas| json!({"spec": {"replicas": replicas}}));
        *applied = read.to_string().into();
    }
    kept
}

/// A `ScaledObject`: its Prometheus triggers, and the types of other triggers.
pub fn scaled_object(object: &Value) -> Value {
    let mut kept_object = kept_of("ScaledObject", object);
    let triggers = object["spec"]["triggers"].as_array().into_iter().flatten();
    let triggers =
        triggers.map(|trigger| kept(if trigger["type"] == "prometheus" { "Trigger" } else { "OtherTrigger" }, trigger));
    if let Some(place) = kept_object.pointer_mut("/spec/triggers") {
        *place = triggers.collect();
    }
    if let Some(health) = object["status"]["health"].as_object().filter(|_| kept_object["status"].is_object()) {
        let health = health.iter().map(|(metric, health)| (told(metric), kept("Health", health)));
        kept_object["status"]["health"] = Value::Object(health.collect());
    }
    kept_object
}

/// A pod. Of a container that ended, the message is kept if the container runtime wrote it, and not the program.
pub fn pod(pod: &Value) -> Value {
    let mut kept = kept_of("Pod", pod);
    let statuses = ["containerStatuses", "initContainerStatuses"].map(|list| format!("/status/{list}"));
    for list in &statuses {
        for container in kept.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for state in ["/state/terminated", "/lastState/terminated"] {
                let ended = container.pointer_mut(state).filter(|ended| !never_started(ended));
                if let Some(ended) = ended.and_then(Value::as_object_mut) {
                    ended.remove("message");
                }
            }
        }
    }
    kept
}

/// An event, with its message if a judge reads it.
pub fn event(event: &Value) -> Value {
    let mut kept = kept("Event", event);
    let reason = event["reason"].as_str().unwrap_or_default();
    let is_read = matches!(reason, "SuccessfulRescale" | "Unhealthy") || reason.starts_with("Failed");
    if let Some(event) = kept.as_object_mut().filter(|_| !is_read) {
        event.remove("message");
    }
    kept
}

/// The metrics server's Deployment with its known arguments. Commands address arguments by index, so the others are replaced
/// rather than removed.
pub fn server(deployment: &Value) -> Value {
    let mut kept = kept_of("Server", deployment);
    let written = &deployment["spec"]["template"]["spec"]["containers"];
    let all = kept.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for (number, container) in all.into_iter().flatten().enumerate() {
        let mut is_value = false;
        for field in ["command", "args"] {
            for (place, word) in
                container.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().enumerate()
            {
                let text = written[number][field][place].as_str().unwrap_or_default();
                let name = text.split('=').next().unwrap_or_default();
                let is_asked = FLAGS.iter().any(|flag| name == *flag || flag.strip_prefix('-') == Some(name));
                // A command replaces the whole value, so a part of it is of no use.
                let value = if is_value { text } else { text.split_once('=').map_or("", |(_, value)| value) };
                let is_whole = word.as_str() == Some(text) && address(value) == value;
                *word = match (is_asked || is_value, is_whole) {
                    (true, true) => text.into(),
                    (true, false) if is_asked => format!("{name}={LEFT_OUT}").into(),
                    _ => LEFT_OUT.into(),
                };
                is_value = is_asked && name == text;
            }
        }
    }
    kept
}

/// The `ConfigMap` with the one document that has the rules.
pub fn config(config: &Value) -> Value {
    let rules = requests::document(config);
    let mut kept = kept("ConfigMap", config);
    if let Some(data) = kept["data"].as_object_mut() {
        data.retain(|name, _| rules.is_some() && config["data"][name].as_str() == rules);
        // At any length: each rule may be the one in question.
        data.values_mut().for_each(|document| *document = rules.map(|rules| text(rules, LEFT_OUT)).into());
    }
    kept
}

/// The log lines that a judge looks for.
pub fn log(log: &str) -> String {
    log.lines().filter(|line| is_read_of_log(line)).map(|line| told(line) + "\n").collect()
}

/// The counters' series, and the names of the page's other counters.
pub fn page(page: &str, series: &[String]) -> String {
    let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    let is_series = |line: &str| {
        let mut rests = series.iter().filter_map(|series| line.strip_prefix(series.as_str()));
        rests.any(|rest| rest.starts_with(['{', ' ']))
    };
    let lines = page.split_inclusive('\n').filter(|line| is_counter(line.trim_end()) || is_series(line));
    lines.map(told).collect()
}

/// A series' labels.
pub fn labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    serde_json::from_value(kept("Sample", &json!({"metric": labels}))["metric"].take()).unwrap_or_default()
}

/// The answers that judges read, each under the path that a judge derives from the redacted evidence.
pub fn answers(evidence: &Evidence, redacted: &Evidence) -> BTreeMap<String, Answer> {
    let paths = |evidence: &Evidence| -> Vec<Option<String>> {
        let metrics = evidence.hpa.seen().and_then(|hpa| hpa["spec"]["metrics"].as_array()).into_iter().flatten();
        let metrics = metrics.map(|metric| requests::metric(evidence, metric));
        let groups = ["custom.metrics.k8s.io", "external.metrics.k8s.io", "metrics.k8s.io"];
        metrics.chain(groups.map(|group| Some(requests::listing(evidence, group)))).collect()
    };
    let pairs = paths(evidence).into_iter().zip(paths(redacted));
    pairs
        .filter_map(|(asked, path)| {
            let Answer { status, body } = evidence.answers.get(&asked?)?;
            Some((path?, Answer { status: *status, body: kept("Answer", body) }))
        })
        .collect()
}
