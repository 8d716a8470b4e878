//! What each metric of the HPA asks for, computed as the controller does.

use serde_json::Value;

use super::pods::ready;
use super::resource::{self, Resource};
use super::{resource_requests, scaling_metric, values};
use crate::autoscaling::hpa::Behavior;
use crate::autoscaling::hpa::calculator::{Groups, Proposal, Share, of_average, of_pods, of_value};
use crate::autoscaling::quantity;
use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{list, name, text};

/// What a metric's value and target are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Measure {
    /// Per cent of the pods' requests.
    Utilization,
    /// The average of a pod.
    Average,
    /// A value as a whole.
    Value,
}

/// A metric of the HPA, and what it asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Its place in `spec.metrics`.
    pub place: usize,
    /// Its type, such as `Pods`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The container of a `ContainerResource`.
    pub container: Option<&'a str>,
    /// What its value and its target are.
    pub measure: Measure,
    /// The target.
    pub target: f64,
    /// The value: what the HPA reports, or else what the API answers.
    pub value: Option<f64>,
    /// The pods that it is averaged over, or multiplied by.
    pub groups: Groups,
    /// What it asks for; none where that is not known.
    pub proposal: Option<Proposal>,
}

impl Asked<'_> {
    /// Type and name, such as `Resource cpu`, with the container.
    pub fn title(&self) -> String {
        let of = self.container.map(|container| format!(" of {container}")).unwrap_or_default();
        format!("{} {}{of}", self.kind, self.name)
    }
}

/// Every metric of the HPA, in the order of `spec.metrics`.
pub fn all<'a>(evidence: &'a Evidence, behavior: &Behavior, current: u32) -> Vec<Asked<'a>> {
    let all = scaling_metric::all(evidence).iter().enumerate();
    all.filter_map(|(place, spec)| asked(evidence, behavior, current, place, spec)).collect()
}

fn asked<'a>(
    evidence: &'a Evidence,
    behavior: &Behavior,
    current: u32,
    place: usize,
    spec: &'a Value,
) -> Option<Asked<'a>> {
    let kind = spec["type"].as_str()?;
    let body = &spec[field(kind)?];
    let name = body["metric"]["name"].as_str().or(body["name"].as_str())?;
    let target = &body["target"];
    let average = quantity::value(text(target, "/averageValue")).map(|target| (Measure::Average, target));
    let utilization = || Some((Measure::Utilization, target["averageUtilization"].as_f64()?));
    let whole = || Some((Measure::Value, quantity::value(text(target, "/value"))?));
    let (measure, target) = average.or_else(utilization).or_else(whole).filter(|(_, target)| *target > 0.0)?;
    let groups = groups(evidence, spec, measure, current);
    let value = reported(evidence, place, spec, measure).or_else(|| answered(evidence, spec, measure, &groups));
    let proposal = value.and_then(|value| {
        let ratio = value / target;
        match (kind, measure) {
            ("Pods" | "Resource" | "ContainerResource", _) => {
                of_pods(behavior, current, ratio, (measure == Measure::Utilization).then_some(target), &groups)
            }
            (_, Measure::Value) => Some(of_value(behavior, current, groups.counted.pods, ratio)),
            _ if current == 0 => Some(of_average(behavior, 0, value, target)),
            _ => Some(of_average(behavior, current, value * f64::from(current), target)),
        }
    });
    let container = body["container"].as_str();
    Some(Asked { place, kind, name, container, measure, target, value, groups, proposal })
}

/// The field of a metric's type.
fn field(kind: &str) -> Option<&'static str> {
    match kind {
        "Pods" => Some("pods"),
        "Resource" => Some("resource"),
        "ContainerResource" => Some("containerResource"),
        "Object" => Some("object"),
        "External" => Some("external"),
        _ => None,
    }
}

