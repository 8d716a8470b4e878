//! A journal's entries, folded into the report.

use std::collections::BTreeMap;

use super::{addresses, from_zero, lag, steps, verdict, warnings};
use crate::autoscaling::predict::Predicted;
use crate::journal::{Bytes, Entry, Scaling, Second, Start, is_success};
use crate::output::events;
use crate::report::counted::{Counted, counted};
use crate::report::figures::{Load, Pod, Quantiles, Reached, Replicas, Report, ScaleIn, Shares, Totals};
use crate::stats::{Times, Total, dropped, failed, join_seconds, succeeded};

/// The cause of a failure whose body is not as expected.
pub(crate) const MISMATCH: &str = "body does not match";

/// What stands for the pods of answers that name none.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// The maximum number of intervals of the pods' shares. More would show chance, not shares.
const SHARES: f64 = 80.0;

impl Report {
    /// The report of these entries. They may lack an end, or a start, have gaps, and be in any order; seconds of
    /// several generators are added up.
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

        let mut total = Total::default();
        for second in &seconds {
            total.add(second);
        }
        let pods = pods(&seconds);
        let load: Vec<_> = seconds.iter().map(load).collect();
        let mut report = Self {
            verdict: verdict::Verdict::default(),
            warnings: Vec::new(),
            totals: totals(&total, start.as_ref()),
            latency: quantiles(&total.latency),
            lateness: quantiles(&total.lateness),
            handshakes: quantiles(&total.handshakes),
            replicas: replicas(start.as_ref(), &scaling, &seconds),
            from_zero: from_zero::wait(&load, &scaling),
            lag: start.as_ref().and_then(|start| lag::budget(start, &scaling, &pods)),
            pods: with_unknown(pods, &seconds),
            addresses: addresses::addresses(&seconds),
            shares: shares(&seconds),
            seconds: load,
            steps: steps::observed(&scaling),
            scaling,
            prediction: predicted,
            band: Vec::new(),
            events,
            start,
            end,
        };
        report.warnings = warnings::all(&report);
        report.verdict = verdict::judge(&report, &total, &seconds);
        report
    }
}

fn totals(total: &Total, start: Option<&Start>) -> Totals {
    let expects = |status: u16| start.map_or_else(|| is_success(status), |start| start.target.expects(status));
    let mut failures = total.failures.clone();
    let mut expected = 0;
    for (status, count) in &total.statuses {
        if expects(*status) {
            expected += count;
        } else {
            *failures.entry(format!("status {status}")).or_default() += count;
        }
    }
    let mismatches = expected.saturating_sub(total.succeeded);
    if mismatches > 0 {
        failures.insert(MISMATCH.to_owned(), mismatches);
    }
    Totals {
        due: total.due,
        sent: total.sent,
        answered: total.answered(),
        succeeded: total.succeeded,
        failed: failures.values().sum(),
        dropped: total.dropped.max(total.due.saturating_sub(total.sent)),
        crowded_out: total.dropped,
        statuses: total.statuses.clone(),
        failures,
        bytes_out: total.bytes_out,
        bytes_in: total.bytes_in,
        status_bytes: total.status_bytes.clone(),
        connections: total.connections,
    }
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
        dropped: dropped(second),
    }
}

fn pods(seconds: &[Second]) -> Vec<Pod> {
    let mut bytes: BTreeMap<&str, Bytes> = BTreeMap::new();
    for (name, of_second) in seconds.iter().flat_map(|second| &second.pod_bytes) {
        *bytes.entry(name).or_default() += *of_second;
    }
    let counted = counted(seconds.iter().map(|second| (second.at, &second.pods)));
    let pod = |Counted { name, count: answers, share, first, last }| Pod {
        name: name.to_owned(),
        answers,
        bytes: bytes.get(name).copied().unwrap_or_default(),
        share,
        first,
        last,
    };
    counted.into_iter().map(pod).collect()
}

/// The pods, and those answers that name none, if others do. Without them, shares would be too high.
fn with_unknown(mut pods: Vec<Pod>, seconds: &[Second]) -> Vec<Pod> {
    let mut without = seconds.iter().filter(|second| unnamed(second) > 0);
    let (Some(first), false) = (without.next(), pods.is_empty()) else { return pods };
    let last = without.next_back().unwrap_or(first).at;
    let answers = seconds.iter().map(unnamed).sum();
    let mut bytes = Bytes::default();
    for second in seconds {
        bytes += unnamed_bytes(second);
    }
    pods.push(Pod { name: UNKNOWN.to_owned(), answers, bytes, share: 0.0, first: first.at, last });
    let all: u64 = pods.iter().map(|pod| pod.answers).sum();
    for pod in &mut pods {
        pod.share = pod.answers as f64 / all as f64;
    }
    pods
}

