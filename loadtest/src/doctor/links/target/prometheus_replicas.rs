//! Whether each replica of Prometheus is ready, and whether they agree.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::autoscaling::duration;
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Replica};
use crate::doctor::facts::early::{may_reload, settled};
use crate::doctor::facts::pod_state;
use crate::doctor::facts::prometheus::OF_OPERATOR;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::{Ours, ours, shard, with_counter};
use crate::doctor::findings::pod_failure;
use crate::doctor::fixes::kubectl::{about, in_namespace, log};
use crate::doctor::objects::{age, is_ready, lives, name, namespace, titled};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// A replica that is not ready, or no replica at all.
pub fn not_ready(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Finding> {
    let prometheus = &evidence.prometheus;
    let all: Vec<&Value> = prometheus.pods.items().iter().filter(|pod| lives(pod)).collect();
    if all.is_empty() {
        return none(evidence);
    }
    let object = |pod: &Value| pod["metadata"]["labels"][OF_OPERATOR].clone();
    // Without a URL that names one of several objects, only those count that scrape the pods.
    let several = prometheus.service.seen().is_none() && all.iter().any(|pod| object(pod) != object(all[0]));
    let scraping = prometheus.replicas.iter().filter(|replica| !ours(evidence, scaling, replica).is_empty());
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
    let (why, advice, command) = match failure {
        Some((reason, found)) => {
            let why = format!("container {}: {}", reason.container, reason.what);
            (why, found.fix.advice, about(pod, "describe"))
        }
        None => match pod_state::unschedulable(pod) {
            Some(why) => {
                let advice = "Make room for it: check the nodes, its requests and its volume.";
                (why.to_owned(), advice.to_owned(), about(pod, "describe"))
            }
            None if refuses(pod) => ("/-/ready reports that it is not".to_owned(), starting, log(pod)),
            None => ("its condition Ready is not True".to_owned(), starting, log(pod)),
        },
    };
    let (of, all) = (namespace(pod), pods.len());
    let seen = format!("pod {of}/{} is not ready: {why}; {others} of {all} replicas are ready", name(pod));
    Some(Finding::new(Cause::PrometheusNotReady, seen, advice, [command]))
}

/// Prometheus has no pod at all. The operator's object may say that it is to have none.
fn none(evidence: &Evidence) -> Option<Finding> {
    let prometheus = &evidence.prometheus;
    let searched =
        prometheus.pods.seen().is_some() || (prometheus.pods == Read::Absent && prometheus.service.seen().is_some());
    if !searched {
        return None;
    }
    let of = prometheus.service.seen().map(namespace);
    let object = evidence.prometheuses.items().iter().find(|object| of.is_none_or(|of| namespace(object) == of));
    if let Some(object) = object.filter(|object| object["spec"]["replicas"] == 0) {
        let seen = format!("{}: spec.replicas is 0", titled(object));
        let advice = format!("Set spec.replicas of {} to 1 or more.", titled(object));
        return Some(Finding::new(Cause::PrometheusNotReady, seen, advice, None));
    }
    let seen = match object {
        Some(object) => format!("{} has no pod", titled(object)),
        None => format!("no pod is behind {}", titled(prometheus.service.seen()?)),
    };
    let of = of.or(object.map(namespace));
    let events = of.map(|of| in_namespace(of).words("get events --sort-by=.lastTimestamp"));
    let advice = "Make Prometheus run: read the events of its StatefulSet or Deployment.";
    Some(Finding::new(Cause::PrometheusNotReady, seen, advice, events))
}

/// Two replicas that differ by more than the phases of their scrapes explain.
pub fn disagree(evidence: &Evidence, scaling: &ScalingMetric) -> Option<Finding> {
    let settled: BTreeSet<&str> = settled(evidence, scaling).into_iter().collect();
    let any_young =
        |pods: &Read<Vec<Value>>| pods.items().iter().any(|pod| age(pod, evidence.taken) < timing::REPLICAS_AGREE);
    // A replica that restarted has a gap until the window has passed.
    if any_young(&evidence.prometheus.pods) || may_reload(evidence, scaling) {
        return None;
    }
    let restarted = any_young(&evidence.pods);
    alike(evidence).into_iter().find_map(|pair| {
        let seen = by_targets(evidence, scaling, pair, &settled)
            .or_else(|| if restarted { None } else { by_answers(evidence, scaling, pair) })?;
        let of_pair = |pod: &&Value| pair.iter().any(|replica| replica.pod == name(pod));
        let advice = "Check the replica that differs: its configuration, its disk and its network. The HPA's value comes from \
                      either replica.";
        let logs = evidence.prometheus.pods.items().iter().filter(of_pair).map(log);
        Some(Finding::new(Cause::PrometheusNotReady, seen, advice, logs))
    })
}

/// Pairs of replicas of one shard of one object: others have other targets.
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

/// A pod that one replica scrapes, and for which the other has no target.
fn by_targets(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    two: [&Replica; 2],
    settled: &BTreeSet<&str>,
) -> Option<String> {
    if two.iter().any(|replica| replica.targets.seen().is_none()) {
        return None;
    }
    let health = two.map(|replica| {
        let mut health: BTreeMap<&str, bool> = BTreeMap::new();
        for (pod, target) in ours(evidence, scaling, replica) {
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
        Some(format!("{} scrapes pod {pod}; {} has no target for it", with.pod, without.pod))
    })
}

/// The answers to the HPA's query: two values that differ by half, and by more than the target and a scrape's share of the
/// window.
fn by_answers(evidence: &Evidence, scaling: &ScalingMetric, two: [&Replica; 2]) -> Option<String> {
    let (query, metric) = (scaling.query.as_deref()?, scaling.metric.as_ref()?);
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
            return Some(format!(
                "{} answers {value:.2} for {key}, but {} answers nothing",
                two[of].pod,
                two[1 - of].pod
            ));
        }
    }
    // After a load has ended, the two fall from scrape to scrape, each at its own time.
    let sum = |values: &BTreeMap<String, f64>| values.values().sum::<f64>();
    let counted = scaling.series.as_deref().is_some_and(|series| !with_counter(evidence, series).is_empty());
    if counted && growth(evidence, scaling) < 0.5 * metric.target.max(sum(&one).min(sum(&other))) {
        return None;
    }
    let tolerated = metric.target + phase(evidence, scaling);
    one.iter().find_map(|(key, a)| {
        let b = other.get(key)?;
        let apart = (a - b).abs();
        let differ = apart > 0.5 * a.abs().max(b.abs()) && apart > tolerated;
        differ.then(|| format!("{} answers {a:.2} for {key}, and {} answers {b:.2}", two[0].pod, two[1].pod))
    })
}

/// Twice the rate that one replica may have scraped and the other not yet, when a load has just begun.
fn phase(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    let Some(window) = scaling.window else { return 0.0 };
    let targets = evidence.prometheus.replicas.iter().flat_map(|replica| ours(evidence, scaling, replica));
    let intervals = targets.filter_map(|(_, target)| duration::prometheus(target["scrapeInterval"].as_str()?));
    2.0 * growth(evidence, scaling) * intervals.fold(0.0, f64::max) / window
}

/// Requests per second to all pods, between the two readings of their pages.
fn growth(evidence: &Evidence, scaling: &ScalingMetric) -> f64 {
    let Some(series) = scaling.series.as_deref() else { return 0.0 };
    let grown = evidence.pages.iter().filter_map(|page| {
        let grown = page.grown(series)?;
        (page.apart > 0.0).then(|| grown / page.apart)
    });
    grown.sum()
}