/// What the HPA's status has of a metric. Of several that are called alike, the one at the same place.
fn reported(evidence: &Evidence, place: usize, spec: &Value, measure: Measure) -> Option<f64> {
    let field = field(spec["type"].as_str()?)?;
    let same = |status: &&Value| {
        let (status, spec) = (&status[field], &spec[field]);
        let names = ["/name", "/metric/name", "/container", "/describedObject/name"];
        status.is_object() && names.iter().all(|name| text(status, name) == text(spec, name))
    };
    let all = list(evidence.hpa.seen()?, "/status/currentMetrics");
    let status = all.get(place).filter(same).or_else(|| all.iter().find(same))?;
    let current = &status[field]["current"];
    match measure {
        Measure::Utilization => current["averageUtilization"].as_f64(),
        Measure::Average => quantity::value(text(current, "/averageValue")),
        Measure::Value => quantity::value(text(current, "/value")),
    }
}

/// What the API answers now, as the HPA would report it.
fn answered(evidence: &Evidence, spec: &Value, measure: Measure, groups: &Groups) -> Option<f64> {
    if let Some(of) = Resource::of(spec) {
        let items = resource::answered(evidence, spec)?;
        let counted = evidence.pods.items().iter().filter(|pod| group(evidence, pod, spec) == Some(Group::Counted));
        let usages = counted.filter_map(|pod| Some(resource::sample(items, name(pod), of)?.usage));
        let sum: f64 = usages.sum();
        let share = sum / groups.counted.weight;
        let share = if measure == Measure::Utilization { (100.0 * share).floor() } else { share };
        return share.is_finite().then_some(share);
    }
    let (_, answer) = values::of(evidence, spec)?;
    let all = values::values(answer);
    let sum: f64 = all.iter().map(|(_, value)| value).sum();
    let is_of_pods = spec["type"] == "Pods";
    let pods = match (measure, groups.counted.pods) {
        (Measure::Value, _) => 1.0,
        // Without a pod, a total counts as a whole.
        (_, 0) if !is_of_pods => 1.0,
        (_, pods) => f64::from(pods),
    };
    (!all.is_empty() && pods > 0.0).then_some(sum / pods)
}

/// The group that the controller puts a pod into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Its value counts.
    Counted,
    /// It is pending, or its CPU does not count yet.
    Unready,
    /// It has no value.
    Missing,
}

/// The group of a pod, for a metric of the pods; none for a pod that leaves or has failed. Where the API was not asked,
/// every other pod is taken to have a value.
pub fn group(evidence: &Evidence, pod: &Value, spec: &Value) -> Option<Group> {
    let phase = text(pod, "/status/phase");
    if !pod["metadata"]["deletionTimestamp"].is_null() || phase == "Failed" {
        return None;
    }
    if phase == "Pending" {
        return Some(Group::Unready);
    }
    if let Some(of) = Resource::of(spec) {
        let Some(items) = resource::answered(evidence, spec) else { return Some(Group::Counted) };
        let Some(sample) = resource::sample(items, name(pod), of) else { return Some(Group::Missing) };
        let young = of.name == "cpu" && resource::initialising(evidence, pod, sample).is_some();
        return Some(if young { Group::Unready } else { Group::Counted });
    }
    let has = values::of(evidence, spec).filter(|(_, answer)| answer.status == 200);
    let has = has.is_none_or(|(_, answer)| values::values(answer).iter().any(|(of, _)| *of == name(pod)));
    Some(if has { Group::Counted } else { Group::Missing })
}

/// The pods of each group. A metric of something else is divided by the replicas, or multiplied by the ready pods.
fn groups(evidence: &Evidence, spec: &Value, measure: Measure, current: u32) -> Groups {
    let mut groups = Groups::default();
    if matches!(spec["type"].as_str(), Some("Object" | "External")) {
        let ready = u32::try_from(ready(evidence).len()).unwrap_or(u32::MAX);
        let pods = if measure == Measure::Average { current } else { ready };
        groups.counted = Share { pods, weight: f64::from(pods) };
        return groups;
    }
    let of = Resource::of(spec);
    for pod in evidence.pods.items() {
        let share = match group(evidence, pod, spec) {
            None => continue,
            Some(Group::Counted) => &mut groups.counted,
            Some(Group::Unready) => &mut groups.unready,
            Some(Group::Missing) => &mut groups.missing,
        };
        let request = of.filter(|_| measure == Measure::Utilization);
        let request =
            request.map(|of| resource_requests::of_pod(&pod["spec"], of.name, of.container).unwrap_or_default());
        share.pods += 1;
        share.weight += request.unwrap_or(1.0);
    }
    groups
}
