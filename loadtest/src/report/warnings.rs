//! Why a result may be wrong or incomplete, and what to do about it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lag;
use crate::journal::{Event, Feed, ObservedEvent};
use crate::output::events::because;
use crate::output::text::{clock, count, fit, plural, rate, seconds};
use crate::profile::Profile;
use crate::report::figures::Report;
use crate::report::lanes::MESSAGE;
use crate::report::timeline::UNKNOWN;
use crate::report::verdict::{BEYOND, enough_answers};

/// A reason to doubt the result.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// What it is about.
    pub about: About,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// The start, the end, or seconds in between are missing from the journal.
    Journal,
    /// The run ended before its profile did.
    Interrupted,
    /// The generator did not keep to its schedule.
    Schedule,
    /// The generators did not start together.
    Apart,
    /// It was a closed loop, whose latency is the service time only.
    ClosedLoop,
    /// Requests were never sent.
    Dropped,
    /// Requests failed, and no limit was set for them.
    Failed,
    /// Answers were redirects, and not a success.
    Redirected,
    /// Requests failed: the most frequent cause, its first example and what to do.
    Cause,
    /// Too few answers for a percentile.
    FewAnswers,
    /// The autoscaler could not be watched all the time.
    Watch,
    /// The HPA had no value.
    Unknown,
    /// The load does not require more replicas.
    LowLoad,
    /// One pod answers far more than its share.
    HotPod,
    /// Parts of the metrics pipeline could not be read, or were assumed.
    Chain,
}

/// The generator's own lateness, in seconds at the 99th percentile, beyond which its figures are not to be trusted.
const LATE: f64 = 0.01;

/// The part of all requests that may fail without a warning, where the user has not set a limit.
const FAILED: f64 = 0.01;

/// The longest time in seconds without a state from a working watch.
const SILENCE: f64 = 10.0;

/// From how many times its even share on a pod is hot.
const HOT: f64 = 1.5;

/// The maximum number of parts of the pipeline that are named.
const LINKS: usize = 20;

/// All warnings about this report, the gravest first.
pub(crate) fn all(report: &Report) -> Vec<Warning> {
    let groups = [
        (About::Journal, journal(report)),
        (About::Interrupted, interrupted(report)),
        (About::Schedule, schedule(report)),
        (About::Apart, apart(report)),
        (About::ClosedLoop, closed_loop(report)),
        (About::Dropped, dropped(report)),
        (About::Failed, failed(report)),
        (About::Redirected, redirected(report)),
        (About::Cause, cause(report)),
        (About::FewAnswers, few_answers(report)),
        (About::Watch, watch(report)),
        (About::Unknown, unknown(report)),
        (About::LowLoad, low_load(report)),
        (About::HotPod, hot_pod(report)),
        (About::Chain, chain(report)),
    ];
    groups.into_iter().filter_map(|(about, message)| Some(Warning { about, message: message? })).collect()
}

fn journal(report: &Report) -> Option<String> {
    let Some(start) = &report.start else {
        let message = "The journal has no start entry, so nothing can be judged. Include its first line.";
        return Some(message.to_owned());
    };
    if report.end.is_none() {
        let last = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
        return Some(format!(
            "The journal stops at {} without an end, because the tool was killed. The report covers the time until then; \
             for the rest, run it again.",
            clock(last)
        ));
    }
    // A second without due requests may have no line.
    let profile = Profile { stages: start.profile.clone() };
    let holes =
        report.seconds.windows(2).map(|pair| (pair[0].at + 1.0, pair[1].at)).filter(|(from, until)| from < until);
    let is_due = |from, until| start.clients.is_some() || profile.due_by(until) - profile.due_by(from) >= 1.0;
    let holes = holes.filter(|(from, until)| is_due(*from, *until));
    let missing: f64 = holes.map(|(from, until)| until - from).sum();
    (missing >= 1.0).then(|| {
        format!(
            "The journal is missing {} of the load, and totals do not include them. Check for lost or truncated lines.",
            plural(missing.round() as u64, "second")
        )
    })
}

fn interrupted(report: &Report) -> Option<String> {
    let end = report.end.as_ref().filter(|end| end.interrupted)?;
    let planned: f64 = report.start.iter().flat_map(|start| &start.profile).map(|stage| stage.seconds).sum();
    Some(format!(
        "The run was interrupted at {} of {}. What had not happened by then is not judged; let it run to its end.",
        clock(end.at),
        clock(planned)
    ))
}

