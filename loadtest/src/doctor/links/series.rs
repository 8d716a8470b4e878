//! The counter's series in Prometheus: there, and with the labels that the query asks for.

use serde_json::{Value, json};

use super::monitor::{endpoints, of_target};
use super::objects::patch;
use super::promql::Selector;
use super::subject::{Source, Subject};
use super::target::settled;
use super::targets::{Ours, elsewhere, ours, result};
use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::Evidence;

/// What relabelling does to labels or to whole series, other than adding to them.
const REMOVING: [&str; 4] = ["labeldrop", "labelkeep", "drop", "keep"];

pub fn judge(evidence: &Evidence, subject: &Subject) -> Judgement {
    if subject.is_resource() {
        return Judgement::Holds("not needed: metrics.k8s.io".to_owned());
    }
    let (Some(series), Some(wanted)) = (subject.series.as_deref(), subject.wanted.as_ref()) else {
        return Judgement::NotJudged("which series the metric is made of is not known".to_owned());
    };
    let text = wanted.text();
    let Some(found) = result(evidence, &text) else {
        let answers = evidence.prometheus.replicas.iter().filter_map(|replica| replica.queries.get(&text));
        let unread = answers.into_iter().find_map(|answer| answer.unread());
        return unread.map_or_else(
            || Judgement::NotJudged(format!("no replica of Prometheus was asked for {text}")),
            |unread| Judgement::Unread(unread.clone()),
        );
    };
    if let Some(job) = elsewhere(evidence, subject) {
        return Judgement::Holds(format!("{text}: {} series of {job}", found.len()));
    }
    let settled = settled(evidence, subject);
    if settled.is_empty() {
        return Judgement::NotJudged("no pod has been ready for two scrapes yet".to_owned());
    }
    let pods = Ours::of(evidence);
    let has =
        |samples: &[Value], pod: &str| samples.iter().any(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod));
    let of_pods =
        subject.metric.as_ref().is_some_and(|metric| metric.source == Source::Adapter && metric.spec["type"] == "Pods");
    let lacking = if of_pods {
        settled.iter().copied().find(|pod| !has(found, pod))
    } else {
        settled.first().copied().filter(|_| found.is_empty())
    };
    let Some(pod) = lacking else {
        return Judgement::Holds(format!("{text}: {} series", found.len()));
    };
    let all = result(evidence, series).map(Vec::as_slice).unwrap_or_default();
    let other =
        all.iter().find(|sample| pods.pod_of_series(&sample["metric"]) == Some(pod)).map(|sample| &sample["metric"]);
    match other {
        Some(labels) => Judgement::Broken(mislabelled(evidence, subject, wanted, pod, labels)),
        // What relabelling has left of it may be told by nothing of the pod.
        None => match removing(evidence, subject, pod) {
            Some((told, command)) => Judgement::Broken(Finding::new(
                Cause::LabelsMissing,
                format!("no series {series} tells of pod {pod}, whose target is up; {told}"),
                "Take that relabelling out of the monitor.",
                vec![command],
            )),
            None => Judgement::NotJudged(format!("Prometheus has no series {series} of pod {pod}")),
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
    let evidence_line = format!("{} of pod {pod} has {}; wanted is {}", wanted.name, seen.join(", "), wanted.text());
    let broken = |advice: String, commands: Vec<String>| {
        Finding::new(Cause::LabelsMissing, evidence_line.clone(), advice, commands)
    };
    let target = || {
        let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
        targets.into_iter().find(|(of, _)| *of == pod).and_then(|(_, target)| of_target(evidence, target))
    };
    if let Some((monitor, number)) =
        target().filter(|(monitor, number)| monitor["spec"][endpoints(monitor)][*number]["honorLabels"] == true)
    {
        let path = format!("/spec/{}/{number}/honorLabels", endpoints(monitor));
        let command = patch(monitor, &json!([{"op": "replace", "path": path, "value": false}]));
        return broken("Have Prometheus' own labels win over those of the page.".to_owned(), vec![command]);
    }
    if let Some((told, command)) = removing(evidence, subject, pod) {
        return broken(format!("Take the relabelling out of the monitor: {told}."), vec![command]);
    }
    match renamed {
        Some((label, _)) => broken(
            format!(
                "Name the label that there is in the rule's `resources.overrides`: `{label}: {{resource: pod}}`, or have the job call it `pod`."
            ),
            Vec::new(),
        ),
        None => broken("Have the job give the series the labels that the query asks for.".to_owned(), Vec::new()),
    }
}

/// The relabelling of a pod's monitor that may take its labels or its series away, and what takes it out.
fn removing(evidence: &Evidence, subject: &Subject, pod: &str) -> Option<(String, String)> {
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
    let (monitor, number) =
        targets.into_iter().find(|(of, _)| *of == pod).and_then(|(_, target)| of_target(evidence, target))?;
    let endpoint = &monitor["spec"][endpoints(monitor)][number];
    ["relabelings", "metricRelabelings"].into_iter().find_map(|field| {
        let all = endpoint[field].as_array()?;
        let removes = |one: &Value| {
            let action = one["action"].as_str().unwrap_or("replace").to_lowercase();
            let label = one["targetLabel"].as_str().unwrap_or_default();
            let replaced = action == "replace" && subject.wanted.as_ref().is_some_and(|wanted| wanted.asks(label));
            REMOVING.contains(&action.as_str()) || replaced
        };
        let at = all.iter().position(removes)?;
        let path = format!("/spec/{}/{number}/{field}/{at}", endpoints(monitor));
        let command = patch(monitor, &json!([{"op": "remove", "path": path}]));
        Some((format!("{field} of {} has {}", super::objects::titled(monitor), all[at]), command))
    })
}
