//! What the check of one link results in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doctor::catalogue::Cause;
use crate::doctor::facts::early::Wait;
use crate::doctor::fixes::Command;
use crate::doctor::link::Link;
use crate::kube::read::{Read, Unread};
use crate::kube::words::LEFT_OUT;

/// What a check returns: the evidence that the link works, or any other status. So a check ends at the first `?` that
/// finds something.
pub type Checked = Result<String, Status>;

/// The result of a link's check.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The link works: the evidence, in one line.
    Ok(String),
    /// The link works, and is the reason why the replicas do not change: it does what it is configured to do.
    Explains(Finding),
    /// The link is broken.
    Broken(Finding),
    /// The link could not be read, for lack of a right or of an answer.
    Unread(Unread),
    /// It is too early to tell.
    Pending(Wait),
    /// The HPA's metric does not need this link: why.
    NotApplicable(String),
    /// The evidence lacks what this check needs.
    MissingInput {
        /// What is missing.
        which: Input,
        /// How that shows, in one line.
        why: String,
    },
    /// Another link decides.
    Blocked {
        /// That link.
        by: Link,
        /// Why, in one line.
        why: String,
    },
}

impl Status {
    /// It is too early to tell, for this many seconds more.
    pub fn pending(seconds: f64, why: impl Into<String>) -> Self {
        Self::Pending(Wait::new(seconds, why))
    }

    /// The evidence lacks this input.
    pub fn missing(which: Input, why: impl Into<String>) -> Self {
        Self::MissingInput { which, why: why.into() }
    }

    /// There is no HPA, or it has no metric.
    pub fn without_metric() -> Self {
        Self::missing(Input::Metric, "there is no HPA with a metric")
    }

    /// That link decides.
    pub fn blocked(by: Link, why: impl Into<String>) -> Self {
        Self::Blocked { by, why: why.into() }
    }

    /// Ends a check with this status, if there is one.
    pub fn stop(found: Option<impl Into<Self>>) -> Result<(), Self> {
        found.map_or(Ok(()), |status| Err(status.into()))
    }

    /// What was read. If it could not be read, that is the status; if there is nothing, the other one is.
    pub fn require<T>(read: &Read<T>, otherwise: impl FnOnce() -> Self) -> Result<&T, Self> {
        read.seen().ok_or_else(|| Self::unread_or(read.unread(), otherwise))
    }

    /// That something could not be read, or else this other status.
    pub fn unread_or(unread: Option<&Unread>, otherwise: impl FnOnce() -> Self) -> Self {
        unread.map_or_else(otherwise, Self::from)
    }

    /// The finding, where there is one.
    pub const fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Explains(finding) | Self::Broken(finding) => Some(finding),
            _ => None,
        }
    }
}

impl From<Finding> for Status {
    fn from(finding: Finding) -> Self {
        Self::Broken(finding)
    }
}

impl From<&Unread> for Status {
    fn from(unread: &Unread) -> Self {
        Self::Unread(unread.clone())
    }
}

impl From<Wait> for Status {
    fn from(wait: Wait) -> Self {
        Self::Pending(wait)
    }
}

/// What a check may lack.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// The HPA.
    Hpa,
    /// A metric of the HPA.
    Metric,
    /// The workload that the HPA scales.
    Workload,
    /// The workload's pods.
    Pods,
    /// A metrics page of a ready pod.
    Pages,
    /// The counter that the metric is made of.
    Counter,
    /// A client's request.
    Requests,
    /// A replica of Prometheus that answers.
    Prometheus,
    /// The `ScaledObject` and its trigger.
    ScaledObject,
    /// The adapter's rules.
    Rules,
    /// The API server's list of resources.
    Resources,
    /// The `APIService`.
    ApiService,
    /// The metrics API's answer.
    Answer,
}

impl Input {
    /// What to do about it, in a sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Hpa => "Name an HPA that exists: kubectl get hpa --all-namespaces lists them all.",
            Self::Metric => "Give the HPA a metric in spec.metrics.",
            Self::Workload => "Point the HPA's spec.scaleTargetRef to a workload that the doctor can read.",
            Self::Pods => "Run the doctor again when the workload has a ready pod.",
            Self::Pages => "Allow the doctor to read the metrics page of a ready pod.",
            Self::Counter => "Make the metric's query name the counter that the pods expose.",
            Self::Requests => "Send requests to the Service, and run the doctor again.",
            Self::Prometheus => "Check that Prometheus is reachable, and run the doctor again.",
            Self::ScaledObject => "Add a trigger for the HPA's metric to the ScaledObject.",
            Self::Rules => "Mount the adapter's rules from a ConfigMap, so that the doctor can read them.",
            Self::Resources => "Allow the doctor to read the API server's list of resources.",
            Self::ApiService => "Allow the doctor to read the APIService of the metric.",
            Self::Answer => "Allow the doctor to query the metrics API.",
        }
    }
}

/// Why a link is broken, or why the replicas do not change.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Finding {
    /// The cause: one of docs/TROUBLESHOOTING.md.
    pub cause: Cause,
    /// The object, the field, and the value that was read, in one line.
    pub evidence: String,
    /// The fix.
    pub fix: Fix,
}

/// How to fix a link.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Fix {
    /// What to do, in a sentence.
    pub advice: String,
    /// The commands that do it, ready to paste into a shell, in this order. There are none where a program or a network
    /// has to change.
    pub commands: Vec<String>,
}

impl Finding {
    /// A finding with its commands. They depend on one another: there are none where one of them was refused, or contains a
    /// redacted value.
    pub fn new(
        cause: Cause,
        evidence: impl Into<String>,
        advice: impl Into<String>,
        commands: impl IntoIterator<Item = Command>,
    ) -> Self {
        let mut commands = Command::all(commands);
        if commands.iter().any(|command| command.contains(LEFT_OUT)) {
            commands.clear();
        }
        Self { cause, evidence: evidence.into(), fix: Fix { advice: advice.into(), commands } }
    }

    /// The same finding, with more evidence in front.
    #[must_use]
    pub fn after(self, seen: &str) -> Self {
        Self { evidence: format!("{seen}; {}", self.evidence), ..self }
    }
}
