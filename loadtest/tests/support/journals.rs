//! Made-up journals of runs, the same each time.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "times are minutes and counts are thousands"
)]

use std::collections::BTreeMap;

use loadtest::autoscaling::Autoscaler;
use loadtest::autoscaling::hpa::{Behavior, Version};
use loadtest::autoscaling::predict::{Band, Pipeline, Predicted, Source};
use loadtest::autoscaling::rate::Function;
use loadtest::journal::{
    End, Entry, Event, Expectations, FORMAT, Feed, Kind, MaxFailed, ObjectEvent, ObservedEvent, Scaling, Second, Start,
    Target,
};
use loadtest::profile::{Profile, Spacing, Stage};

pub const PODS: [&str; 3] =
    ["shopfront-deploy-7d94b56f44-fblvd", "shopfront-deploy-7d94b56f44-x7qzm", "shopfront-deploy-7d94b56f44-m2k9t"];

/// When the load first needs more than one replica.
pub const STEP: f64 = 180.0;

fn stages() -> Vec<Stage> {
    ["1rps:1m", "1.8rps:2m", "15rps:3m", "1rps:7m"].iter().map(|stage| stage.parse().expect("a stage")).collect()
}

pub fn autoscaler() -> Autoscaler {
    Autoscaler {
        name: "miztiik-automation-ns/shopfront-hpa".to_owned(),
        scaled: "Deployment/shopfront-deploy".to_owned(),
        metric: "http_requests_per_second".to_owned(),
        target: 2.0,
        min: 1,
        max: 3,
        behavior: Behavior::default(),
        pipeline: Pipeline {
            scrape: 5.0,
            window: 60.0,
            function: Function::Rate,
            relist: 30.0,
            sync: 15.0,
            startup: 4.0,
            source: Source::Pods,
        },
        created: None,
        metrics: Vec::new(),
        kubernetes: Version::default(),
    }
}

pub fn start() -> Start {
    Start {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        kind: Kind::Run,
        started: 1_764_000_000.0,
        speed: 1.0,
        target: Target {
            url: "http://shopfront.example.com/".to_owned(),
            requests_per_connection: 1,
            http2: false,
            max_in_flight: 1000,
            ..Target::default()
        },
        profile: stages(),
        clients: None,
        spacing: Spacing::Even,
        seed: None,
        generator: 0,
        generators: 1,
        autoscaler: Some(autoscaler()),
        expectations: Expectations {
            replicas: Some(3),
            max_failed: Some(MaxFailed::Count(0)),
            latency: vec![(99.0, 0.05)],
            scaled_within: Some(90.0),
            scale_in: true,
            defaults: true,
            thresholds: Vec::new(),
        },
    }
}

fn event(at: f64, object: &str, reason: &str, message: &str, warning: bool) -> Entry {
    let (object, reason, message) = (object.to_owned(), reason.to_owned(), message.to_owned());
    happened(at, ObservedEvent::Object(ObjectEvent { object, reason, message, warning, pid: None }))
}

fn happened(at: f64, what: ObservedEvent) -> Entry {
    Entry::Event(Event { at, what })
}

/// The desired, current and ready replicas of the run.
fn replicas(at: f64) -> (u32, u32, u32) {
    match at {
        ..199.0 => (1, 1, 1),
        199.0..204.0 => (2, 2, 1),
        204.0..214.0 => (2, 2, 2),
        214.0..219.5 => (3, 3, 2),
        219.5..694.0 => (3, 3, 3),
        694.0..697.0 => (1, 3, 1),
        _ => (1, 1, 1),
    }
}

/// `rate()` over a minute of the profile, as Prometheus has it four seconds later.
fn sum(profile: &Profile, at: f64) -> f64 {
    let at = at - 4.0;
    (profile.due_by(at) - profile.due_by(at - 60.0)) / 60.0
}

