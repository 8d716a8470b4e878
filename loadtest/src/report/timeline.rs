//! A journal's entries, folded into the report.

use std::collections::{BTreeMap, BTreeSet};

use super::{lag, steps, verdict, warnings};
use crate::autoscaling::predict::Predicted;
use crate::journal::{Entry, Scaling, Second, Start};
use crate::output::events;
use crate::report::figures::{Load, Pod, Quantiles, Reached, Replicas, Report, ScaleIn, Shares, Totals};
use crate::stats::{Times, failed, join_seconds, refused, succeeded};

/// The most points of a series of shares. More would show chance, not shares.
const WHILES: f64 = 80.0;

impl Report {
    /// The report of these entries. They may lack an end, or a start, have gaps, and be in any order; seconds of several
    /// generators are added up.
    pub fn from_entries(entries: &[Entry], predicted: Vec<Predicted>) -> Self {
        let mut seconds: BTreeMap<i64, Vec<&Second>> = BTreeMap::new();
        let (mut start, mut end, mut scaling, mut events) = (None, None, Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::Start(facts) => start = start.or_else(|| Some(Start::clone(facts))),
                Entry::Second(second) => seconds.entry(second.at.floor() as i64).or_default().push(second),
                Entry::Scaling(seen) => scaling.push(seen.clone()),
                Entry::Event(event) => events.push(event.clone()),
                Entry::End(last) => end = Some(last.clone()),
            }
        }
        let seconds = seconds.into_values().map(join_seconds);
        let seconds: Vec<_> = seconds.map(|second| Second { at: second.at.floor(), ..second }).collect();
        scaling.sort_by(|a, b| a.at.total_cmp(&b.at));
        events.sort_by(|a, b| a.at.total_cmp(&b.at).then_with(|| events::text(a).cmp(&events::text(b))));
        events.dedup();

        let pods = pods(&seconds);
        let latency = Times::joined(seconds.iter().map(|second| &second.latency));
        let lateness = Times::joined(seconds.iter().map(|second| &second.lateness));
        let mut report = Self {
            verdict: verdict::Verdict::default(),
            warnings: Vec::new(),
            totals: totals(&seconds),
            latency: quantiles(&latency),
            lateness: quantiles(&lateness),
            replicas: replicas(start.as_ref(), &scaling, &seconds),
            lag: start.as_ref().and_then(|start| lag::budget(start, &scaling, &pods)),
            pods,
            shares: shares(&seconds),
            seconds: seconds.iter().map(load).collect(),
            steps: steps::seen(&scaling),
            scaling,
            prediction: predicted,
            band: Vec::new(),
            events,
            start,
            end,
        };
        report.warnings = warnings::all(&report);
        report.verdict = verdict::judge(&report, |quantile| latency.seconds(quantile));
        report
    }
}

fn totals(seconds: &[Second]) -> Totals {
    let mut totals = Totals::default();
    for second in seconds {
        totals.due += second.due;
        totals.sent += second.sent;
        totals.dropped += second.dropped;
        totals.answered += second.statuses.values().sum::<u64>();
        totals.failed += failed(second);
        for (status, count) in &second.statuses {
            *totals.statuses.entry(*status).or_default() += count;
        }
        for (cause, count) in &second.failures {
            *totals.failures.entry(cause.clone()).or_default() += count;
        }
        for (status, count) in refused(second) {
            *totals.failures.entry(format!("status {status}")).or_default() += count;
        }
    }
    totals
}

fn quantiles(times: &Times) -> Option<Quantiles> {
    Some(Quantiles {
        count: times.count(),
        p50: times.seconds(0.5)?,
        p90: times.seconds(0.9)?,
        p99: times.seconds(0.99)?,
        p999: times.seconds(0.999)?,
        max: times.seconds(1.0)?,
    })
}

fn load(second: &Second) -> Load {
    let latency = Times::joined([&second.latency]);
    Load {
        at: second.at,
        offered: second.due,
        achieved: succeeded(second),
        p50: latency.seconds(0.5),
        p99: latency.seconds(0.99),
        failed: failed(second),
        dropped: second.dropped,
    }
}

fn pods(seconds: &[Second]) -> Vec<Pod> {
    let mut pods: BTreeMap<&str, Pod> = BTreeMap::new();
    for second in seconds {
        for (name, answers) in second.pods.iter().filter(|(_, answers)| **answers > 0) {
            let pod = pods.entry(name).or_insert_with(|| Pod {
                name: name.clone(),
                answers: 0,
                share: 0.0,
                first: second.at,
                last: second.at,
            });
            pod.answers += answers;
            pod.last = second.at;
        }
    }
    let all: u64 = pods.values().map(|pod| pod.answers).sum();
    let mut pods: Vec<Pod> = pods.into_values().collect();
    for pod in &mut pods {
        pod.share = pod.answers as f64 / all as f64;
    }
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.answers));
    pods
}

