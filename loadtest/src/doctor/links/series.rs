//! The counter's series in Prometheus, with the labels that the query selects by.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::autoscaling::adapter_rules::Pattern;
use crate::autoscaling::promql::Selector;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Replica};
use crate::doctor::facts::early::{settled, until_settled};
use crate::doctor::facts::monitors::of_target;
use crate::doctor::facts::nearness::is_own;
use crate::doctor::facts::pages::last;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{
    self, Ours, elsewhere, ours, refused, result, silent_shard, telling, with_counter,
};
use crate::doctor::findings::{no_counter, rule};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::Endpoint;
use crate::doctor::link::Link;
use crate::doctor::objects::titled;
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::read::Unread;

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let (Some(series), Some(selector)) = (scaling.series.as_deref(), scaling.selector.as_ref()) else {
        return Err(no_counter::check(evidence, scaling));
    };
    let text = selector.text();
    let found = result(evidence, &text).ok_or_else(|| {
        let answers = evidence.prometheus.replicas.iter().filter_map(|replica| replica.queries.get(&text));
        let unread = answers.into_iter().find_map(|answer| answer.unread());
        let none = || Status::missing(Input::Prometheus, format!("no replica of Prometheus was queried for {text}"));
        Status::unread_or(unread, none)
    })?;
    if let Some(job) = elsewhere(evidence, scaling) {
        return Ok(format!("{text}: {} series of {job}", found.len()));
    }
    let settled = settled(evidence, scaling);
    if settled.is_empty() {
        let why = "no pod has been ready for two scrapes yet";
        return Err(Status::pending(until_settled(evidence, scaling), why));
    }
    let pods = Ours::of(evidence);
    let has =
        |samples: &[&Value], pod: &str| samples.iter().any(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    let lacking = if scaling.is_of_each_pod() {
        settled.iter().copied().find(|pod| !has(&found, pod))
    } else {
        settled.first().copied().filter(|_| found.is_empty())
    };
    let Some(pod) = lacking else {
        return Ok(format!("{text}: {} series", found.len()));
    };
    let answered = |replica: &Replica| replica.queries.get(&text).is_some_and(|answer| answer.seen().is_some());
    if let Some(shard) = silent_shard(evidence, answered) {
        let why = format!("it may have {text} of pod {pod}");
        return Err(Status::Unread(Unread { what: format!("{shard} did not answer"), why, right: None }));
    }
    let all = scaling.of_pods.as_deref().and_then(|query| result(evidence, query));
    let other = all.into_iter().flatten().find(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    // On an idle pod, another series of the counter may exist before the one that the query selects.
    let on_page = || {
        let mut pages = with_counter(evidence, series).into_iter().filter(|page| page.pod == pod);
        pages.any(|page| last(page).is_some_and(|text| targets::has(text, series, &selector.matchers)))
    };
    let endpoint = endpoint_of(evidence, scaling, pod);
    let is_changed = endpoint.is_some_and(|endpoint| is_own(evidence, endpoint.monitor));
    Err(match other.map(|sample| &sample["metric"]) {
        Some(labels) if !refused(labels, &selector.matchers).is_empty() || on_page() => {
            mislabelled(evidence, scaling, selector, pod, labels, endpoint).into()
        }
        Some(_) => {
            Status::missing(Input::Requests, format!("Prometheus has {series} of pod {pod}, but not {text} yet"))
        }
        // After a relabeling, nothing in the series may name the pod.
        None => match endpoint.and_then(|endpoint| removing(scaling, endpoint, &Value::Null)) {
            Some((shown, command)) => Finding::new(
                Cause::LabelsMissing,
                format!("no series {series} names pod {pod}, whose target is up; {shown}"),
                "Remove that relabeling from the monitor.",
                Some(command).filter(|_| is_changed),
            )
            .into(),
            None => Status::blocked(Link::Target, format!("Prometheus has no series {series} of pod {pod}")),
        },
    })
}

/// The monitor's endpoint that a pod's target comes from.
fn endpoint_of<'a>(evidence: &'a Evidence, scaling: &ScalingMetric, pod: &str) -> Option<Endpoint<'a>> {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let (_, target) = targets.into_iter().find(|(of, _)| *of == pod)?;
    of_target(evidence, target).map(Endpoint::new)
}

