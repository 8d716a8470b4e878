//! The replicas of Prometheus: that each is ready, and that they agree.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::autoscaling::duration;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Replica};
use crate::doctor::facts::early::settled;
use crate::doctor::facts::pod_state;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::facts::targets::{Ours, ours, shard, with_counter};
use crate::doctor::findings::pod_failure;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, describe, in_namespace};
use crate::doctor::objects::{age, is_ready, lives, name, namespace, titled};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// The label of the operator's object on its pods.
const OBJECT: &str = "operator.prometheus.io/name";

/// A replica that is there and not ready, or no replica at all.
pub fn not_ready(evidence: &Evidence, subject: &Subject) -> Option<Finding> {
    let prometheus = &evidence.prometheus;
    let all: Vec<&Value> = prometheus.pods.items().iter().filter(|pod| lives(pod)).collect();
    if all.is_empty() {
        return none(evidence);
    }
    let object = |pod: &Value| pod["metadata"]["labels"][OBJECT].clone();
    // Of several objects only those count that have to do with the pods, where nobody says which is asked.
    let several = prometheus.service.seen().is_none() && all.iter().any(|pod| object(pod) != object(all[0]));
    let scraping = prometheus.replicas.iter().filter(|replica| !ours(evidence, subject, replica).is_empty());
    let scraping: Vec<&str> = scraping.map(|replica| replica.pod.as_str()).collect();
    let of_object = |pod: &&Value| {
        !several || all.iter().any(|other| scraping.contains(&name(other)) && object(other) == object(pod))
    };
    let pods: Vec<&Value> = all.iter().copied().filter(of_object).collect();
    let asked = |pod: &Value| prometheus.replicas.iter().find(|replica| replica.pod == name(pod));
    let refuses = |pod: &Value| asked(pod).is_some_and(|replica| replica.ready == Read::Seen(false));
    let failing = |pod: &&&Value| refuses(pod) || !is_ready(pod);
    let others = pods.iter().filter(|pod| !failing(pod)).count();
    let patience = if others > 0 { timing::PROMETHEUS_START } else { timing::PROMETHEUS_START_ALONE };
    let pod =
        *pods.iter().filter(failing).find(|pod| pod_state::of(pod).is_some() || age(pod, evidence.taken) > patience)?;
    let starting = "Read its log. It may still be replaying its write-ahead log.".to_owned();
    let failure = pod_state::of(pod).zip(pod_failure::finding(evidence, None, &[], pod));
    let (told, advice, command) = match failure {
        Some((reason, found)) => {
            (format!("container {}: {}", reason.container, reason.what), found.fix.advice, describe(pod))
        }
        None => match pod_state::unschedulable(pod) {
            Some(why) => (why.to_owned(), "Make room for it: nodes, requests, its volume.".to_owned(), describe(pod)),
            None if refuses(pod) => ("/-/ready answers that it is not".to_owned(), starting, log(pod)),
            None => ("its condition Ready is not True".to_owned(), starting, log(pod)),
        },
    };
    let (of, all) = (namespace(pod), pods.len());
    let evidence = format!("pod {of}/{} is not ready: {told}; {others} of {all} replicas are ready", name(pod));
    Some(Finding::new(Cause::PrometheusNotReady, evidence, advice, vec![command]))
}

/// The command that shows the end of a pod's log.
fn log(pod: &Value) -> Command {
    about(pod, "logs").words("--all-containers --tail=50").end()
}

/// There is no pod of Prometheus at all: the operator's object says why, where it wants none.
fn none(evidence: &Evidence) -> Option<Finding> {
    let prometheus = &evidence.prometheus;
    let searched =
        prometheus.pods.seen().is_some() || (prometheus.pods == Read::Absent && prometheus.service.seen().is_some());
    if !searched {
        return None;
    }
    let of = prometheus.service.seen().map(namespace);
    let object = evidence.prometheuses.items().iter().find(|object| of.is_none_or(|of| namespace(object) == of));
    let of = of.or(object.map(namespace));
    let at_zero = object.filter(|object| object["spec"]["replicas"] == 0);
    let told = match (at_zero, object, prometheus.service.seen()) {
        (Some(object), ..) => format!("{}: spec.replicas is 0", titled(object)),
        (None, Some(object), _) => format!("{} has no pod", titled(object)),
        (None, None, service) => format!("no pod is behind {}", service.map(titled)?),
    };
    if let Some(object) = at_zero {
        let advice = format!("Set spec.replicas of {} to 1 or more.", titled(object));
        return Some(Finding::new(Cause::PrometheusNotReady, told, advice, Vec::new()));
    }
    let events = of.map(|of| in_namespace(of).words("get events --sort-by=.lastTimestamp").end());
    let advice = "Make Prometheus run: read the events of its StatefulSet or Deployment.";
    Some(Finding::new(Cause::PrometheusNotReady, told, advice, events.into_iter().collect()))
}

