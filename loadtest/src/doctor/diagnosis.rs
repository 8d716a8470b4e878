//! What the evidence tells: link by link, and the first that is broken.

use serde::{Deserialize, Serialize};

use crate::doctor::catalogue::Cause;
use crate::doctor::fixes::Command;
use crate::doctor::link::Link;
use crate::kube::read::Unread;
use crate::kube::words::LEFT_OUT;

/// What one link's judge says of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It holds: the evidence, in one line.
    Holds(String),
    /// It holds, and is why nothing changes: no fault, but what was asked for.
    Explains(Finding),
    /// It is broken.
    Broken(Finding),
    /// It could not be looked at.
    Unread(Unread),
    /// What it would be judged by is missing because of another link: why, in one line.
    NotJudged(String),
}

/// What was found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which of the known causes.
    pub cause: Cause,
    /// The object, the field, and the value seen, in one line.
    pub evidence: String,
    /// What makes it whole.
    pub fix: Fix,
}

/// What makes a link whole.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What to do, in a sentence.
    pub advice: String,
    /// The commands that do it, to be copied as they are; none where it is a change of a program or of a network.
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

    /// The same, with what was seen before in front.
    #[must_use]
    pub fn after(self, seen: &str) -> Self {
        Self { evidence: format!("{seen}; {}", self.evidence), ..self }
    }
}

/// How a link is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It holds.
    Holds,
    /// It is the first that is broken.
    Broken,
    /// It could not be looked at.
    Unknown,
    /// It cannot be judged while a link above it is broken.
    NotJudged,
}

/// One line of the ladder.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rung {
    /// Which link.
    pub link: Link,
    /// How it is.
    pub state: State,
    /// What shows it.
    pub evidence: String,
}

/// The whole ladder, and what follows from it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// `namespace/name` of the HPA.
    pub hpa: String,
    /// When the evidence was read: Unix time in seconds.
    pub taken: f64,
    /// All in all.
    pub outcome: Outcome,
    /// Link by link.
    pub rungs: Vec<Rung>,
    /// The first link that is broken: why, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Finding>,
    /// Why a chain that holds changes nothing at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explains: Option<Finding>,
    /// Rights that were missing.
    pub missing_rights: Vec<String>,
    /// What a chain that holds is like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// All in all.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// No link is broken.
    Healthy,
    /// One is.
    Broken,
    /// None is known to be, and the HPA's own word for it could not be had.
    CouldNotLook,
}

impl Outcome {
    /// The process' exit code; 2 is for bad use.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Broken => 1,
            Self::CouldNotLook => 3,
        }
    }
}

/// The figures of a chain that holds. Times in seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// What the HPA reads of a pod that nobody asks for anything, where it can be told.
    pub idle: Option<f64>,
    /// What it reads now.
    pub value: Option<f64>,
    /// What it aims at.
    pub target: f64,
    /// Between two scrapes.
    pub scrape: f64,
    /// The window of the rate.
    pub window: f64,
    /// Between two listings of the adapter; 0 with KEDA.
    pub relist: f64,
    /// Between two looks of the HPA.
    pub sync: f64,
    /// From a step of load to twice what the pods are meant for, until more are wanted: at the earliest and at the
    /// latest.
    pub delay: (f64, f64),
}

/// Joins what the judges said to one diagnosis. Below the first broken link only what holds is told: the rest may be
/// its consequence.
pub fn diagnosis(hpa: String, taken: f64, judgements: Vec<(Link, Judgement)>, figures: Option<Figures>) -> Diagnosis {
    let (mut rungs, mut broken, mut explains, mut missing_rights) = (Vec::new(), None, None, Vec::new());
    for (link, judgement) in judgements {
        let (state, evidence) = match judgement {
            Judgement::Holds(evidence) => (State::Holds, evidence),
            Judgement::Explains(finding) => {
                let evidence = finding.evidence.clone();
                explains.get_or_insert(finding);
                (State::Holds, evidence)
            }
            Judgement::Broken(finding) if broken.is_none() => {
                let evidence = finding.evidence.clone();
                broken = Some(finding);
                (State::Broken, evidence)
            }
            Judgement::Broken(_) => (State::NotJudged, "not judged: a link above is broken".to_owned()),
            Judgement::NotJudged(why) => (State::NotJudged, why),
            Judgement::Unread(unread) => {
                missing_rights.extend(unread.right.filter(|right| !missing_rights.contains(right)));
                (State::Unknown, format!("{}: {}", unread.what, unread.why))
            }
        };
        rungs.push(Rung { link, state, evidence });
    }
    // Where the HPA itself says that it reads its metric, what could not be looked at is no obstacle.
    let works = rungs.iter().any(|rung| rung.link == Link::Condition && rung.state == State::Holds);
    let outcome = match (&broken, works) {
        (Some(_), _) => Outcome::Broken,
        (None, true) => Outcome::Healthy,
        (None, false) => Outcome::CouldNotLook,
    };
    let healthy = outcome == Outcome::Healthy;
    let (explains, figures) = (explains.filter(|_| healthy), figures.filter(|_| healthy));
    Diagnosis { hpa, taken, outcome, rungs, broken, explains, missing_rights, figures }
}
