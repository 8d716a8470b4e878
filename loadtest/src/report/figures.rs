//! The report's figures: what `report.json` holds. All times are seconds, those named `at`, `from` and `until` since
//! the load's start.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autoscaling::predict::{Band, Predicted};
use crate::journal::{Bytes, Clients, End, Event, Scaling, Start};
use crate::report::verdict::Verdict;
use crate::report::warnings::Warning;

/// The report of a load test. All times are seconds; in a rehearsal they are rehearsed seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Why the result may be wrong or incomplete, the gravest warning first.
    pub warnings: Vec<Warning>,
    /// What load was sent where, and what was expected; null if the journal has no start.
    pub start: Option<Start>,
    /// The load's end; null if the journal has none.
    pub end: Option<End>,
    /// Counts of requests.
    pub totals: Totals,
    /// Latency, from when a request was due to its answer, or in a closed loop from when it was sent; null without answers.
    pub latency: Option<Quantiles>,
    /// Send delay of the generator itself, from when a request was due to when it was sent; null in a closed loop.
    pub lateness: Option<Quantiles>,
    /// How long TLS handshakes took, which the latency includes; null without any.
    #[serde(default)]
    pub handshakes: Option<Quantiles>,
    /// How the replicas scaled out and in; null if no autoscaler was watched.
    pub replicas: Option<Replicas>,
    /// How long no request succeeded; null if a pod was there, or no autoscaler was watched.
    #[serde(default)]
    pub from_zero: Option<FromZero>,
    /// The reaction time, from the load step to a new pod that answers; null if the load did not require more pods.
    pub lag: Option<Lag>,
    /// The pods that answered, the one with the most answers first; last, as `(unknown)`, the answers that name none.
    pub pods: Vec<Pod>,
    /// The addresses that requests were sent to, the one with the most first.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Each pod's answers over time.
    pub shares: Vec<Shares>,
    /// The load, second by second; seconds that the journal lacks are left out.
    pub seconds: Vec<Load>,
    /// The states of the autoscaler and its pods.
    pub scaling: Vec<Scaling>,
    /// What the model predicts.
    pub prediction: Vec<Predicted>,
    /// The range of desired replicas that the model expects, whenever the HPA syncs and Prometheus scrapes: the moments
    /// at which it changes, and the end.
    pub band: Vec<Band>,
    /// The changes of the desired replicas, compared with the band.
    pub steps: Vec<Step>,
    /// What happened.
    pub events: Vec<Event>,
}

/// Counts of requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Requests that the profile offered.
    pub due: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that got a complete answer, with any status.
    pub answered: u64,
    /// Requests whose answer is a success: with a status of 2xx, unless `--expect-status` and `--expect-body` say otherwise.
    pub succeeded: u64,
    /// Requests that were sent and got no answer, or one that is not a success.
    pub failed: u64,
    /// Requests that were offered and never sent: too many were in flight, or the generator fell behind.
    pub dropped: u64,
    /// Of these, the ones that were due while too many were in flight.
    #[serde(default)]
    pub crowded_out: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by cause; an answer's cause is its status, such as `status 500`.
    pub failures: BTreeMap<String, u64>,
    /// Bytes of HTTP that were sent, without those of TLS.
    #[serde(default)]
    pub bytes_out: u64,
    /// Bytes of HTTP that were received, without those of TLS.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes of the answers and of their requests, by status.
    #[serde(default)]
    pub status_bytes: BTreeMap<u16, Bytes>,
    /// Connections that were opened.
    #[serde(default)]
    pub connections: u64,
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
    /// Requests per second that succeeded.
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

/// A pod's share of the answers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its name, as its answers give it.
    pub name: String,
    /// Its answers.
    pub answers: u64,
    /// The bytes of its answers and of their requests.
    #[serde(default)]
    pub bytes: Bytes,
    /// Its share of all answers, from 0 to 1.
    pub share: f64,
    /// The start of the second of its first answer.
    pub first: f64,
    /// The start of the second of its last answer.
    pub last: f64,
}

