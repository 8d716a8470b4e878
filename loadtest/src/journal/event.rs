//! The events of a run, as data. No text in them is parsed again: [`crate::output::events`] writes the sentences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Failure;

/// An event.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: f64,
    /// What.
    #[serde(flatten)]
    pub what: ObservedEvent,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ObservedEvent {
    /// Something happened to an object of Kubernetes, or of a rehearsal.
    Object(ObjectEvent),
    /// A watch broke, or the API server stopped answering.
    WatchInterrupted {
        /// What is not observed meanwhile.
        feed: Feed,
        /// The error.
        why: String,
    },
    /// A watch works again, or the API server answers again.
    WatchResumed {
        /// What is observed again.
        feed: Feed,
    },
    /// Something could not be read.
    Unread {
        /// What.
        feed: Feed,
        /// The error, or the right that is missing.
        why: String,
    },
    /// The model calculates with an assumption.
    Assumed {
        /// The assumption, and why it was necessary.
        assumption: String,
    },
    /// More events happened than a journal records.
    Truncated {
        /// How many it records.
        recorded: u64,
    },
    /// The target's host name has no address.
    HostUnresolved {
        /// The name.
        host: String,
        /// The error.
        why: String,
        /// Whether addresses from an earlier lookup stay in use.
        keeps_addresses: bool,
    },
    /// The target's host name has an address again.
    HostResolved {
        /// The name.
        host: String,
    },
    /// The first request that got no answer for this reason.
    FirstFailure {
        /// The reason.
        failure: Failure,
        /// Its name among the causes of failures.
        cause: String,
        /// The request, and what the system or a library says.
        example: String,
    },
    /// The first answer with a status that is not a success.
    FirstStatus {
        /// The status.
        status: u16,
        /// The request.
        request: String,
        /// Where a redirect points, without its query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    /// The first body that does not match `--expect-body`.
    FirstMismatch {
        /// The request.
        request: String,
        /// The body's start.
        body: String,
    },
    /// The load ended early, because its timer failed.
    LoadFailed {
        /// The error.
        why: String,
    },
    /// A generator started its part of the load after the first one.
    StartedLate {
        /// Which generator, counted from 0.
        generator: u32,
        /// How many seconds later.
        seconds: f64,
    },
    /// A rehearsal ended early.
    RehearsalFailed {
        /// The error.
        why: String,
    },
}

/// Something that happened to an object.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEvent {
    /// The object, as kind and name.
    pub object: String,
    /// The reason, such as `Killing` or `SuccessfulRescale`.
    pub reason: String,
    /// The message.
    pub message: String,
    /// Whether it is a fault.
    pub warning: bool,
    /// The number of a process that started, on this machine: a rehearsal's replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// What a run observes of a cluster.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Feed {
    /// The API server as a whole.
    ApiServer,
    /// The watch of the HPA.
    Hpa,
    /// The watch of the pods.
    Pods,
    /// The watch of Kubernetes' events.
    Events,
    /// The pods' own counters.
    Counters,
    /// Prometheus.
    Prometheus,
    /// The metrics API.
    MetricsApi,
}

impl ObjectEvent {
    /// An event of this object.
    pub fn new(object: String, reason: &str, message: &str, warning: bool) -> Self {
        Self { object, reason: reason.to_owned(), message: message.to_owned(), warning, pid: None }
    }

    /// The same event, found after the watch was broken: its time is when it was found.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.message += " (this happened while the watch was broken)";
        self
    }
}

impl ObservedEvent {
    /// Whether it is a fault.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Object(event) => event.warning,
            Self::WatchResumed { .. } | Self::HostResolved { .. } => false,
            _ => true,
        }
    }

    /// Whether it happened to the load. A joined journal has these events of all generators, and those of the
    /// autoscaler from one.
    pub fn is_of_load(&self) -> bool {
        match self {
            Self::HostUnresolved { .. }
            | Self::HostResolved { .. }
            | Self::FirstFailure { .. }
            | Self::FirstStatus { .. }
            | Self::FirstMismatch { .. }
            | Self::LoadFailed { .. }
            | Self::StartedLate { .. } => true,
            Self::Object(_)
            | Self::WatchInterrupted { .. }
            | Self::WatchResumed { .. }
            | Self::Unread { .. }
            | Self::Assumed { .. }
            | Self::Truncated { .. }
            | Self::RehearsalFailed { .. } => false,
        }
    }

    /// The text that others wrote, and that may be long.
    pub fn message_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Object(event) => Some(&mut event.message),
            Self::WatchInterrupted { why, .. }
            | Self::Unread { why, .. }
            | Self::Assumed { assumption: why }
            | Self::HostUnresolved { why, .. }
            | Self::FirstFailure { example: why, .. }
            | Self::FirstStatus { request: why, .. }
            | Self::FirstMismatch { body: why, .. }
            | Self::LoadFailed { why }
            | Self::RehearsalFailed { why } => Some(why),
            Self::WatchResumed { .. }
            | Self::Truncated { .. }
            | Self::HostResolved { .. }
            | Self::StartedLate { .. } => None,
        }
    }
}