/// Answers by pod in whiles of at least ten seconds: those of one second are too few to speak of shares.
fn shares(seconds: &[Second]) -> Vec<Shares> {
    let answered = || seconds.iter().filter(|second| !second.pods.is_empty());
    let (Some(first), Some(last)) = (answered().next(), answered().next_back()) else {
        return Vec::new();
    };
    let length = ((last.at - first.at) / WHILES).ceil().max(10.0);
    let mut whiles: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    for second in answered() {
        let answers = whiles.entry((second.at / length).floor() as i64).or_default();
        for (pod, count) in &second.pods {
            *answers.entry(pod.clone()).or_default() += count;
        }
    }
    let whiles = whiles.into_iter();
    whiles.map(|(index, answers)| Shares { at: index as f64 * length, seconds: length, answers }).collect()
}

fn replicas(start: Option<&Start>, scaling: &[Scaling], seconds: &[Second]) -> Option<Replicas> {
    let first = scaling.first()?;
    let autoscaler = start.and_then(|start| start.autoscaler.as_ref());
    let least = autoscaler.map_or(first.wanted, |autoscaler| autoscaler.min);
    // More than ever were wanted are there while a rollout replaces them: those are not the autoscaler's.
    let most = scaling.iter().map(|seen| seen.wanted).max().unwrap_or_default().max(first.ready);
    let counts = scaling.iter().flat_map(|seen| [seen.wanted, seen.ready]).filter(|count| (1..=most).contains(count));
    let counts: BTreeSet<u32> = counts.collect();
    let from = counts.first().copied().unwrap_or_default();
    let to = counts.last().copied().unwrap_or_default();
    let (wanted, ready) = (climbs(scaling, |seen| seen.wanted), climbs(scaling, |seen| seen.ready));
    // The first of those that are as high: each is higher than the one before it.
    let when = |climbs: &[(u32, f64)], replicas: u32| {
        climbs.get(climbs.partition_point(|(count, _)| *count < replicas)).map(|(_, at)| *at)
    };
    let reached = (from..=to).map(|replicas| Reached {
        replicas,
        wanted: when(&wanted, replicas),
        ready: when(&ready, replicas),
    });
    Some(Replicas {
        initial: first.ready,
        least,
        wanted: scaling.iter().map(|seen| seen.wanted).max().unwrap_or_default(),
        ready: scaling.iter().map(|seen| seen.ready.min(most)).max().unwrap_or_default(),
        reached: reached.collect(),
        relieved: start.and_then(lag::relieved),
        scale_in: scale_in(least, scaling, seconds),
    })
}

/// When a count of replicas was higher than ever before, and how high.
fn climbs(scaling: &[Scaling], count: fn(&Scaling) -> u32) -> Vec<(u32, f64)> {
    let mut climbs: Vec<(u32, f64)> = Vec::new();
    for seen in scaling {
        if climbs.last().is_none_or(|(highest, _)| count(seen) > *highest) {
            climbs.push((count(seen), seen.at));
        }
    }
    climbs
}

/// From the first decrease of what is wanted after its peak until the least are wanted and there. A pod that leaves is
/// no longer ready, but may still be asked: until it is gone, requests may fail for it.
fn scale_in(least: u32, scaling: &[Scaling], seconds: &[Second]) -> Option<ScaleIn> {
    let peak = scaling.iter().map(|seen| seen.wanted).max().filter(|peak| *peak > least)?;
    let climbed = scaling.iter().skip_while(|seen| seen.wanted < peak);
    let down: Vec<&Scaling> = climbed.skip_while(|seen| seen.wanted == peak).collect();
    let from = down.first()?.at;
    let until =
        down.iter().find(|seen| seen.wanted <= least && seen.ready <= least && seen.pods <= least).map(|seen| seen.at);
    // A second that the way down begins or ends in belongs to it.
    let meanwhile =
        || seconds.iter().filter(move |second| second.at + 1.0 > from && until.is_none_or(|until| second.at <= until));
    Some(ScaleIn {
        from,
        until,
        failed: meanwhile().map(failed).sum(),
        sent: meanwhile().map(|second| second.sent).sum(),
    })
}