fn scaling(profile: &Profile, at: f64, value_at: f64) -> Scaling {
    let (desired, pods, ready) = replicas(at);
    Scaling {
        at,
        value: Some((sum(profile, value_at) / f64::from(replicas(value_at).2) * 1000.0).round() / 1000.0),
        counted: Some(profile.due_by(at - 0.5).floor()),
        prometheus: Some(sum(profile, at)),
        api: Some(sum(profile, at - 2.0)),
        desired,
        pods,
        ready,
        conditions: vec![
            "AbleToScale=True ReadyForNewScale: recommended size matches current size".to_owned(),
            "ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from \
             pods metric http_requests_per_second"
                .to_owned(),
            if ready == 3 {
                "ScalingLimited=True TooManyReplicas: the desired replica count is more than the maximum replica count"
            } else {
                "ScalingLimited=False DesiredWithinRange: the desired count is within the acceptable range"
            }
            .to_owned(),
        ],
    }
}

/// One second of load, answered by the ready pods.
fn second(profile: &Profile, at: f64, random: &mut fastrand::Rng) -> Second {
    let due = profile.due_by(at + 1.0).floor() as u64 - profile.due_by(at).floor() as u64;
    let ready = replicas(at).2;
    let mut second = Second { at, due, sent: due, in_flight: u64::from(due > 10), ..Second::default() };
    let (mut latency, mut lateness) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
    for _ in 0..due {
        *second.statuses.entry(200).or_default() += 1;
        *second.pods.entry(PODS[random.usize(..ready as usize)].to_owned()).or_default() += 1;
        // Most requests are fast, and a few are slow. All are slower on a busy pod.
        let crowd = 1.0 + due as f64 / f64::from(ready) / 8.0;
        let micros = 1800.0 * crowd * (0.25 * (random.f64() + random.f64() + random.f64() - 1.5)).exp();
        let tail = if random.f64() < 0.02 { 2.0 + 6.0 * random.f64() } else { 1.0 };
        *latency.entry((micros * tail) as u64 / 10 * 10).or_default() += 1;
        *lateness.entry(40 + random.u64(..120)).or_default() += 1;
    }
    second.latency = latency.into_iter().collect();
    second.lateness = lateness.into_iter().collect();
    second
}

/// A successful run from one replica to three and back.
pub fn good() -> Vec<Entry> {
    let start = start();
    let profile = Profile { stages: start.profile.clone() };
    let mut random = fastrand::Rng::with_seed(7);
    let mut entries = vec![Entry::Start(Box::new(start))];
    let ends = profile.seconds();
    let (mut value_at, mut last) = (-8.0, replicas(-10.0));
    for tenth in -100..=(ends * 10.0) as i64 {
        let at = tenth as f64 / 10.0;
        // The HPA syncs every 15 seconds. It is read every five seconds, and at each change.
        if (tenth - 40).rem_euclid(150) == 0 {
            value_at = at;
        }
        if tenth % 50 == 0 || replicas(at) != last {
            last = replicas(at);
            entries.push(Entry::Scaling(scaling(&profile, at, value_at)));
        }
        if tenth >= 0 && tenth % 10 == 0 && at < ends {
            entries.push(Entry::Second(second(&profile, at, &mut random)));
        }
    }
    let hpa = "HorizontalPodAutoscaler/shopfront-hpa";
    let above = "http_requests_per_second above target";
    let below = "New size: 1; reason: All metrics below target";
    entries.extend([
        event(199.0, hpa, "SuccessfulRescale", &format!("New size: 2; reason: pods metric {above}"), false),
        event(214.0, hpa, "SuccessfulRescale", &format!("New size: 3; reason: pods metric {above}"), false),
        event(694.0, hpa, "SuccessfulRescale", below, false),
    ]);
    for (at, pod) in [(199.2, PODS[1]), (214.2, PODS[2])] {
        let object = format!("Pod/{pod}");
        entries.push(event(at, &object, "Scheduled", "Successfully assigned the pod to node worker-2", false));
        entries.push(event(at + 1.1, &object, "Started", "Started container shopfront", false));
        entries.push(event(at + 2.4, &object, "Unhealthy", "Readiness probe failed: HTTP 503", true));
    }
    for pod in &PODS[1..] {
        entries.push(event(694.3, &format!("Pod/{pod}"), "Killing", "Stopping container shopfront", false));
    }
    entries.push(Entry::End(End { at: ends, interrupted: false }));
    entries
}

