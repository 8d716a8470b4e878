//! Everything that is observed, one JSON line each. The report is made from it, scripts read it (`--json`), `loadtest
//! merge` joins it, and it survives a crash.
//!
//! Times are seconds since the load's start. In a rehearsal that compresses time they are the rehearsed seconds.

mod bytes;
mod check;
mod clients;
mod event;
mod failure;
mod read;
mod target;
mod threshold;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::autoscaling::Autoscaler;
use crate::profile::{Spacing, Stage};

pub use bytes::Bytes;
pub use check::Invalid;
pub use clients::{Clients, UNLIMITED};
pub use event::{Event, Feed, ObjectEvent, ObservedEvent};
pub use failure::Failure;
pub use read::Reader;
pub use target::{Part, Statuses, Target, is_success, without_credentials};
pub use threshold::{Limit, Measure, Order, Threshold};

/// The format of the journals that this version writes and reads. In format 1, events were sentences.
pub const FORMAT: u32 = 2;

/// One line of a journal.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "entry", rename_all = "camelCase")]
pub enum Entry {
    /// The command: the first line.
    Start(Box<Start>),
    /// What the load did in one second.
    Second(Second),
    /// The state of the autoscaler and its pods, at each change and at least every five seconds.
    Scaling(Scaling),
    /// Something happened.
    Event(Event),
    /// The load's end: the last line, unless the tool was killed.
    End(End),
}

/// The command: what load is sent where, and what is expected.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The journal's format.
    #[serde(default = "first_format")]
    pub format: u32,
    /// The tool's version.
    pub version: String,
    /// A run against a target, or a rehearsal.
    pub kind: Kind,
    /// When the load started: Unix time in seconds.
    pub started: f64,
    /// Rehearsed seconds per second; 1 for a run.
    pub speed: f64,
    /// Where the load goes.
    pub target: Target,
    /// The load, as stages.
    pub profile: Vec<Stage>,
    /// The clients of a closed loop, in which the profile is but a duration; absent if the profile's rates are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// How requests are spaced.
    pub spacing: Spacing,
    /// The seed of the numbers for `{{random}}`: with it as `--seed`, they are the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which of the generators that share the load this is, counted from 0 (`--generator`).
    pub generator: u32,
    /// How many generators share the load (`--generators`); 1 if their journals are joined.
    pub generators: u32,
    /// The autoscaler that is watched; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// What the user expects of the run.
    pub expectations: Expectations,
}

/// The first journals did not name their format.
const fn first_format() -> u32 {
    1
}

/// What kind of journal it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Load on a real target.
    Run,
    /// The whole loop on this machine.
    Rehearsal,
}

/// What the user expects; an expectation that is absent is not checked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expectations {
    /// Ready replicas that must be reached (`--expect-replicas`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// How many requests may fail, including those during scale-in (`--max-failed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<MaxFailed>,
    /// Limits on latency: a percentile (99 for `--p99`), and the limit in seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<(f64, f64)>,
    /// Seconds from the first load that requires scaling until the expected replicas are ready (`--scaled-within`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled_within: Option<f64>,
    /// Whether the replicas must return to the minimum (`--expect-scale-in`; implied by the profile `hpa`).
    #[serde(default)]
    pub scale_in: bool,
    /// Whether at least 99 % of the offered requests must be sent, and, without `max_failed`, none may fail (it is
    /// `--no-default-expectations` that turns this off).
    #[serde(default)]
    pub defaults: bool,
    /// Thresholds of the whole load or of a stage (`--threshold`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}

/// How many requests may fail: a number, or a share of those that were sent.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MaxFailed {
    /// So many.
    Count(u64),
    /// A share.
    Share {
        /// Per cent of the requests that were sent, from 0 to 100.
        percent: f64,
    },
}

impl MaxFailed {
    /// The limit in requests, if so many were sent.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    pub fn of(self, sent: u64) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Share { percent } => percent / 100.0 * sent as f64,
        }
    }
}

/// The load in one second, counted by the moment at which a request was due.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// The second's start.
    pub at: f64,
    /// Requests due.
    pub due: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests that were due while the maximum was in flight, and never sent.
    pub dropped: u64,
    /// Answers that arrived in this second, by status.
    #[serde(deserialize_with = "by_status")]
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that got no answer, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Answers that arrived in this second, by the pod that the document names.
    pub pods: BTreeMap<String, u64>,
    /// Latency of those answers, from the moment at which each request was due, in microseconds: buckets of a histogram
    /// with three significant digits, and the count in each.
    pub latency: Vec<(u64, u64)>,
    /// Delay of the generator itself in sending, in microseconds, in the same form.
    pub lateness: Vec<(u64, u64)>,
    /// Requests in flight at the second's end.
    pub in_flight: u64,
    /// Answers that are a success; absent if that is each one with a status of 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<u64>,
    /// Bytes of HTTP that were sent.
    #[serde(default)]
    pub bytes_out: u64,
    /// Bytes of HTTP that were received.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes of the answers that arrived in this second and of their requests, by status.
    #[serde(default, deserialize_with = "by_status", skip_serializing_if = "BTreeMap::is_empty")]
    pub status_bytes: BTreeMap<u16, Bytes>,
    /// The same by the pod that answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_bytes: BTreeMap<String, Bytes>,
    /// Requests that ended in this second on a connection to each address, whatever became of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, u64>,
    /// Connections that were opened.
    #[serde(default)]
    pub connections: u64,
    /// How long TLS handshakes took, in microseconds, in the form of `latency`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handshakes: Vec<(u64, u64)>,
}

/// JSON's keys are text, and serde's reader of a tagged enum no longer knows that these are numbers.
fn by_status<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<BTreeMap<u16, T>, D::Error> {
    let counts = BTreeMap::<String, T>::deserialize(deserializer)?.into_iter();
    counts.map(|(status, count)| Ok((status.parse().map_err(D::Error::custom)?, count))).collect()
}

/// The state of the autoscaler and its pods at one moment.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// When.
    pub at: f64,
    /// The average per pod, as the HPA last read it; null if kubectl shows `<unknown>`.
    pub value: Option<f64>,
    /// Requests counted by all ready pods so far, if their counters can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<f64>,
    /// The sum over the pods in Prometheus, if it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<f64>,
    /// The sum over the pods in the metrics API, if it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<f64>,
    /// The HPA's desired replicas.
    #[serde(rename = "wanted")]
    pub desired: u32,
    /// The pods that exist, including those that start or terminate.
    pub pods: u32,
    /// The pods that are ready.
    pub ready: u32,
    /// The HPA's conditions, each as `type=status reason: message`.
    #[serde(rename = "says")]
    pub conditions: Vec<String>,
}

/// The load's end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// When.
    pub at: f64,
    /// Whether it ended before the profile was over.
    pub interrupted: bool,
}
