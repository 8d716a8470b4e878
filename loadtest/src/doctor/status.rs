//! What the check of one link results in.

use serde::{Deserialize, Serialize};

use crate::doctor::catalogue::Cause;
use crate::doctor::facts::early::Wait;
use crate::doctor::fixes::Command;
use crate::doctor::link::Link;
use crate::kube::read::Unread;
use crate::kube::words::LEFT_OUT;

/// The result of a link's check.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The link works: the evidence, in one line.
    Ok(String),
    /// The link works, and is the reason why the replicas do not change: it does what it was told to do.
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

    /// The finding, where there is one.
    pub const fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Explains(finding) | Self::Broken(finding) => Some(finding),
            _ => None,
        }
    }
}

/// What a check may lack.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
            Self::Workload => "Let spec.scaleTargetRef of the HPA name a workload that the doctor can read.",
            Self::Pods => "Run the doctor again when the workload has a ready pod.",
            Self::Pages => "Let the doctor read the metrics page of a ready pod.",
            Self::Counter => "Let the metric's query name the counter that the pods expose.",
            Self::Requests => "Send requests to the Service, and run the doctor again.",
            Self::Prometheus => "Let the doctor reach Prometheus, and run it again.",
            Self::ScaledObject => "Let the ScaledObject have a trigger for the HPA's metric.",
            Self::Rules => "Mount the adapter's rules from a ConfigMap, so that the doctor can read them.",
            Self::Resources => "Let the doctor read the API server's list of resources.",
            Self::ApiService => "Let the doctor read the APIService of the metric.",
            Self::Answer => "Let the doctor query the metrics API.",
        }
    }
}

/// Why a link is broken, or why the replicas do not change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cause, of those that the catalogue knows.
    pub cause: Cause,
    /// The object, the field, and the value that was read, in one line.
    pub evidence: String,
    /// The fix.
    pub fix: Fix,
}

/// How to fix a link.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What to do, in a sentence.
    pub advice: String,
    /// The commands that do it, ready to paste. There are none where a program or a network has to change.
    pub commands: Vec<String>,
}

impl Finding {
    /// A finding with its commands. They depend on one another: there are none where one of them was refused, or contains a
    /// redacted value.
    pub fn new(cause: Cause, evidence: impl Into<String>, advice: impl Into<String>, commands: Vec<Command>) -> Self {
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