fn schedule(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let unsent = totals.dropped.saturating_sub(totals.crowded_out);
    let late = report.lateness.map(|lateness| lateness.p99).filter(|p99| *p99 > LATE);
    let what = match (late, unsent) {
        (None, 0) => return None,
        (Some(p99), 0) => format!("1 % of requests were sent more than {} late", seconds(p99)),
        (None, _) => format!("{} of {} were never sent", count(unsent), plural(totals.due, "request")),
        (Some(p99), _) => {
            format!("1 % of requests were sent more than {} late, and {} never", seconds(p99), count(unsent))
        }
    };
    let advice = "Give the generator more CPU, or split the rate over several generators";
    Some(format!("The generator fell behind its schedule: {what}. {advice}."))
}

fn closed_loop(report: &Report) -> Option<String> {
    let clients = report.clients()?;
    Some(format!(
        "This was a closed loop of {clients}: a slow answer delayed the requests after it, and that delay is in no latency \
         (coordinated omission). Compare it with wrk and hey, and not with a load of stages. For the latency that users \
         see, give --stage."
    ))
}

fn dropped(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let limit = report.start.as_ref().map_or(0, |start| start.target.max_in_flight);
    (totals.crowded_out > 0).then(|| {
        format!(
            "{} of {} were dropped, because {} were already in flight. The target is too slow for this rate, or \
         --max-in-flight is too low.",
            count(totals.crowded_out),
            plural(totals.due, "request"),
            count(limit)
        )
    })
}

fn apart(report: &Report) -> Option<String> {
    let late = report.events.iter().filter_map(|event| match event.what {
        ObservedEvent::StartedLate { seconds, .. } => Some(seconds),
        _ => None,
    });
    let last = late.reduce(f64::max)?;
    Some(format!(
        "The generators did not start together: the last one started {} after the first (or its clock is wrong), so the \
         load was not that of the profile. Start them at the same time.",
        seconds(last)
    ))
}

fn failed(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let bad = totals.failed + totals.dropped;
    let judged = report
        .start
        .as_ref()
        .is_some_and(|start| start.expectations.max_failed.is_some() || start.expectations.defaults);
    (!judged && bad as f64 > FAILED * totals.due as f64).then(|| format!(
        "{} of {} failed or were dropped. The verdict does not include this, because --no-default-expectations was given without --max-failed.",
        count(bad),
        plural(totals.due, "request")
    ))
}

fn redirected(report: &Report) -> Option<String> {
    let (status, location) = report.events.iter().find_map(|event| match &event.what {
        ObservedEvent::FirstStatus { status, location: Some(location), .. } => Some((*status, location)),
        _ => None,
    })?;
    let answers = report.totals.statuses.get(&status).copied().unwrap_or_default();
    Some(format!(
        "{} with status {status} were redirects, which are not followed and count as failed. The first points to {}: give \
         that URL, or --expect-status {status} if the redirect is what you test.",
        plural(answers, "answer"),
        fit(location, MESSAGE)
    ))
}

/// The most frequent reason why a request got no answer. The page has all of them.
fn cause(report: &Report) -> Option<String> {
    let causes = report.events.iter().filter_map(|event| match &event.what {
        ObservedEvent::FirstFailure { failure, cause, example } => {
            Some((report.totals.failures.get(cause).copied()?, *failure, cause, example))
        }
        _ => None,
    });
    let (number, failure, cause, example) = causes.max_by_key(|(number, ..)| *number)?;
    Some(format!(
        "{} failed: {cause}. {}. The first was {}.",
        plural(number, "request"),
        failure.advice(),
        fit(example, MESSAGE)
    ))
}

fn few_answers(report: &Report) -> Option<String> {
    let (answers, needed) = (report.latency?.count, enough_answers(0.99));
    (answers < needed).then(|| {
        format!(
            "{} are too few for a p99: fewer than {BEYOND} of them are slower, so it is little more than the slowest \
             answer. Send {} or more.",
            plural(answers, "answer"),
            count(needed)
        )
    })
}

/// The times without a state of the autoscaler: from and until.
pub(crate) fn gaps(report: &Report) -> Vec<(f64, f64)> {
    let watched = report.start.as_ref().is_some_and(|start| start.autoscaler.is_some());
    let end = report.end.as_ref().filter(|_| watched).map(|end| end.at);
    let start = Some(0.0).filter(|_| watched);
    let moments: Vec<f64> = start.into_iter().chain(report.scaling.iter().map(|seen| seen.at)).chain(end).collect();
    let pairs = moments.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.filter(|(from, until)| until - from > SILENCE).collect()
}

