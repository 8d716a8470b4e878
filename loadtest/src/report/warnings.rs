//! Where the tool doubts its own result, and what to do about it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::lag;
use crate::journal::{Event, Feed, ObservedEvent};
use crate::output::events::because;
use crate::output::text::{clock, count, fit, plural, rate, seconds};
use crate::profile::Profile;
use crate::report::figures::Report;
use crate::report::lanes::TOLD;

/// One doubt.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// What it is about.
    pub about: About,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
}

/// What a doubt is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum About {
    /// The journal lacks its start, its end, or seconds in between.
    Journal,
    /// The run ended before its profile did.
    Interrupted,
    /// The generator did not keep to its schedule.
    Schedule,
    /// The generators did not begin together.
    Apart,
    /// Requests were never sent.
    Dropped,
    /// More requests came to nothing than chance explains, and nobody said how many may.
    Failed,
    /// Too few answers for a percentile.
    FewAnswers,
    /// The autoscaler was out of sight.
    Watch,
    /// The HPA had no value.
    Unknown,
    /// The load asks for no more replicas than there are.
    LowLoad,
    /// One pod answers more than its part.
    HotPod,
    /// Links of the chain were out of sight, or were taken for what they may not be.
    Chain,
}

/// The generator's own lateness, in seconds at the 99th percentile, beyond which its figures are not to be trusted.
const LATE: f64 = 0.01;

/// The part of all requests that may come to nothing without a word, where the user has not set a bound.
const FAILED: f64 = 0.01;

/// The longest in seconds that a watch which works says nothing.
const SILENCE: f64 = 10.0;

/// How many answers beyond a percentile make it one.
const BEYOND: f64 = 5.0;

/// How many times its even part a pod answers before it is called hot.
const HOT: f64 = 1.5;

/// The most links that are told of as not seen.
const LINKS: usize = 20;

/// All doubts about this report, the gravest first.
pub(crate) fn doubts(report: &Report) -> Vec<Warning> {
    let groups = [
        (About::Journal, journal(report)),
        (About::Interrupted, interrupted(report)),
        (About::Schedule, schedule(report)),
        (About::Apart, apart(report)),
        (About::Dropped, dropped(report)),
        (About::Failed, failed(report)),
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
        let message =
            "The journal does not tell what was asked for, so nothing can be judged: give its first line too.";
        return Some(message.to_owned());
    };
    if report.end.is_none() {
        let last = report.seconds.last().map_or(0.0, |second| second.at + 1.0);
        return Some(format!(
            "The journal stops at {} without an end, as the tool was killed: what came until then is here; run it \
             again for the rest.",
            clock(last)
        ));
    }
    // A second in which nothing is due needs no line.
    let profile = Profile { stages: start.profile.clone() };
    let holes =
        report.seconds.windows(2).map(|pair| (pair[0].at + 1.0, pair[1].at)).filter(|(from, until)| from < until);
    let holes = holes.filter(|(from, until)| profile.due_by(*until) - profile.due_by(*from) >= 1.0);
    let missing: f64 = holes.map(|(from, until)| until - from).sum();
    (missing >= 1.0).then(|| {
        format!(
            "The journal lacks {} of the load: totals leave them out; look for lines that were lost or cut.",
            plural(missing.round() as u64, "second")
        )
    })
}

fn interrupted(report: &Report) -> Option<String> {
    let end = report.end.as_ref().filter(|end| end.interrupted)?;
    let planned: f64 = report.start.iter().flat_map(|start| &start.profile).map(|stage| stage.seconds).sum();
    let message = format!(
        "The run was interrupted at {} of {}: what had not happened by then is not judged; let it run to its end.",
        clock(end.at),
        clock(planned)
    );
    Some(message)
}

fn schedule(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let unsent = totals.due.saturating_sub(totals.sent + totals.dropped);
    let late = report.lateness.map(|lateness| lateness.p99).filter(|p99| *p99 > LATE);
    let what = match (late, unsent) {
        (None, 0) => return None,
        (Some(p99), 0) => format!("it sent 1 % of requests more than {} late", seconds(p99)),
        (None, _) => format!("it never sent {} of {} due", count(unsent), plural(totals.due, "request")),
        (Some(p99), _) => {
            format!("it sent 1 % of requests more than {} late, and {} never", seconds(p99), count(unsent))
        }
    };
    let advice = "give it more CPU, or split the rate over several generators";
    Some(format!("The generator fell behind its schedule: {what}; {advice}."))
}

fn dropped(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let limit = report.start.as_ref().map_or(0, |start| start.target.max_in_flight);
    let message = format!(
        "{} of {} due were dropped, for {} were in flight already: the target is too slow for this rate, or the bound \
         (--max-in-flight) too low.",
        count(totals.dropped),
        plural(totals.due, "request"),
        count(limit)
    );
    (totals.dropped > 0).then_some(message)
}

fn apart(report: &Report) -> Option<String> {
    let late = report.events.iter().filter_map(|event| match event.what {
        ObservedEvent::StartedLate { seconds, .. } => Some(seconds),
        _ => None,
    });
    let last = late.reduce(f64::max)?;
    Some(format!(
        "The generators did not begin together: the last began {} after the first (or its clock says so), and the load \
         was not the profile’s; start them at the same time.",
        seconds(last)
    ))
}

