//! The counter's series in Prometheus, with the labels that the query asks for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::autoscaling::adapter_rules::Pattern;
use crate::autoscaling::promql::Selector;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Replica};
use crate::doctor::facts::early::{settled, until_settled};
use crate::doctor::facts::monitors::{endpoints, of_target};
use crate::doctor::facts::pages::last;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::targets::{
    self, Ours, elsewhere, ours, refused, result, silent_shard, telling, with_counter,
};
use crate::doctor::findings::{no_counter, rule};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::patch_item;
use crate::doctor::link::Link;
use crate::doctor::objects::titled;
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Unread;

pub fn check(evidence: &Evidence, subject: &Subject) -> Status {
    let (Some(series), Some(wanted)) = (subject.series.as_deref(), subject.wanted.as_ref()) else {
        return no_counter::check(evidence, subject);
    };
    let text = wanted.text();
    let Some(found) = result(evidence, &text) else {
        let answers = evidence.prometheus.replicas.iter().filter_map(|replica| replica.queries.get(&text));
        let unread = answers.into_iter().find_map(|answer| answer.unread());
        return unread.map_or_else(
            || Status::missing(Input::Prometheus, format!("no replica of Prometheus was queried for {text}")),
            |unread| Status::Unread(unread.clone()),
        );
    };
    if let Some(job) = elsewhere(evidence, subject) {
        return Status::Ok(format!("{text}: {} series of {job}", found.len()));
    }
    let settled = settled(evidence, subject);
    if settled.is_empty() {
        return Status::pending(until_settled(evidence, subject), "no pod has been ready for two scrapes yet");
    }
    let pods = Ours::of(evidence);
    let has =
        |samples: &[&Value], pod: &str| samples.iter().any(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    let lacking = if subject.is_of_each_pod() {
        settled.iter().copied().find(|pod| !has(&found, pod))
    } else {
        settled.first().copied().filter(|_| found.is_empty())
    };
    let Some(pod) = lacking else {
        return Status::Ok(format!("{text}: {} series", found.len()));
    };
    let answered = |replica: &Replica| replica.queries.get(&text).is_some_and(|answer| answer.seen().is_some());
    if let Some(shard) = silent_shard(evidence, answered) {
        let why = format!("it may have {text} of pod {pod}");
        return Status::Unread(Unread { what: format!("{shard} did not answer"), why, right: None });
    }
    let all = subject.of_pods.as_deref().and_then(|query| result(evidence, query));
    let other = all.into_iter().flatten().find(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    // Another series of the counter than the one that is wanted may be there before that is, on an idle pod.
    let on_page = || {
        let mut pages = with_counter(evidence, series).into_iter().filter(|page| page.pod == pod);
        pages.any(|page| last(page).is_some_and(|text| targets::has(text, series, &wanted.matchers)))
    };
    match other.map(|sample| &sample["metric"]) {
        Some(labels) if !refused(labels, &wanted.matchers).is_empty() || on_page() => {
            Status::Broken(mislabelled(evidence, subject, wanted, pod, labels))
        }
        Some(_) => {
            Status::missing(Input::Requests, format!("Prometheus has {series} of pod {pod}, but not {text} yet"))
        }
        // After a relabeling, nothing in the series may name the pod.
        None => match removing(evidence, subject, pod, &Value::Null) {
            Some((told, command)) => Status::Broken(Finding::new(
                Cause::LabelsMissing,
                format!("no series {series} names pod {pod}, whose target is up; {told}"),
                "Remove that relabeling from the monitor.",
                vec![command],
            )),
            None => Status::blocked(Link::Target, format!("Prometheus has no series {series} of pod {pod}")),
        },
    }
}

/// The series is there, and not with the labels that are asked for.
fn mislabelled(evidence: &Evidence, subject: &Subject, wanted: &Selector, pod: &str, labels: &Value) -> Finding {
    let told = |label: &str| match labels[label].as_str() {
        Some(value) => format!("{label}=\"{value}\""),
        None => format!("no label {label}"),
    };
    let mut seen: Vec<String> = wanted.matchers.iter().map(|(label, ..)| told(label)).collect();
    let renamed = labels.as_object().into_iter().flatten().find(|(label, value)| *value == pod && *label != "pod");
    seen.extend(renamed.map(|(label, value)| format!("{label}={value}")));
    let evidence_line =
        format!("{} of pod {pod} has {}; the query asks for {}", wanted.name, seen.join(", "), wanted.text());
    let broken = |advice: String, commands: Vec<Command>| {
        Finding::new(Cause::LabelsMissing, evidence_line.clone(), advice, commands)
    };
    let target = || {
        let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
        targets.into_iter().find(|(of, _)| *of == pod).and_then(|(_, target)| of_target(evidence, target))
    };
    if let Some((monitor, number)) =
        target().filter(|(monitor, number)| monitor["spec"][endpoints(monitor)][*number]["honorLabels"] == true)
    {
        let path = format!("/spec/{}/{number}", endpoints(monitor));
        let replace = json!({"op": "replace", "path": format!("{path}/honorLabels"), "value": false});
        let endpoint = &monitor["spec"][endpoints(monitor)][number];
        let advice = "Make Prometheus' own labels override those of the page.";
        return broken(advice.to_owned(), vec![patch_item(monitor, &path, endpoint, [replace])]);
    }
    if let Some((told, command)) = removing(evidence, subject, pod, labels) {
        return broken(format!("Remove the relabeling from the monitor: {told}."), vec![command]);
    }
    match renamed {
        Some((label, _)) => broken(
            format!(
                "Make the job name it `pod`, or map the existing label in the rule's `resources.overrides`: \
                 `{label}: {{resource: pod}}`."
            ),
            called(evidence, subject, target(), labels),
        ),
        None => broken("Make the job add the labels that the query asks for.".to_owned(), Vec::new()),
    }
}

/// What gives the series the names that are asked for, by its monitor, or else by a rule that asks for those that there
/// are.
fn called(evidence: &Evidence, subject: &Subject, target: Option<(&Value, usize)>, labels: &Value) -> Vec<Command> {
    let labels: BTreeMap<String, String> = serde_json::from_value(labels.clone()).unwrap_or_default();
    let Some(telling) = telling(evidence, &labels) else { return Vec::new() };
    let Some((monitor, number)) = target else { return rule::by_labels(evidence, subject, &telling) };
    let names = ["namespace", "pod"].into_iter().zip(&telling).filter(|(name, label)| name != label);
    // An empty value would take the label from all other series.
    let copy = |(name, label)| json!({"sourceLabels": [label], "regex": "(.+)", "targetLabel": name});
    let copies: Vec<Value> = names.map(copy).collect();
    if copies.is_empty() {
        return Vec::new();
    }
    let at = format!("/spec/{}/{number}", endpoints(monitor));
    let (endpoint, path) = (&monitor["spec"][endpoints(monitor)][number], format!("{at}/metricRelabelings"));
    let added: Vec<Value> = if endpoint["metricRelabelings"].is_array() {
        copies.into_iter().map(|copy| json!({"op": "add", "path": format!("{path}/-"), "value": copy})).collect()
    } else {
        vec![json!({"op": "add", "path": path, "value": copies})]
    };
    vec![patch_item(monitor, &at, endpoint, added)]
}

/// The relabelling of a pod's monitor that takes a wanted label away which its series has not, or else perhaps its
/// series as a whole; and what takes it out.
fn removing(evidence: &Evidence, subject: &Subject, pod: &str, labels: &Value) -> Option<(String, Command)> {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
    let (monitor, number) =
        targets.into_iter().find(|(of, _)| *of == pod).and_then(|(_, target)| of_target(evidence, target))?;
    let endpoint = &monitor["spec"][endpoints(monitor)][number];
    let wanted = subject.wanted.iter().flat_map(|wanted| &wanted.matchers).map(|(label, ..)| label.as_str());
    let lost: Vec<&str> = wanted.chain(["namespace", "pod"]).filter(|label| labels[*label].is_null()).collect();
    let fields = ["relabelings", "metricRelabelings"];
    let all = fields.into_iter().flat_map(|field| {
        let all = endpoint[field].as_array().into_iter().flatten();
        all.enumerate().map(move |(at, one)| (field, at, one))
    });
    let all: Vec<_> = all.collect();
    let removes = |(.., one): &&(&str, usize, &Value)| takes_away(one, &lost);
    let drops = |(.., one): &&(&str, usize, &Value)| matches!(action(one).as_str(), "drop" | "keep");
    let (field, at, one) = all.iter().find(removes).or_else(|| all.iter().find(drops))?;
    let path = format!("/spec/{}/{number}/{field}/{at}", endpoints(monitor));
    let command = patch_item(monitor, &path, one, [json!({"op": "remove", "path": path})]);
    Some((format!("{field} of {} has {one}", titled(monitor)), command))
}

fn action(relabelling: &Value) -> String {
    relabelling["action"].as_str().unwrap_or("replace").to_lowercase()
}

/// Whether a relabelling takes one of these labels away, or writes another value to it.
fn takes_away(one: &Value, lost: &[&str]) -> bool {
    let pattern = Pattern::whole(one["regex"].as_str().unwrap_or("(.*)"));
    let matches = |label: &&str| pattern.as_ref().is_ok_and(|pattern| pattern.matches(label));
    match action(one).as_str() {
        "labeldrop" => lost.iter().any(matches),
        "labelkeep" => !lost.iter().all(matches),
        "replace" => one["targetLabel"].as_str().is_some_and(|label| lost.contains(&label)),
        _ => false,
    }
}