fn watch(report: &Report) -> Option<String> {
    let gaps = gaps(report).into_iter().map(|(from, until)| (from, until - from));
    let longest = gaps.max_by(|a, b| a.1.total_cmp(&b.1));
    let interrupted = |event: &&Event| matches!(event.what, ObservedEvent::WatchInterrupted { .. });
    let broken = report.events.iter().filter(interrupted).count();
    if longest.is_none() && broken == 0 {
        return None;
    }
    let mut what = Vec::new();
    if let Some((from, gap)) = longest {
        what.push(format!("the autoscaler could not be watched for {} from {}", seconds(gap), clock(from)));
    }
    if broken > 0 {
        what.push(format!("the connection to the API server broke {}", times(broken)));
    }
    let what = what.join(", and ");
    Some(format!(
        "The watch was interrupted: {what}. Scaling may have happened earlier than shown, by as much. Check the API server."
    ))
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn unknown(report: &Report) -> Option<String> {
    let seen = report.scaling.iter().filter(|seen| seen.value.is_none());
    let first = seen.clone().next()?.at;
    // Each state lasts until the next.
    let pairs = report.scaling.windows(2).filter(|pair| pair[0].value.is_none());
    let lasted: f64 = pairs.map(|pair| pair[1].at - pair[0].at).sum();
    Some(format!(
        "The HPA had no value (<unknown>) for {} from {}, and does not scale without one. `kubectl describe hpa` shows \
         what it could not get.",
        seconds(lasted),
        clock(first)
    ))
}

fn low_load(report: &Report) -> Option<String> {
    let start = report.start.as_ref()?;
    let autoscaler = start.autoscaler.as_ref()?;
    let replicas = report.replicas.as_ref()?;
    if report.lag.is_some() || start.clients.is_some() {
        return None;
    }
    Some(if replicas.initial >= autoscaler.max {
        format!(
            "All {} were already there when the load began, so scaling out was not tested. Wait until the HPA has scaled \
             in to {}, then run it again.",
            plural(u64::from(autoscaler.max), "replica"),
            autoscaler.min
        )
    } else {
        let enough = f64::from(autoscaler.max) * autoscaler.target;
        let highest = start.profile.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max);
        format!(
            "The load is too low to decide: {} requests per second require at most {}. More than {} per second require \
             all {}.",
            rate(highest),
            plural(u64::from(lag::demanded(start)?.max(replicas.initial)), "replica"),
            rate(enough),
            autoscaler.max
        )
    })
}

/// A pod that answers far more than its even share, which random balancing alone does not explain.
fn hot_pod(report: &Report) -> Option<String> {
    let mut answers = std::collections::BTreeMap::<&str, f64>::new();
    let mut even = 0.0;
    let mut scaling = report.scaling.iter().peekable();
    let mut ready = 0;
    for share in &report.shares {
        while let Some(seen) = scaling.next_if(|seen| seen.at <= share.at) {
            ready = seen.ready;
        }
        if ready < 2 {
            continue;
        }
        for (pod, count) in share.answers.iter().filter(|(pod, _)| *pod != UNKNOWN) {
            *answers.entry(pod).or_default() += *count as f64;
            even += *count as f64 / f64::from(ready);
        }
    }
    let (pod, highest) = answers.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    let all: f64 = answers.values().sum();
    if all < 50.0 || *highest < HOT * even {
        return None;
    }
    let pinned =
        report.start.as_ref().is_some_and(|start| start.target.requests_per_connection > 1 || start.target.http2);
    let advice = if pinned {
        "Connections that are kept open stay with one pod: use --requests-per-connection 1"
    } else {
        "Check the Service’s session affinity, and proxies that keep connections open"
    };
    Some(format!(
        "One pod is hot: {pod} answered {:.0} % of the requests, where an even share is {:.0} %. {advice}.",
        100.0 * highest / all,
        100.0 * even / all
    ))
}

/// What had to be assumed of the pipeline, and the parts that were not read in the whole run.
fn chain(report: &Report) -> Option<String> {
    let read = |feed: Feed| {
        report.scaling.iter().any(|seen| match feed {
            Feed::Counters => seen.counted.is_some(),
            Feed::Prometheus => seen.prometheus.is_some(),
            Feed::MetricsApi => seen.api.is_some(),
            Feed::ApiServer | Feed::Hpa | Feed::Pods | Feed::Events => false,
        })
    };
    let parts = report.events.iter().filter_map(|event| match &event.what {
        ObservedEvent::Assumed { assumption } => Some(assumption.clone()),
        ObservedEvent::Unread { feed, why } if !read(*feed) => Some(because(*feed, why)),
        _ => None,
    });
    let parts: BTreeSet<String> = parts.collect();
    let more = parts.len().saturating_sub(LINKS);
    let named = parts.into_iter().take(LINKS).map(|message| fit(&message, MESSAGE));
    let parts = named.chain((more > 0).then(|| format!("and {more} more"))).collect::<Vec<_>>().join("; ");
    (!parts.is_empty()).then(|| {
        format!(
            "Parts of the metrics pipeline could not be read or were assumed ({parts}). The reaction time does not \
             include them, and the prediction may be wrong. Grant the missing rights, or fix what is named."
        )
    })
}