/// The prediction for the run.
pub fn prediction() -> Vec<Predicted> {
    let profile = Profile { stages: stages() };
    let looks = (0..=52).map(|look| f64::from(look) * 15.0);
    let predicted = looks.map(|at| {
        let (wanted, ready) = match at {
            ..195.0 => (1, 1),
            195.0..210.0 => (2, 1),
            210.0..225.0 => (3, 2),
            225.0..690.0 => (3, 3),
            _ => (1, 1),
        };
        Predicted { at, value: Some(sum(&profile, at) / f64::from(ready)), by: 0, wanted, ready }
    });
    predicted.collect()
}

/// The band that the prediction allows.
pub fn band() -> Vec<Band> {
    let moments = (0..=780).map(f64::from).map(|at| {
        let (least, most) = match at {
            ..185.0 => (1, 1),
            185.0..200.0 => (1, 2),
            200.0..203.0 => (1, 3),
            203.0..215.0 => (2, 3),
            215.0..682.0 => (3, 3),
            682.0..699.0 => (1, 3),
            _ => (1, 1),
        };
        Band { at, least, most }
    });
    moments.collect()
}

/// The same run with faults: a pod is killed, answers are 500 or do not come, requests are dropped, the API server is
/// unreachable for a while, latencies rise, and the user interrupts the run.
pub fn broken() -> Vec<Entry> {
    let mut entries: Vec<Entry> = good().into_iter().filter(|entry| !matches!(entry, Entry::End(_))).collect();
    entries.retain(|entry| match entry {
        Entry::Scaling(seen) => seen.at < 240.0 || (290.0..330.0).contains(&seen.at),
        Entry::Second(second) => second.at < 330.0,
        Entry::Event(event) => event.at < 330.0,
        _ => true,
    });
    for entry in &mut entries {
        match entry {
            Entry::Second(second) if (250.0..280.0).contains(&second.at) => {
                let lost = second.due / 3;
                let good = second.statuses.remove(&200).unwrap_or_default();
                second.statuses.extend([(200, good - 2 * lost), (500, lost)]);
                second.failures.insert("connection refused".to_owned(), lost - 1);
                second.dropped = 1;
                second.sent -= 1;
                second.lateness = vec![(25_000, second.sent)];
                second.latency.iter_mut().for_each(|(micros, _)| *micros *= 40);
            }
            Entry::Scaling(seen) if seen.at < 30.0 => seen.value = None,
            _ => {}
        }
    }
    let pod = format!("Pod/{}", PODS[1]);
    entries.push(event(250.0, &pod, "Killing", "Stopping container shopfront </script><b>&", true));
    let refused = "connection refused".to_owned();
    entries.push(happened(245.0, ObservedEvent::WatchInterrupted { feed: Feed::ApiServer, why: refused }));
    entries.push(happened(330.0, ObservedEvent::LoadFailed { why: "timer expired".to_owned() }));
    entries.push(Entry::End(End { at: 330.0, interrupted: true }));
    entries
}

/// A load without an autoscaler, whose answers do not name their pods.
pub fn alone() -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        good().into_iter().filter(|entry| !matches!(entry, Entry::Scaling(_) | Entry::Event(_))).collect();
    for entry in &mut entries {
        match entry {
            Entry::Start(start) => {
                start.autoscaler = None;
                start.expectations = Expectations { defaults: true, ..Expectations::default() };
            }
            Entry::Second(second) => second.pods.clear(),
            _ => {}
        }
    }
    entries
}

/// The entries as the lines of a file.
pub fn text(entries: &[Entry]) -> String {
    entries.iter().map(|entry| serde_json::to_string(entry).expect("an entry") + "\n").collect()
}