/// The series exists, but without the labels that the query selects by.
fn mislabelled(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    selector: &Selector,
    pod: &str,
    labels: &Value,
    endpoint: Option<Endpoint<'_>>,
) -> Finding {
    let shown = |label: &str| match labels[label].as_str() {
        Some(value) => format!("{label}=\"{value}\""),
        None => format!("no label {label}"),
    };
    let mut seen: Vec<String> = selector.matchers.iter().map(|(label, ..)| shown(label)).collect();
    let renamed = labels.as_object().into_iter().flatten().find(|(label, value)| *value == pod && *label != "pod");
    seen.extend(renamed.map(|(label, value)| format!("{label}={value}")));
    let seen = format!("{} of pod {pod} has {}; the query selects {}", selector.name, seen.join(", "), selector.text());
    let is_changed = endpoint.is_none_or(|endpoint| is_own(evidence, endpoint.monitor));
    let broken = |advice: String, commands: Vec<Command>| {
        let commands = if is_changed { commands } else { Vec::new() };
        Finding::new(Cause::LabelsMissing, &*seen, advice, commands)
    };
    if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.spec()["honorLabels"] == true) {
        let replace = json!({"op": "replace", "path": endpoint.path("honorLabels"), "value": false});
        let advice = "Make Prometheus' own labels override those of the page.";
        return broken(advice.to_owned(), vec![endpoint.patch([replace])]);
    }
    if let Some((shown, command)) = endpoint.and_then(|endpoint| removing(scaling, endpoint, labels)) {
        return broken(format!("Remove the relabeling from the monitor: {shown}."), vec![command]);
    }
    match renamed {
        Some((label, _)) => broken(
            format!(
                "Make the job name it `pod`, or map the existing label in the rule's `resources.overrides`: \
                 `{label}: {{resource: pod}}`."
            ),
            renaming(evidence, scaling, endpoint, labels),
        ),
        None => broken("Make the job add the labels that the query selects by.".to_owned(), Vec::new()),
    }
}

/// The commands that make the monitor give the series the labels `namespace` and `pod`. Without a monitor: a rule that uses
/// the existing labels.
fn renaming(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    endpoint: Option<Endpoint<'_>>,
    labels: &Value,
) -> Vec<Command> {
    let labels: BTreeMap<String, String> = serde_json::from_value(labels.clone()).unwrap_or_default();
    let Some(existing) = telling(evidence, &labels) else { return Vec::new() };
    let Some(endpoint) = endpoint else { return rule::by_labels(evidence, scaling, &existing) };
    let names = ["namespace", "pod"].into_iter().zip(&existing).filter(|(name, label)| name != label);
    // An empty value would remove the label from all other series.
    let copy = |(name, label)| json!({"sourceLabels": [label], "regex": "(.+)", "targetLabel": name});
    let copies: Vec<Value> = names.map(copy).collect();
    if copies.is_empty() {
        return Vec::new();
    }
    let path = endpoint.path("metricRelabelings");
    let added: Vec<Value> = if endpoint.spec()["metricRelabelings"].is_array() {
        copies.into_iter().map(|copy| json!({"op": "add", "path": format!("{path}/-"), "value": copy})).collect()
    } else {
        vec![json!({"op": "add", "path": path, "value": copies})]
    };
    vec![endpoint.patch(added)]
}

/// The monitor's relabeling that removes a label which the series lacks, or else one that may drop the series as a whole;
/// and the command that removes it.
fn removing(scaling: &ScalingMetric, endpoint: Endpoint<'_>, labels: &Value) -> Option<(String, Command)> {
    let selected = scaling.selector.iter().flat_map(|selector| &selector.matchers).map(|(label, ..)| label.as_str());
    let lost: Vec<&str> = selected.chain(["namespace", "pod"]).filter(|label| labels[*label].is_null()).collect();
    let all: Vec<(&str, usize, &Value)> = ["relabelings", "metricRelabelings"]
        .into_iter()
        .flat_map(|field| {
            let all = endpoint.spec()[field].as_array().into_iter().flatten().enumerate();
            all.map(move |(at, one)| (field, at, one))
        })
        .collect();
    let removes = |(.., one): &&(&str, usize, &Value)| removes_any(one, &lost);
    let drops = |(.., one): &&(&str, usize, &Value)| matches!(action(one).as_str(), "drop" | "keep");
    let (field, at, one) = all.iter().find(removes).or_else(|| all.iter().find(drops))?;
    let (_, command) = endpoint.without(field, *at);
    Some((format!("{field} of {} has {one}", titled(endpoint.monitor)), command))
}

fn action(relabeling: &Value) -> String {
    relabeling["action"].as_str().unwrap_or("replace").to_lowercase()
}

/// Whether a relabeling removes one of these labels, or writes another value to it.
fn removes_any(relabeling: &Value, labels: &[&str]) -> bool {
    let pattern = Pattern::whole(relabeling["regex"].as_str().unwrap_or("(.*)"));
    let matches = |label: &&str| pattern.as_ref().is_ok_and(|pattern| pattern.matches(label));
    match action(relabeling).as_str() {
        "labeldrop" => labels.iter().any(matches),
        "labelkeep" => !labels.iter().all(matches),
        "replace" => relabeling["targetLabel"].as_str().is_some_and(|label| labels.contains(&label)),
        _ => false,
    }
}