/// An address that requests were sent to.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The address and its port.
    pub address: String,
    /// The requests on connections to it, whatever became of them.
    pub requests: u64,
    /// Its share of those of all addresses, from 0 to 1.
    pub share: f64,
    /// The start of the second in which the first of them ended.
    pub first: f64,
    /// The start of the second in which the last of them ended.
    pub last: f64,
}

/// Each pod's answers in an interval.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// The interval's start.
    pub at: f64,
    /// How long it is.
    pub seconds: f64,
    /// Answers by pod.
    pub answers: BTreeMap<String, u64>,
}

/// How the replicas scaled out and in.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Ready replicas at first.
    pub initial: u32,
    /// The autoscaler's minimum; 0 where KEDA ended the last pod, which is below its HPA's minimum.
    #[serde(rename = "least")]
    pub min: u32,
    /// The highest desired count.
    #[serde(rename = "wanted")]
    pub desired: u32,
    /// The highest ready count.
    pub ready: u32,
    /// When each count was reached.
    pub reached: Vec<Reached>,
    /// The last moment at which the load required more than the minimum; null if it never did.
    pub relieved: Option<f64>,
    /// The scale-in; null if there was none.
    pub scale_in: Option<ScaleIn>,
}

/// When a count of replicas was reached.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// The count.
    pub replicas: u32,
    /// When the autoscaler first desired as many.
    #[serde(rename = "wanted")]
    pub desired: Option<f64>,
    /// When as many were first ready.
    pub ready: Option<f64>,
}

/// A change of the desired replicas, compared with the model.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When it was observed.
    pub at: f64,
    /// Desired replicas before.
    pub from: u32,
    /// Desired replicas after.
    pub to: u32,
    /// The earliest moment at which the model expects this step, less the resolution of the band; null if it never
    /// does.
    pub earliest: Option<f64>,
    /// The latest moment at which the model expects this step, with the same tolerance; null if it never does.
    pub latest: Option<f64>,
    /// Whether it was observed between those; null without a prediction.
    pub inside: Option<bool>,
}

/// A scale-in.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleIn {
    /// When the autoscaler first desired fewer replicas than at its peak.
    pub from: f64,
    /// When only the minimum was desired and present; null if that was not reached.
    pub until: Option<f64>,
    /// Requests that failed meanwhile.
    pub failed: u64,
    /// Requests that were sent meanwhile.
    pub sent: u64,
}

/// The wait for the first pod, of a run whose first request found none.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FromZero {
    /// The start of the second of the first request.
    pub offered: f64,
    /// Seconds from then to the start of the second of the first success; null if there was none.
    pub waited: Option<f64>,
    /// Requests that failed or were dropped until then.
    pub lost: u64,
}

/// The reaction time, from the load step to a new pod that answers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    /// The load step: the first moment at which the profile requires more replicas than there are.
    pub step: f64,
    /// The rate in requests per second beyond which it does: replicas × target × (1 + tolerance).
    pub threshold: f64,
    /// The replicas at the load step.
    pub replicas: u32,
    /// The links of the chain, in order.
    pub links: Vec<Link>,
}

/// One link of the chain from the load to a pod.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Which.
    pub name: LinkName,
    /// When the step was first observed there; null if it was not.
    pub at: Option<f64>,
    /// Seconds since the step.
    pub after: Option<f64>,
    /// Seconds since the previous link that observed the step; 0 if that one was read later.
    pub took: Option<f64>,
}

/// A link of the chain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkName {
    /// The pods' counters grew by more than the load before the step explains.
    Counter,
    /// Prometheus' sum exceeds the threshold.
    Prometheus,
    /// The metrics API's sum exceeds the threshold.
    Api,
    /// The value that the HPA read exceeds its target and tolerance.
    Value,
    /// The HPA desires more replicas.
    Decision,
    /// One more replica is ready.
    Ready,
    /// A new pod answered; the end of that second.
    Answer,
}

impl Report {
    /// The clients, if the load was a closed loop.
    pub fn clients(&self) -> Option<Clients> {
        self.start.as_ref()?.clients
    }
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
