//! A profile's replicas over time, as pure arithmetic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timing;
use super::{Autoscaler, hpa};
use crate::autoscaling::hpa::{Controller, Pod, Reading};
use crate::autoscaling::rate::{Function, Series};
use crate::profile::Profile;

/// What lies between a request and the HPA. All times in seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// Between two scrapes.
    pub scrape: f64,
    /// The window of `rate()`.
    pub window: f64,
    /// What the query makes of the window's scrapes.
    #[serde(default, skip_serializing_if = "Function::is_rate")]
    pub function: Function,
    /// Between two listings of the adapter; 0 with KEDA.
    pub relist: f64,
    /// Between two looks of the HPA.
    pub sync: f64,
    /// From a wanted replica to a ready one.
    pub startup: f64,
    /// How the value reaches the HPA.
    pub source: Source,
}

/// How the value reaches the HPA.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A value for each pod, from the custom metrics API (prometheus-adapter).
    Pods,
    /// One sum, from the external metrics API (KEDA).
    External,
}

/// The model at one moment.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicted {
    /// When, in seconds since the load's start.
    pub at: f64,
    /// The average of a pod, as the HPA reads it.
    pub value: Option<f64>,
    /// The replicas that the HPA wants.
    pub wanted: u32,
    /// The replicas that are ready.
    pub ready: u32,
}

/// The replicas that a profile brings about, from `replicas` idle ones on, until `seconds`: one moment a look of the HPA,
/// and one when a pod becomes ready.
///
/// Nobody knows when, in its period, the HPA looks and Prometheus scrapes. This is the expected case: the first look
/// comes half a period after the load's start, the last scrape is then half an interval old, and a new pod is
/// discovered and scraped after the mean of the time that this takes. [`band`] is the same over all cases. The pods
/// share the load evenly, a new one is pending until it is ready, and one that goes is gone at once, the newest first.
/// The adapter's relist plays no part: it learns the names of metrics by it, not their values.
pub fn predict(profile: &Profile, autoscaler: &Autoscaler, replicas: u32, seconds: f64) -> Vec<Predicted> {
    Simulation::new(profile, autoscaler, replicas, Phase { look: 0.5, age: 0.5 }).run(seconds)
}

/// The most steps of a load's prediction, which is made 25 times: a day of twenty replicas that are scraped every five
/// seconds has 1.8 million.
pub const STEPS: f64 = 2e6;

/// The most syncs of the HPA in one prediction.
const SYNCS: f64 = 1e5;

/// The steps of one prediction from so many replicas on: samples of a replica that a scrape adds or that a sync looks at,
/// and stages that are looked at for either.
pub fn steps(stages: usize, autoscaler: &Autoscaler, replicas: u32, seconds: f64) -> f64 {
    let Pipeline { scrape, window, sync, .. } = &autoscaler.pipeline;
    let (scrapes, syncs, samples) = (seconds / scrape, seconds / sync, window / scrape);
    let replicas = f64::from(autoscaler.max.max(replicas));
    let stages = f64::from(u32::try_from(stages).unwrap_or(u32::MAX));
    replicas * (scrapes + samples + syncs * (1.0 + samples)) + (scrapes + syncs) * stages
}

/// A prediction that would take too many steps.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{seconds:.0} s of load on up to {replicas} replicas, each scraped every {scrape} s, are too much to predict")]
pub struct TooLong {
    seconds: f64,
    replicas: u32,
    scrape: f64,
}

/// Whether a prediction has no more than this many steps.
pub fn is_feasible(
    stages: usize,
    autoscaler: &Autoscaler,
    replicas: u32,
    seconds: f64,
    most_steps: f64,
) -> Result<(), TooLong> {
    let Pipeline { scrape, sync, .. } = &autoscaler.pipeline;
    if steps(stages, autoscaler, replicas, seconds) <= most_steps && seconds / sync <= SYNCS {
        return Ok(());
    }
    Err(TooLong { seconds, replicas: autoscaler.max.max(replicas), scrape: *scrape })
}