/// Answers that name no pod.
fn unnamed(second: &Second) -> u64 {
    let answers: u64 = second.statuses.values().sum();
    answers.saturating_sub(second.pods.values().sum())
}

/// The bytes of answers that name no pod, and of their requests.
fn unnamed_bytes(second: &Second) -> Bytes {
    let sum = |bytes: &mut dyn Iterator<Item = &Bytes>| {
        let mut sum = Bytes::default();
        bytes.for_each(|bytes| sum += *bytes);
        sum
    };
    let (all, named) = (sum(&mut second.status_bytes.values()), sum(&mut second.pod_bytes.values()));
    let (sent, received) = (all.sent.saturating_sub(named.sent), all.received.saturating_sub(named.received));
    Bytes { sent, received }
}

/// Answers by pod in intervals of at least ten seconds: those of one second are too few to speak of shares.
fn shares(seconds: &[Second]) -> Vec<Shares> {
    let answered = || seconds.iter().filter(|second| !second.pods.is_empty());
    let (Some(first), Some(last)) = (answered().next(), answered().next_back()) else {
        return Vec::new();
    };
    let length = ((last.at - first.at) / SHARES).ceil().max(10.0);
    let mut intervals: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    for second in answered() {
        let answers = intervals.entry((second.at / length).floor() as i64).or_default();
        for (pod, count) in &second.pods {
            *answers.entry(pod.clone()).or_default() += count;
        }
        if unnamed(second) > 0 {
            *answers.entry(UNKNOWN.to_owned()).or_default() += unnamed(second);
        }
    }
    let intervals = intervals.into_iter();
    intervals.map(|(index, answers)| Shares { at: index as f64 * length, seconds: length, answers }).collect()
}

fn replicas(start: Option<&Start>, scaling: &[Scaling], seconds: &[Second]) -> Option<Replicas> {
    let first = scaling.first()?;
    let autoscaler = start.and_then(|start| start.autoscaler.as_ref());
    // KEDA goes below the HPA's minimum, to no pod.
    let ends_at_zero = scaling.last().is_some_and(|seen| seen.desired == 0 && seen.pods == 0);
    let min = if ends_at_zero { 0 } else { autoscaler.map_or(first.desired, |autoscaler| autoscaler.min) };
    let (desired, ready) = (climbs(scaling, |seen| seen.desired), climbs(scaling, |seen| seen.ready));
    let peak = desired.last().map_or(0, |(highest, _)| *highest);
    // During a rollout there are more pods than were ever desired: those are not the autoscaler's.
    let max = peak.max(first.ready);
    let counts = scaling.iter().flat_map(|seen| [seen.desired, seen.ready]).filter(|count| (1..=max).contains(count));
    // The first count that is as high: each is higher than the one before it.
    let when = |climbs: &[(u32, f64)], replicas: u32| {
        climbs.get(climbs.partition_point(|(count, _)| *count < replicas)).map(|(_, at)| *at)
    };
    let reached = (counts.clone().min().unwrap_or_default()..=counts.max().unwrap_or_default())
        .map(|replicas| Reached { replicas, desired: when(&desired, replicas), ready: when(&ready, replicas) });
    Some(Replicas {
        initial: first.ready,
        min,
        desired: peak,
        ready: scaling.iter().map(|seen| seen.ready.min(max)).max().unwrap_or_default(),
        reached: reached.collect(),
        relieved: start.and_then(lag::relieved),
        scale_in: scale_in(min, scaling, seconds),
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

/// From the first decrease of the desired replicas after their peak until only the minimum is desired and present. A
/// pod that terminates is no longer ready, but may still get requests: until it is gone, they may fail.
fn scale_in(min: u32, scaling: &[Scaling], seconds: &[Second]) -> Option<ScaleIn> {
    let peak = scaling.iter().map(|seen| seen.desired).max().filter(|peak| *peak > min)?;
    let mut down =
        scaling.iter().skip_while(|seen| seen.desired < peak).skip_while(|seen| seen.desired == peak).peekable();
    let from = down.peek()?.at;
    let until = down.find(|seen| seen.desired <= min && seen.ready <= min && seen.pods <= min).map(|seen| seen.at);
    // The seconds in which the scale-in begins and ends belong to it.
    let meanwhile =
        || seconds.iter().filter(move |second| second.at + 1.0 > from && until.is_none_or(|until| second.at <= until));
    Some(ScaleIn {
        from,
        until,
        failed: meanwhile().map(failed).sum(),
        sent: meanwhile().map(|second| second.sent).sum(),
    })
}
