//! Prometheus' targets, and whether they are the workload's pods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::adapter;
use super::pods::living;
use crate::autoscaling::adapter_rules::Pattern;
use crate::autoscaling::exposition::series_of;
use crate::autoscaling::promql::{Matcher, selectors};
use crate::doctor::evidence::{Evidence, Page, Prometheus, Replica};
use crate::doctor::facts::early::settled;
use crate::doctor::facts::freshness::is_stale;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::objects::{labels, lives, name, namespace, text};
use crate::kube::read::Read;

/// The addresses and names by which a pod of the workload is known.
pub struct Ours<'a> {
    pods: Vec<(&'a str, BTreeSet<&'a str>)>,
}

impl<'a> Ours<'a> {
    /// Of the workload's pods that have not ended.
    pub fn of(evidence: &'a Evidence) -> Self {
        Self { pods: living(evidence).map(|pod| (name(pod), addresses(pod))).collect() }
    }

    /// The pod that a target is.
    pub fn pod_of(&self, target: &Value) -> Option<&'a str> {
        let host = host(target["scrapeUrl"].as_str().unwrap_or_default());
        let labels = [&target["discoveredLabels"]["__meta_kubernetes_pod_name"], &target["labels"]["pod"]];
        let named = labels.into_iter().find_map(Value::as_str);
        let mut pods = self.pods.iter();
        pods.find(|(pod, ips)| ips.contains(host) || named == Some(pod)).map(|(pod, _)| *pod)
    }

    /// The pod that was scraped for a series, by whatever label tells it.
    pub fn pod_of_series(&self, labels: &Value) -> Option<&'a str> {
        let instance =
            labels["instance"].as_str().map(|instance| instance.rsplit_once(':').map_or(instance, |(host, _)| host));
        let by_address = || {
            let instance = instance?.trim_matches(['[', ']']);
            self.pods.iter().find(|(_, ips)| ips.contains(instance))
        };
        let by_name = || {
            let labels = labels.as_object()?;
            self.pods.iter().find(|(pod, _)| labels.values().any(|value| value == pod))
        };
        by_address().or_else(by_name).map(|(pod, _)| *pod)
    }
}

fn addresses(pod: &Value) -> BTreeSet<&str> {
    let all = pod["status"]["podIPs"].as_array().into_iter().flatten().filter_map(|ip| ip["ip"].as_str());
    all.chain(pod["status"]["podIP"].as_str()).collect()
}

/// The host of a URL, without brackets.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = if authority.ends_with(']') {
        authority
    } else {
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    };
    host.trim_matches(['[', ']'])
}

/// The port and the path of a target.
pub fn place(target: &Value) -> (Option<u16>, &str) {
    let url = target["scrapeUrl"].as_str().unwrap_or_default();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let implied = if url.starts_with("https") { 443 } else { 80 };
    let port = authority.rsplit_once(':').map_or(Some(implied), |(_, port)| port.parse().ok());
    (port, path.split('?').next().unwrap_or_default())
}

/// The pages that have the counter.
pub fn with_counter<'a>(evidence: &'a Evidence, series: &str) -> Vec<&'a Page> {
    let has = |page: &&Page| {
        [&page.first, &page.second].into_iter().filter_map(Read::seen).any(|text| has(text, series, &[]))
    };
    evidence.pages.iter().filter(has).collect()
}

/// Whether a page has a series of this name that these matchers take. Labels that are on no such series are not the
/// page's to give, nor are those that Prometheus gives itself.
pub fn has(text: &str, series: &str, matchers: &[Matcher]) -> bool {
    !taken(text, series, matchers).is_empty()
}

