//! The report's figures: what `report.json` holds. All times are seconds, those named `at`, `from` and `until` since
//! the load's start.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autoscaling::predict::{Band, Predicted};
use crate::journal::{End, Event, Scaling, Start};
use crate::report::verdict::Verdict;
use crate::report::warnings::Warning;

/// A journal, folded into figures.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The verdict on it.
    pub verdict: Verdict,
    /// Where the tool doubts the result.
    pub warnings: Vec<Warning>,
    /// What was asked for; none where the journal does not tell.
    pub start: Option<Start>,
    /// The load's end; none where the journal does not tell.
    pub end: Option<End>,
    /// Requests, counted.
    pub totals: Totals,
    /// From the moment at which a request was due to its answer; none without an answer.
    pub latency: Option<Quantiles>,
    /// From the moment at which a request was due to its being sent: the generator's own fault.
    pub lateness: Option<Quantiles>,
    /// The replicas' way up and down; none where no autoscaler was watched.
    pub replicas: Option<Replicas>,
    /// Where the time went between the load and the pods that answer it; none where the load asked for no more pods.
    pub lag: Option<Lag>,
    /// The pods that answered, the most answers first.
    pub pods: Vec<Pod>,
    /// What each pod answered over time.
    pub shares: Vec<Shares>,
    /// What the load did, second by second; a second that the journal lacks is left out.
    pub seconds: Vec<Load>,
    /// What the autoscaler and its pods looked like.
    pub scaling: Vec<Scaling>,
    /// What the model says would happen.
    pub prediction: Vec<Predicted>,
    /// Between which replicas the HPA may want, whenever it looks and Prometheus scrapes: the moments at which that
    /// changes, and the end.
    pub band: Vec<Band>,
    /// The steps of what the autoscaler wanted.
    pub steps: Vec<Step>,
    /// What happened.
    pub events: Vec<Event>,
}

/// Requests, counted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Requests that were due.
    pub due: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Answers, whatever their status.
    pub answered: u64,
    /// Requests that got no answer, or one with a status of 400 or more.
    pub failed: u64,
    /// Requests that were due with as many in flight as are allowed: never sent.
    pub dropped: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by cause; that of an answer is `status 500` and the like.
    pub failures: BTreeMap<String, u64>,
}

/// Quantiles in seconds, with three significant digits.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// Half are below.
    pub p50: f64,
    /// Nine in ten are below.
    pub p90: f64,
    /// All but one in a hundred are below.
    pub p99: f64,
    /// All but one in a thousand are below.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

/// What the load did in one second.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// The second's start.
    pub at: f64,
    /// Requests per second that were due.
    pub offered: u64,
    /// Answers per second, failed ones left out.
    pub achieved: u64,
    /// Half of its answers took less.
    pub p50: Option<f64>,
    /// All but one in a hundred of its answers took less.
    pub p99: Option<f64>,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that were never sent.
    pub dropped: u64,
}

/// A pod's part.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its name, as its answers tell it.
    pub name: String,
    /// Its answers.
    pub answers: u64,
    /// Its part of all answers that name a pod, from 0 to 1.
    pub share: f64,
    /// The start of the second of its first answer.
    pub first: f64,
    /// The start of the second of its last answer.
    pub last: f64,
}

/// What each pod answered in a while.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// The while's start.
    pub at: f64,
    /// How long it is.
    pub seconds: f64,
    /// Answers by pod.
    pub answers: BTreeMap<String, u64>,
}

/// The replicas' way up and down.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Ready when they were first seen.
    pub initial: u32,
    /// The least that the autoscaler allows.
    pub least: u32,
    /// The most that the autoscaler wanted.
    pub wanted: u32,
    /// The most that were ready.
    pub ready: u32,
    /// When each count came about.
    pub reached: Vec<Reached>,
    /// The last moment at which the load asked for more than the least; none where it never did.
    pub relieved: Option<f64>,
    /// The way down; none where there was none.
    pub scale_in: Option<ScaleIn>,
}

/// When a count of replicas came about.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// The count.
    pub replicas: u32,
    /// When the autoscaler first wanted as many.
    pub wanted: Option<f64>,
    /// When as many were first ready.
    pub ready: Option<f64>,
}

/// A change of what the autoscaler wanted, beside what the model allows.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When it was seen.
    pub at: f64,
    /// Replicas that were wanted until then.
    pub from: u32,
    /// Replicas that were wanted from then on.
    pub to: u32,
    /// When the model's quickest case takes this step, less the grain of the band (its second and the distance of its
    /// cases); none where no case does.
    pub earliest: Option<f64>,
    /// When its slowest case takes it, and the grain more; none where no case does.
    pub latest: Option<f64>,
    /// Whether it was seen between those; none where there is no prediction.
    pub inside: Option<bool>,
}

/// The way down.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleIn {
    /// When the autoscaler first wanted fewer replicas than at its peak.
    pub from: f64,
    /// When the least were wanted and no more were there; none where it did not come to that.
    pub until: Option<f64>,
    /// Requests that failed from then on until then.
    pub failed: u64,
    /// Requests that were sent meanwhile.
    pub sent: u64,
}

/// Where the time went between the load and the pods that answer it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    /// The first moment at which the profile's rate asks for more replicas than there are.
    pub step: f64,
    /// The rate in requests per second beyond which it does: replicas, times target, times one and the tolerance.
    pub threshold: f64,
    /// The replicas that there were.
    pub replicas: u32,
    /// What happened in turn.
    pub links: Vec<Link>,
}

/// One link of the chain from the load to a pod.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Which.
    pub name: LinkName,
    /// When the step was first seen there; none where it was not.
    pub at: Option<f64>,
    /// Seconds since the step.
    pub after: Option<f64>,
    /// Seconds since the last link before it that saw the step; 0 where that one was looked at later.
    pub took: Option<f64>,
}

/// A link of the chain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkName {
    /// The pods' own counters have grown by more than the load before the step explains.
    Counter,
    /// Prometheus' sum is beyond the threshold.
    Prometheus,
    /// The metrics API's sum is beyond the threshold.
    Api,
    /// The value that the HPA read is beyond its target and tolerance.
    Value,
    /// The HPA wants more replicas.
    Decision,
    /// One more replica is ready.
    Ready,
    /// A pod that is new has answered: the end of that second.
    Answer,
}

impl LinkName {
    /// What happened there, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counted by the pods",
            Self::Prometheus => "visible in Prometheus",
            Self::Api => "visible in the metrics API",
            Self::Value => "read by the HPA",
            Self::Decision => "HPA desires more replicas",
            Self::Ready => "a new pod is ready",
            Self::Answer => "the new pod answers",
        }
    }
}