/// Two replicas that answer one question differently, by more than their scrapes' phases explain.
pub fn disagree(evidence: &Evidence, subject: &Subject) -> Option<Finding> {
    let settled: BTreeSet<&str> = settled(evidence, subject).into_iter().collect();
    let any_young =
        |pods: &Read<Vec<Value>>| pods.items().iter().any(|pod| age(pod, evidence.taken) < timing::REPLICAS_AGREE);
    // What a restart has left in one of them is gone when its window is.
    if any_young(&evidence.prometheus.pods) {
        return None;
    }
    let restarted = any_young(&evidence.pods);
    for [first, other] in alike(evidence) {
        let told = by_targets(evidence, subject, [first, other], &settled)
            .or_else(|| if restarted { None } else { by_answers(evidence, subject, [first, other]) });
        let of_one = |pod: &&Value| [first, other].iter().any(|replica| replica.pod == name(pod));
        if let Some(told) = told {
            return Some(Finding::new(
                Cause::PrometheusNotReady,
                told,
                "Check the replica that differs: its configuration, its disk and its network. The HPA's value comes from \
                 either replica.",
                evidence.prometheus.pods.items().iter().filter(of_one).map(log).collect(),
            ));
        }
    }
    None
}

/// Replicas of one shard of one object, two by two: others have other targets.
fn alike(evidence: &Evidence) -> Vec<[&Replica; 2]> {
    let mut first = BTreeMap::new();
    let mut pairs = Vec::new();
    for replica in &evidence.prometheus.replicas {
        let pod = evidence.prometheus.pods.items().iter().find(|pod| name(pod) == replica.pod);
        match first.entry(pod.map(shard)) {
            Entry::Occupied(one) => pairs.push([*one.get(), replica]),
            Entry::Vacant(place) => _ = place.insert(replica),
        }
    }
    pairs
}

/// A pod that one scrapes and the other has not for a target.
fn by_targets(evidence: &Evidence, subject: &Subject, two: [&Replica; 2], settled: &BTreeSet<&str>) -> Option<String> {
    if two.iter().any(|replica| replica.targets.seen().is_none()) {
        return None;
    }
    let health = two.map(|replica| {
        let mut health: BTreeMap<&str, bool> = BTreeMap::new();
        for (pod, target) in ours(evidence, subject, replica) {
            *health.entry(pod).or_default() |= target["health"] == "up";
        }
        health
    });
    settled.iter().find_map(|pod| {
        let [one, other] = [0, 1].map(|at| health[at].get(pod).copied());
        let [with, without] = match (one, other) {
            (Some(true), None) => two,
            (None, Some(true)) => [two[1], two[0]],
            _ => return None,
        };
        Some(format!("{} scrapes pod {pod}; {} has no target of it", with.pod, without.pod))
    })
}

/// The answers to the HPA's query: a value in one replica that is another's by half, and by more than the target and a
/// scrape's share of the window.
fn by_answers(evidence: &Evidence, subject: &Subject, two: [&Replica; 2]) -> Option<String> {
    let (query, metric) = (subject.query.as_deref()?, subject.metric.as_ref()?);
    let pods = Ours::of(evidence);
    let values = |replica: &Replica| -> Option<BTreeMap<String, f64>> {
        let samples = replica.queries.get(query)?.seen()?.iter();
        let value = |sample: &Value| sample["value"][1].as_str()?.parse::<f64>().ok();
        let key = |sample: &Value| {
            pods.pod_of_series(&sample["metric"]).map_or_else(|| sample["metric"].to_string(), str::to_owned)
        };
        Some(samples.filter_map(|sample| Some((key(sample), value(sample)?))).collect())
    };
    let (one, other) = (values(two[0])?, values(two[1])?);
    for (of, value, without) in [(0, &one, &other), (1, &other, &one)] {
        if let Some((key, value)) = value.iter().next().filter(|_| without.is_empty()) {
            return Some(format!("{} answers {value:.2} for {key}, but {} nothing", two[of].pod, two[1 - of].pod));
        }
    }
    // After a load has ended, the two fall from scrape to scrape, each at its own time.
    let said = |values: &BTreeMap<String, f64>| values.values().sum::<f64>();
    let counted = subject.series.as_deref().is_some_and(|series| !with_counter(evidence, series).is_empty());
    if counted && growth(evidence, subject) < 0.5 * metric.target.max(said(&one).min(said(&other))) {
        return None;
    }
    let tolerated = metric.target + phase(evidence, subject);
    one.iter().find_map(|(key, a)| {
        let b = other.get(key)?;
        let apart = (a - b).abs();
        let differ = apart > 0.5 * a.abs().max(b.abs()) && apart > tolerated;
        differ.then(|| format!("{} answers {a:.2} for {key}, and {} answers {b:.2}", two[0].pod, two[1].pod))
    })
}

/// What one replica may have scraped and the other not yet, twice over, as a rate: while load has just begun.
fn phase(evidence: &Evidence, subject: &Subject) -> f64 {
    let Some(window) = subject.window else { return 0.0 };
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, subject, replica));
    let intervals = targets.filter_map(|(_, target)| duration::prometheus(target["scrapeInterval"].as_str()?));
    2.0 * growth(evidence, subject) * intervals.fold(0.0, f64::max) / window
}

/// Requests a second of all pods, between the two looks at their pages.
fn growth(evidence: &Evidence, subject: &Subject) -> f64 {
    let Some(series) = subject.series.as_deref() else { return 0.0 };
    let grown = evidence.pages.iter().filter_map(|page| {
        let grown = page.grown(series)?;
        (page.apart > 0.0).then(|| grown / page.apart)
    });
    grown.sum()
}