/// Those series: what stands in their braces, and their value.
pub fn taken<'a>(text: &'a str, series: &str, matchers: &[Matcher]) -> Vec<(&'a str, f64)> {
    let all: Vec<_> = series_of(text, series).map(|(braces, value)| (braces, value, labels_of(braces))).collect();
    let on_page = |label: &str| {
        let mut labels = all.iter().flat_map(|(.., labels)| labels);
        !GIVEN.contains(&label) && labels.any(|(found, ..)| found == label)
    };
    let asked: Vec<&Matcher> = matchers.iter().filter(|(label, ..)| on_page(label)).collect();
    let wanted = all.iter().filter(|(.., labels)| asked.iter().all(|matcher| takes(matcher, labels)));
    wanted.map(|(braces, value, _)| (*braces, *value)).collect()
}

/// Those labels that Prometheus gives itself with which a series of its own is not what is asked for.
pub fn refused<'a>(labels: &Value, matchers: &'a [Matcher]) -> Vec<&'a str> {
    let labels = labels.as_object().into_iter().flatten();
    let labels: Vec<Matcher> = labels
        .map(|(label, value)| (label.clone(), "=".to_owned(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let asked = matchers.iter().filter(|(label, ..)| GIVEN.contains(&label.as_str()));
    asked.filter(|matcher| !takes(matcher, &labels)).map(|(label, ..)| label.as_str()).collect()
}

/// Whether Prometheus gives a series this label, whatever the page has.
pub fn is_given(label: &str) -> bool {
    GIVEN.contains(&label)
}

/// Labels that Prometheus gives, whatever the page has.
const GIVEN: [&str; 7] = ["namespace", "pod", "service", "container", "endpoint", "job", "instance"];

/// The labels of a series as a page has them.
pub fn labels_of(braces: &str) -> Vec<Matcher> {
    selectors(&format!("x{{{braces}}}")).pop().map(|selector| selector.matchers).unwrap_or_default()
}

/// The labels of a series of the workload that tell its namespace and its pod, whatever they are called.
pub fn telling(evidence: &Evidence, labels: &BTreeMap<String, String>) -> Option<[String; 2]> {
    // Others' bundles are judged too, and it stands in commands to copy.
    let plain = |label: &str| label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let find = |part: &str, fits: &dyn Fn(&str) -> bool| {
        let mut labels = labels.iter().filter(|(label, value)| label.contains(part) && plain(label) && fits(value));
        labels.next().map(|(label, _)| label.clone())
    };
    let is_pod = |value: &str| evidence.pods.items().iter().any(|pod| name(pod) == value);
    Some([find("namespace", &|value| value == evidence.namespace)?, find("pod", &is_pod)?])
}

fn takes((label, operator, wanted): &Matcher, labels: &[Matcher]) -> bool {
    let value = labels.iter().find(|(found, ..)| found == label).map_or("", |(.., value)| value);
    let matches = || Pattern::whole(wanted).is_ok_and(|pattern| pattern.matches(value));
    match operator.as_str() {
        "=" => value == wanted,
        "!=" => value != wanted,
        "=~" => matches(),
        _ => !matches(),
    }
}

/// The active targets that are pods of the workload and could have the counter, each with its pod, of one replica. A
/// sidecar's page, on another port than the counter was found at, is none; a target that is down may be meant for it.
pub fn ours<'a>(evidence: &'a Evidence, scaling: &ScalingMetric, replica: &'a Replica) -> Vec<(&'a str, &'a Value)> {
    let pods = Ours::of(evidence);
    let pages = scaling.series.as_deref().map(|series| with_counter(evidence, series)).unwrap_or_default();
    let ports: BTreeSet<u16> = pages.iter().map(|page| page.port).collect();
    let meant = |target: &&Value| {
        ports.is_empty() || target["health"] != "up" || place(target).0.is_some_and(|port| ports.contains(&port))
    };
    let targets = replica.targets.items().iter().filter(meant);
    targets.filter_map(|target| Some((pods.pod_of(target)?, target))).collect()
}

/// Whether some replica has such a target.
pub fn known(evidence: &Evidence, scaling: &ScalingMetric) -> bool {
    evidence.prometheus.replicas.iter().any(|replica| !ours(evidence, scaling, replica).is_empty())
}

/// The series of a query's results in all replicas together, each once: of several shards each has some.
pub fn result<'a>(evidence: &'a Evidence, query: &str) -> Option<Vec<&'a Value>> {
    let answers = evidence.prometheus.replicas.iter().filter_map(|replica| replica.queries.get(query)?.seen());
    let mut answers = answers.peekable();
    answers.peek()?;
    let mut known = BTreeSet::new();
    Some(answers.flatten().filter(|sample| known.insert(sample["metric"].to_string())).collect())
}

