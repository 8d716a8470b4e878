//! Whether the HPA reads its other metrics too: with an invalid one it only adds replicas.

use serde_json::Value;

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{living, since};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::{early, values};
use crate::doctor::link::Link;
use crate::doctor::objects::{Hpa, condition, list, text};
use crate::doctor::status::{Finding, Status};

/// A metric of the HPA, as its spec has it.
struct Listed<'a> {
    spec: &'a Value,
    place: usize,
    kind: &'a str,
    name: &'a str,
}

/// The status of the HPA's other metrics; none if they are valid.
pub fn others(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    hpa: &Value,
    broken: &[(usize, Link, Finding)],
) -> Option<Status> {
    let metrics: Vec<_> = Hpa(hpa).metrics().iter().enumerate().map(|(place, spec)| listed(place, spec)).collect();
    let own = scaling.metric.as_ref().map(|metric| &metric.spec);
    let others = metrics.iter().filter(|metric| Some(metric.spec) != own);
    let invalid = others.filter_map(|metric| Some((metric, why(evidence, hpa, metric)?)));
    let (metric, why) = invalid.into_iter().next()?;
    let seen = format!("HPA {}: spec.metrics[{}], {}: {why}", evidence.name, metric.place, metric.name);
    let ages: Option<Vec<f64>> = living(evidence).map(|pod| since(evidence, pod, "/status/startTime")).collect();
    let oldest = ages.map(|ages| ages.into_iter().fold(0.0, f64::max));
    let patience = if metric.name == "cpu" { timing::CPU_INITIALISATION } else { timing::RESOURCE_METRICS };
    if let Some(age) = oldest.filter(|age| *age < patience) {
        return Some(Status::pending(patience - age, format!("{seen}; the pods have just started")));
    }
    if let Some(wait) = early::unlisted(evidence, scaling) {
        return Some(wait.after(&seen).into());
    }
    let own = broken.iter().find(|(place, ..)| *place == metric.place);
    let (seen, why) = own.map_or_else(
        || (seen.clone(), "its API has no value of it".to_owned()),
        |(_, link, finding)| {
            let entry = finding.cause.entry();
            let title = format!("{} (cause {}, {})", entry.title, finding.cause.number(), entry.name);
            let why = format!("its own chain is broken at {}: {title}. {}", link.label(), entry.fix);
            (format!("{seen}; {}", finding.evidence), why.trim_end_matches('.').to_owned())
        },
    );
    let advice =
        format!("Fix that metric: {why}. While one metric is invalid, the HPA adds replicas and never removes any.");
    Some(Finding::new(Cause::OtherMetricInvalid, seen, advice, None).into())
}

fn listed(place: usize, spec: &Value) -> Listed<'_> {
    let kind = text(spec, "/type");
    let field = format!("{}{}", kind.get(..1).unwrap_or_default().to_lowercase(), kind.get(1..).unwrap_or_default());
    let name = text(&spec[&field], "/metric/name");
    let name = if name.is_empty() { text(&spec[&field], "/name") } else { name };
    Listed { spec, place, kind, name }
}

/// Why a metric is invalid; none if it is not known to be.
fn why(evidence: &Evidence, hpa: &Value, metric: &Listed<'_>) -> Option<String> {
    if let Some((path, answer)) = values::of(evidence, metric.spec) {
        match answer.status {
            0 | 401 | 403 => {}
            200 if !values::values(answer).is_empty() => return None,
            status => return Some(format!("{path}: {status} {}", text(&answer.body, "/message")).trim().to_owned()),
        }
    }
    let reason = format!("FailedGet{}Metric", metric.kind);
    let active = condition(hpa, "ScalingActive").filter(|active| active["reason"] == *reason);
    if let Some(reported) = active.filter(|active| text(active, "/message").contains(metric.name)) {
        return Some(text(reported, "/message").to_owned());
    }
    // The controller leaves a place empty for a metric that it could not read.
    let place = list(hpa, "/status/currentMetrics").get(metric.place)?;
    (text(place, "/type").is_empty()).then(|| format!("status.currentMetrics[{}] is empty", metric.place))
}
