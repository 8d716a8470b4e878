//! A profile's replicas over time, as pure arithmetic.

mod simulation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use simulation::Simulation;

use super::Autoscaler;
use crate::autoscaling::rate::Function;
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
    /// The average of a pod, as the HPA reads it; of several metrics, the value of the one that decides.
    pub value: Option<f64>,
    /// Which of several metrics decides.
    #[serde(default, skip_serializing_if = "is_first")]
    pub by: usize,
    /// The replicas that the HPA wants.
    pub wanted: u32,
    /// The replicas that are ready.
    pub ready: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_first(metric: &usize) -> bool {
    *metric == 0
}

/// The replicas that a profile brings about, from `replicas` idle ones on, until `seconds`: one moment a look of the HPA,
/// and one when a pod becomes ready.
///
/// Nobody knows when, in its period, the HPA looks and Prometheus scrapes. This is the expected case: the first look
/// comes half a period after the load's start, the last scrape is then half an interval old, and a new pod is
/// discovered and scraped after the mean of the time that this takes. [`band`] is the same over all cases. The pods
/// share the load evenly, a new one is pending until it is ready, and one that goes is gone at once, the newest first.
/// The adapter's relist plays no part: it learns the names of metrics by it, not their values.
///
/// Where the minimum is 0, an External or an Object metric counts the load before there is a pod: a counter of the pods' own
/// has no series without them, and the HPA would stay at 0.
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
    let window = autoscaler.metrics.iter().map(|metric| metric.window).fold(*window, f64::max);
    let (scrapes, syncs, samples) = (seconds / scrape, seconds / sync, window / scrape);
    let replicas = f64::from(autoscaler.max.max(replicas));
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let (stages, metrics) = (float(stages), float(autoscaler.metrics.len().max(1)));
    replicas * (scrapes + samples + syncs * metrics * (1.0 + samples)) + (scrapes + syncs) * stages
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