/// The namespace and the name of the operator's object that a pod of Prometheus is of, and the number of its shard.
pub fn shard(pod: &Value) -> (&str, &str, u64) {
    let label = |name: &str| text(&labels(pod)[format!("operator.prometheus.io/{name}")], "");
    (namespace(pod), label("name"), label("shard").parse().unwrap_or(0))
}

/// The first shard of Prometheus of which no replica gave such an answer: what the others lack may be there.
pub fn silent_shard(evidence: &Evidence, answered: impl Fn(&Replica) -> bool) -> Option<String> {
    let Prometheus { pods, replicas, .. } = &evidence.prometheus;
    let answers = |pod: &Value| replicas.iter().any(|replica| replica.pod == name(pod) && answered(replica));
    let heard: BTreeSet<_> = pods.items().iter().filter(|pod| answers(pod)).map(shard).collect();
    let wanted = pods.items().iter().filter(|pod| lives(pod)).map(shard).flat_map(|(of, object, number)| {
        let mut objects = evidence.prometheuses.items().iter();
        let spec = objects.find(|one| namespace(one) == of && name(one) == object);
        // One that is no longer wanted may be there still.
        let shards = spec.and_then(|one| one["spec"]["shards"].as_u64()).unwrap_or(1).max(number.saturating_add(1));
        (0..shards).map(move |number| (of, object, number))
    });
    let silent = wanted.into_iter().find(|shard| !heard.contains(shard));
    silent.map(|(of, object, number)| format!("shard {number} of Prometheus {of}/{object}"))
}

/// How many series of the counter Prometheus has, as the query asks for it, of all pods that have been ready for long:
/// whoever brought them there (a collector, a federation, a job of whatever labels), and whether there is a target.
pub fn arrived(evidence: &Evidence, scaling: &ScalingMetric) -> Option<usize> {
    if adapter::lists_none(evidence, scaling) || is_stale(evidence, scaling) {
        return None;
    }
    let found = result(evidence, &scaling.selector.as_ref()?.text()).filter(|found| !found.is_empty())?;
    let pods = Ours::of(evidence);
    let has = |pod: &&str| found.iter().any(|sample| pods.pod_of_series(&sample["metric"]) == Some(*pod));
    let settled = settled(evidence, scaling);
    let all = !scaling.is_of_each_pod() || (!settled.is_empty() && settled.iter().all(has));
    all.then_some(found.len())
}

/// The job that brings the counter, where it is not scraped from the pods: an ingress, a queue, a recording rule.
pub fn elsewhere(evidence: &Evidence, scaling: &ScalingMetric) -> Option<String> {
    let (series, wanted) = (scaling.series.as_deref()?, scaling.selector.as_ref()?);
    let pods = Ours::of(evidence);
    let found = result(evidence, &wanted.text()).filter(|found| !found.is_empty())?;
    let of_pods = |sample: &&Value| pods.pod_of_series(&sample["metric"]).is_some();
    if !with_counter(evidence, series).is_empty() || (!series.contains(':') && found.iter().any(of_pods)) {
        return None;
    }
    let job = found[0]["metric"]["job"].as_str().map_or_else(|| "a rule".to_owned(), |job| format!("job {job}"));
    Some(job)
}
