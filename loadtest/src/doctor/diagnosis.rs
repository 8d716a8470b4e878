//! All link results together: the first broken link, and what follows from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doctor::facts::early::Wait;
pub use crate::doctor::link::Link;
pub use crate::doctor::status::{Finding, Fix, Input, Status};

/// The state of a link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It works.
    #[serde(rename = "holds")]
    Ok,
    /// It is the first broken link.
    Broken,
    /// It could not be read.
    #[serde(rename = "unknown")]
    Unread,
    /// It is too early to tell.
    Pending,
    /// The HPA's metric does not need it.
    NotApplicable,
    /// The evidence lacks what its check needs.
    MissingInput,
    /// Another link decides: a broken one before it, or one that it depends on.
    Blocked,
}

impl State {
    /// Whether nothing is left to find out about the link.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Ok | Self::Broken | Self::NotApplicable)
    }
}

/// The result of one link.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct LinkResult {
    /// Which link.
    pub link: Link,
    /// Its state.
    pub state: State,
    /// The evidence, in one line.
    pub evidence: String,
    /// Only for `unknown`: the missing right, if that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// Only for `pending`: the seconds to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub wait: Option<f64>,
    /// Only for `missingInput`: what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Input>,
    /// Only for `blocked`: the link that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Link>,
}

/// One metric of the HPA: its value beside its target, and the replicas that it asks for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct MetricResult {
    /// Its type, such as `Pods`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The container of a `ContainerResource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What the value and the target are.
    pub measure: Measure,
    /// The value; null if it is not known.
    pub value: Option<f64>,
    /// The target.
    pub target: f64,
    /// The replicas that it asks for; null if that is not known.
    pub desired: Option<u32>,
    /// Whether it decides: it is the first that asks for the most replicas.
    pub decides: bool,
    /// The arithmetic, in one line.
    pub evidence: String,
    /// The HPA scales out above this value; null if it cannot.
    pub out_above: Option<f64>,
    /// The HPA scales in at or below this value, if all of its metrics allow it; null if it cannot.
    pub in_at: Option<f64>,
    /// The load that would change the replicas, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// The results of its own links. The metric of `rungs` has none here.
    #[serde(rename = "rungs")]
    pub links: Vec<LinkResult>,
    /// Why one of them is broken, and the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Finding>,
}

/// What a metric's value and target are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Per cent of the pods' requests.
    Utilization,
    /// The average of a pod; CPU in cores, memory in bytes.
    Average,
    /// A value as a whole.
    Value,
}

/// The links of one metric, other than the one whose chain is walked first.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The metric's place in `spec.metrics`.
    pub place: usize,
    /// Its links.
    pub links: Vec<(Link, Status)>,
}

impl Walk {
    /// The first broken link.
    pub fn broken(&self) -> Option<(Link, &Finding)> {
        self.links.iter().find_map(|(link, status)| match status {
            Status::Broken(finding) => Some((*link, finding)),
            _ => None,
        })
    }
}

/// The links between a request and a replica, and the first broken one. All times are in seconds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, title = "A diagnosis of loadtest doctor")]
pub struct Diagnosis {
    /// `namespace/name` of the HPA.
    pub hpa: String,
    /// When the evidence was collected: Unix time in seconds.
    pub taken: f64,
    /// The API server's version, by whose rules the HPA was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// The outcome. The exit codes are 0, 1 and 3.
    pub outcome: Outcome,
    /// The result of each link. The one nearest to the pod comes first.
    #[serde(rename = "rungs")]
    #[schemars(length(equal = 12))]
    pub links: Vec<LinkResult>,
    /// The HPA's metrics, in the order of `spec.metrics`.
    #[serde(default)]
    pub metrics: Vec<MetricResult>,
    /// Why a healthy chain has the replicas that it has, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why the first broken link is broken, and the fix; only if one is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Finding>,
    /// Why a healthy chain does not change the replicas at the moment; only if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explains: Option<Finding>,
    /// The missing rights, as RBAC names them.
    pub missing_rights: Vec<String>,
    /// The figures of a healthy chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// The outcome of a diagnosis.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// No link is broken.
    Healthy,
    /// One is.
    Broken,
    /// Nothing is known to be broken, but the HPA does not report that it reads its metric.
    CouldNotLook,
}