fn failed(report: &Report) -> Option<String> {
    let totals = &report.totals;
    let bad = totals.failed + totals.dropped;
    let judged = report.start.as_ref().is_some_and(|start| start.expectations.max_failed.is_some());
    let message = format!(
        "{} of {} due failed or were dropped, which the verdict leaves out, for nothing was said of it: --max-failed \
         does.",
        count(bad),
        plural(totals.due, "request")
    );
    (!judged && bad as f64 > FAILED * totals.due as f64).then_some(message)
}

fn few_answers(report: &Report) -> Option<String> {
    let answers = report.latency?.count;
    let (percentile, share) =
        [("p99", 0.01), ("p99.9", 0.001)].into_iter().find(|(_, share)| (answers as f64) * share < BEYOND)?;
    let message = format!(
        "{} are too few for a {percentile}: fewer than {BEYOND} lie beyond it, so it is little more than the slowest; \
         send {} or more.",
        plural(answers, "answer"),
        count((BEYOND / share).round() as u64)
    );
    Some(message)
}

/// When nothing was seen of the autoscaler: from and until.
pub(crate) fn gaps(report: &Report) -> Vec<(f64, f64)> {
    // From the load's start on, and to its end.
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
        what.push(format!("nothing was seen of the autoscaler for {} from {}", seconds(gap), clock(from)));
    }
    if broken > 0 {
        what.push(format!("the connection to the API server broke {}", times(broken)));
    }
    let what = what.join(", and ");
    Some(format!(
        "The watch was interrupted: {what}; times of scaling may be later than the truth by as much; look at the API server."
    ))
}

fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn unknown(report: &Report) -> Option<String> {
    let seen = report.scaling.iter().filter(|seen| seen.value.is_none());
    let first = seen.clone().next()?.at;
    // Each look counts until the next.
    let pairs = report.scaling.windows(2).filter(|pair| pair[0].value.is_none());
    let lasted: f64 = pairs.map(|pair| pair[1].at - pair[0].at).sum();
    let message = format!(
        "The HPA had no value (<unknown>) for {} from {}, and does not scale without one: `kubectl \
         describe hpa` says what it could not get.",
        seconds(lasted),
        clock(first)
    );
    Some(message)
}

fn low_load(report: &Report) -> Option<String> {
    let start = report.start.as_ref()?;
    let autoscaler = start.autoscaler.as_ref()?;
    let replicas = report.replicas.as_ref()?;
    if report.lag.is_some() {
        return None;
    }
    let message = if replicas.initial >= autoscaler.max {
        format!(
            "All {} were there when the load began, so scaling out was not tested: wait until the HPA has come down \
             to {}, then run it again.",
            plural(u64::from(autoscaler.max), "replica"),
            autoscaler.min
        )
    } else {
        let enough = f64::from(autoscaler.max) * autoscaler.target;
        let highest = start.profile.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max);
        format!(
            "The load is too low to decide: {} requests per second ask for {} at most; more than {} per second ask \
             for all {}.",
            rate(highest),
            plural(u64::from(lag::demanded(start)?.max(replicas.initial)), "replica"),
            rate(enough),
            autoscaler.max
        )
    };
    Some(message)
}

/// A pod that answers far more than its even part while there are several. Random balancing alone does not do that.
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
        for (pod, count) in &share.answers {
            *answers.entry(pod).or_default() += *count as f64;
            even += *count as f64 / f64::from(ready);
        }
    }
    let (pod, most) = answers.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    let all: f64 = answers.values().sum();
    if all < 50.0 || *most < HOT * even {
        return None;
    }
    let pinned =
        report.start.as_ref().is_some_and(|start| start.target.requests_per_connection > 1 || start.target.http2);
    let advice = if pinned {
        "connections that are kept stay with the pods that they began with; use --requests-per-connection 1"
    } else {
        "look at the Service’s session affinity and at proxies that keep connections"
    };
    let message = format!(
        "One pod is hot: {pod} answered {:.0} % of the requests while an even part was {:.0} %; {advice}.",
        100.0 * most / all,
        100.0 * even / all
    );
    Some(message)
}

/// What had to be assumed of the chain, and the links that were not read in the whole run.
fn chain(report: &Report) -> Option<String> {
    let read = |feed: Feed| {
        report.scaling.iter().any(|seen| match feed {
            Feed::Counters => seen.counted.is_some(),
            Feed::Prometheus => seen.prometheus.is_some(),
            Feed::MetricsApi => seen.api.is_some(),
            Feed::ApiServer | Feed::Hpa | Feed::Pods | Feed::Events => false,
        })
    };
    let doubted = report.events.iter().filter_map(|event| match &event.what {
        ObservedEvent::Assumed { assumption } => Some(assumption.clone()),
        ObservedEvent::Unread { feed, why } if !read(*feed) => Some(because(*feed, why)),
        _ => None,
    });
    let doubted: BTreeSet<String> = doubted.collect();
    let more = doubted.len().saturating_sub(LINKS);
    let told = doubted.into_iter().take(LINKS).map(|message| fit(&message, TOLD));
    let doubted = told.chain((more > 0).then(|| format!("and {more} more"))).collect::<Vec<_>>().join("; ");
    (!doubted.is_empty()).then(|| {
        format!(
            "Not all of the chain was seen ({doubted}): the lag budget lacks what was not read, and the prediction may \
             be that of another chain; grant the rights that are missing, or mend what is named."
        )
    })
}