/// What the HPA may want at one moment, depending on when it looks and when Prometheus scrapes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Band {
    /// When, in seconds since the load's start.
    pub at: f64,
    /// The least replicas that it may want.
    pub least: u32,
    /// The most replicas that it may want.
    pub most: u32,
}

/// How far apart [`band`]'s cases look, as a share of the HPA's period.
pub const CASES: f64 = 0.2;

/// The looks are no clockwork: one comes a few milliseconds after its time, or before it. Where the stabilisation, or a
/// policy's period, is so many looks long, that decides whether what was recommended or done so long ago still counts.
const JITTER: [f64; 2] = [-0.0001, 0.0001];

/// The [`predict`]ions for every case, laid over one another: a moment each second until `seconds`.
pub fn band(profile: &Profile, autoscaler: &Autoscaler, replicas: u32, seconds: f64) -> Vec<Band> {
    let looks = [0.0, CASES, 2.0 * CASES, 3.0 * CASES, 4.0 * CASES, 0.999];
    let phases = looks.iter().flat_map(|&look| [0.0, 0.999].map(|age| Phase { look, age }));
    let paces = JITTER.map(|share| {
        let mut autoscaler = autoscaler.clone();
        autoscaler.pipeline.sync *= 1.0 + share;
        autoscaler
    });
    let cases: Vec<_> = phases
        .flat_map(|phase| {
            paces.each_ref().map(|autoscaler| Simulation::new(profile, autoscaler, replicas, phase).run(seconds))
        })
        .collect();
    let mut seen = vec![0; cases.len()];
    let mut moments = Vec::new();
    let mut at = 0.0;
    while at <= seconds {
        let wanted = cases.iter().zip(&mut seen).map(|(case, seen)| {
            while case.get(*seen).is_some_and(|look| look.at <= at) {
                *seen += 1;
            }
            seen.checked_sub(1).map_or(replicas, |look| case[look].wanted)
        });
        let (least, most) = wanted.fold((u32::MAX, 0), |(least, most), wanted| (least.min(wanted), most.max(wanted)));
        moments.push(Band { at, least, most });
        at += 1.0;
    }
    moments
}

/// When the HPA looks for the first time, as a share of its period; how old the last scrape is at that moment, as a
/// share of its interval, and as that of the longest time a new pod may wait for its first.
#[derive(Clone, Copy)]
struct Phase {
    look: f64,
    age: f64,
}

/// A pod, ready or on its way.
struct Replica {
    name: String,
    ready: f64,
    next_scrape: f64,
    counted: f64,
    series: Series,
}

struct Simulation<'a> {
    profile: &'a Profile,
    pipeline: &'a Pipeline,
    controller: Controller,
    phase: Phase,
    next_look: f64,
    now: f64,
    due: f64,
    replicas: Vec<Replica>,
    /// What Prometheus still has of pods that have gone.
    gone: Vec<Series>,
    named: u64,
}

impl<'a> Simulation<'a> {
    fn new(profile: &'a Profile, autoscaler: &'a Autoscaler, replicas: u32, phase: Phase) -> Self {
        let pipeline = &autoscaler.pipeline;
        let next_look = phase.look * pipeline.sync;
        let first_scrape = (next_look - phase.age * pipeline.scrape).rem_euclid(pipeline.scrape);
        let mut simulation = Self {
            profile,
            pipeline,
            controller: Controller::new(autoscaler),
            phase,
            next_look,
            now: 0.0,
            due: 0.0,
            replicas: Vec::new(),
            gone: Vec::new(),
            named: 0,
        };
        simulation.scale_to(replicas);
        for replica in &mut simulation.replicas {
            // Idle for as long as the window looks back.
            (replica.ready, replica.next_scrape) = (f64::NEG_INFINITY, first_scrape);
            let mut at = first_scrape - pipeline.scrape * (pipeline.window / pipeline.scrape).ceil();
            while at < first_scrape {
                replica.series.push(milliseconds(at), 0.0);
                at += pipeline.scrape;
            }
        }
        simulation
    }