impl Outcome {
    /// The process' exit code. Bad usage has the code 2.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Broken => 1,
            Self::CouldNotLook => 3,
        }
    }
}

/// The figures of a healthy chain. Times are in seconds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Figures {
    /// The HPA's value of a pod without clients; null if it is not known.
    pub idle: Option<f64>,
    /// The HPA's value now; null if it is not known.
    pub value: Option<f64>,
    /// The HPA's target.
    pub target: f64,
    /// The scrape interval.
    pub scrape: f64,
    /// The window of the rate.
    pub window: f64,
    /// The adapter's relist interval; 0 with KEDA.
    pub relist: f64,
    /// The HPA's sync period.
    pub sync: f64,
    /// From a load step to twice the target until the HPA desires more replicas: at the earliest and at the latest.
    pub delay: (f64, f64),
}

/// Joins the results of all links. After the first broken link, only links that work are reported as they are: another
/// break may follow from the first.
pub fn diagnosis(hpa: String, taken: f64, statuses: Vec<(Link, Status)>, figures: Option<Figures>) -> Diagnosis {
    let mut links: Vec<LinkResult> = Vec::new();
    let (mut broken, mut explains, mut missing_rights) = (None, None, Vec::new());
    for (link, status) in statuses {
        let status = match status {
            Status::Explains(finding) => Status::Ok(explains.get_or_insert(finding).evidence.clone()),
            Status::Broken(finding) => match &broken {
                None => Status::Broken(broken.insert((link, finding)).1.clone()),
                Some((first, _)) => Status::blocked(*first, format!("not checked: {} is broken", first.label())),
            },
            other => other,
        };
        let result = result(link, status);
        missing_rights.extend(result.right.clone().filter(|right| !missing_rights.contains(right)));
        links.push(result);
    }
    // If the HPA itself reports that it reads its metric, links that could not be checked do not matter.
    let works = links.iter().any(|result| result.link == Link::Condition && result.state == State::Ok);
    let outcome = match (&broken, works) {
        (Some(_), _) => Outcome::Broken,
        (None, true) => Outcome::Healthy,
        (None, false) => Outcome::CouldNotLook,
    };
    let healthy = outcome == Outcome::Healthy;
    let (explains, figures) = (explains.filter(|_| healthy), figures.filter(|_| healthy));
    let broken = broken.map(|(_, finding)| finding);
    Diagnosis {
        hpa,
        taken,
        kubernetes: None,
        outcome,
        links,
        metrics: Vec::new(),
        why: None,
        broken,
        explains,
        missing_rights,
        figures,
    }
}

/// The result of a link by itself.
pub fn result(link: Link, status: Status) -> LinkResult {
    let (mut right, mut wait, mut missing, mut blocked_by) = (None, None, None, None);
    let (state, evidence) = match status {
        Status::Ok(evidence) => (State::Ok, evidence),
        Status::Explains(finding) => (State::Ok, finding.evidence),
        Status::Broken(finding) => (State::Broken, finding.evidence),
        Status::Unread(unread) => {
            right = unread.right;
            (State::Unread, format!("{}: {}", unread.what, unread.why))
        }
        Status::Pending(Wait { seconds, why }) => {
            wait = Some(seconds);
            (State::Pending, why)
        }
        Status::NotApplicable(why) => (State::NotApplicable, why),
        Status::MissingInput { which, why } => {
            missing = Some(which);
            (State::MissingInput, why)
        }
        Status::Blocked { by, why } => {
            blocked_by = Some(by);
            (State::Blocked, why)
        }
    };
    LinkResult { link, state, evidence, right, wait, missing, blocked_by }
}