    fn run(mut self, seconds: f64) -> Vec<Predicted> {
        let mut moments: Vec<Predicted> = Vec::new();
        loop {
            let of_a_pod = |replica: &Replica| {
                if replica.ready > self.now { replica.ready } else { replica.next_scrape }
            };
            let next = self.replicas.iter().map(of_a_pod).fold(self.next_look, f64::min);
            if next > seconds {
                return moments;
            }
            let before = self.ready();
            self.serve_until(next);
            self.scrape();
            if next >= self.next_look {
                moments.push(self.look());
            } else if let Some(last) = moments.last().filter(|_| self.ready() > before) {
                moments.push(Predicted { at: self.now, ready: self.ready(), ..*last });
            }
        }
    }

    /// The requests until then go to the pods that are ready now.
    fn serve_until(&mut self, at: f64) {
        let due = self.profile.due_by(at);
        let ready = f64::from(self.ready());
        for replica in self.replicas.iter_mut().filter(|replica| replica.ready <= self.now) {
            replica.counted += (due - self.due) / ready;
        }
        (self.now, self.due) = (at, due);
    }

    fn ready(&self) -> u32 {
        count(self.replicas.iter().filter(|replica| replica.ready <= self.now).count())
    }

    fn scrape(&mut self) {
        let now = self.now;
        for replica in self.replicas.iter_mut().filter(|replica| replica.next_scrape <= now) {
            replica.series.push(milliseconds(now), replica.counted);
            replica.next_scrape += self.pipeline.scrape;
        }
    }

    fn look(&mut self) -> Predicted {
        let (now, window) = (milliseconds(self.now), milliseconds(self.pipeline.window));
        // As the adapter and KEDA make thousandths of a float: cut off.
        #[expect(clippy::cast_possible_truncation, reason = "a rate of requests in thousandths")]
        let milli = |rate: f64| (rate * 1000.0) as i64;
        let function = self.pipeline.function;
        let series = self.replicas.iter_mut().map(|replica| &mut replica.series).chain(&mut self.gone);
        series.for_each(|series| series.forget_until(now - window));
        let of_pod =
            |replica: &Replica| Some((replica.name.clone(), milli(replica.series.value(function, now, window)?)));
        let reading = match self.pipeline.source {
            // The adapter asks for the pods that there are, and KEDA's query for a sum that names none.
            Source::Pods => Ok(Reading::Pods(self.replicas.iter().filter_map(of_pod).collect())),
            Source::External => {
                let series = self.replicas.iter().map(|replica| &replica.series).chain(&self.gone);
                let rates: Vec<_> = series.filter_map(|series| series.value(function, now, window)).collect();
                if rates.is_empty() { Err("no series") } else { Ok(Reading::Total(milli(rates.iter().sum()))) }
            }
        };
        let pod = |replica: &Replica| Pod {
            name: replica.name.clone(),
            phase: if replica.ready <= self.now { hpa::Phase::Running } else { hpa::Phase::Pending },
            leaving: false,
        };
        let pods: Vec<_> = self.replicas.iter().map(pod).collect();
        let decision =
            self.controller.decide(self.now, count(pods.len()), &pods, reading.as_ref().map_err(|error| *error));
        self.scale_to(decision.desired);
        self.next_look += self.pipeline.sync;
        Predicted { at: self.now, value: decision.value, wanted: decision.desired, ready: self.ready() }
    }

    fn scale_to(&mut self, wanted: u32) {
        while count(self.replicas.len()) > wanted {
            self.gone.extend(self.replicas.pop().map(|replica| replica.series));
        }
        while count(self.replicas.len()) < wanted {
            let ready = self.now + self.pipeline.startup;
            let next_scrape = ready + self.phase.age * (timing::DISCOVERY_AT_MOST + self.pipeline.scrape);
            self.named += 1;
            let name = self.named.to_string();
            self.replicas.push(Replica { name, ready, next_scrape, counted: 0.0, series: Series::default() });
        }
    }
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a load test is no million years long")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
