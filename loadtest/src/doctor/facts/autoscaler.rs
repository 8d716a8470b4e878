//! The autoscaler, as the model takes it.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use serde_json::Value;

use super::{adapter, intervals, pods};
use crate::autoscaling::hpa::{Behavior, Version};
use crate::autoscaling::predict::Pipeline;
use crate::autoscaling::promql::rates;
use crate::autoscaling::rate::Function;
use crate::autoscaling::timing::{CONTAINER_START, RATE_WINDOW, SCRAPE_INTERVAL, SYNC_PERIOD};
use crate::autoscaling::{Autoscaler, predict};
use crate::bounds::{DAY, PERIOD};
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source, others};
use crate::doctor::objects::{Hpa, time};
use crate::kube::read::Read;

/// The autoscaler, and what was assumed of it because it could not be read, or is more than the model knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumed {
    /// The autoscaler.
    pub autoscaler: Autoscaler,
    /// Each assumption, with its reason.
    pub assumptions: Vec<String>,
}

/// What the query makes of its window; one that is not known here is taken for a rate.
fn function(scaling: &ScalingMetric) -> Function {
    let rates = scaling.query.as_deref().map(rates).unwrap_or_default();
    rates.iter().find_map(|rate| Function::named(rate.function)).unwrap_or_default()
}

/// The autoscaler that the evidence has; an error says what of it cannot be read.
pub fn autoscaler(evidence: &Evidence, scaling: &ScalingMetric) -> Result<Assumed, String> {
    let name = format!("{}/{}", evidence.namespace, evidence.name);
    let (Some(hpa), Some(metric)) = (evidence.hpa.seen(), &scaling.metric) else {
        return Err(format!("{name}: the metric that it scales by is not known"));
    };
    let spec = &hpa["spec"];
    let replicas = |field: &str| spec[field].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let scrape = intervals::scrape(evidence).filter(|seconds| PERIOD.contains(seconds));
    let window = scaling.window.filter(|seconds| PERIOD.contains(seconds));
    let autoscaler = Autoscaler {
        scaled: Hpa(hpa).scaled(),
        metric: metric.name.clone(),
        target: metric.target,
        min: replicas("minReplicas"),
        max: replicas("maxReplicas"),
        behavior: behavior(&spec["behavior"]).map_err(|why| format!("{name}: spec.behavior.{why}"))?,
        pipeline: Pipeline {
            scrape: scrape.unwrap_or(SCRAPE_INTERVAL),
            window: window.unwrap_or(RATE_WINDOW),
            function: function(scaling),
            relist: intervals::relist(evidence, scaling),
            sync: SYNC_PERIOD,
            startup: CONTAINER_START + pods::readiness_delay(evidence).clamp(0.0, DAY - CONTAINER_START),
            source: if metric.source == Source::Adapter { predict::Source::Pods } else { predict::Source::External },
        },
        created: time(&hpa["metadata"]["creationTimestamp"]),
        metrics: Vec::new(),
        kubernetes: Version::default(),
        name,
    };
    let mut assumptions = Vec::new();
    let others = others(evidence);
    if !others.is_empty() {
        assumptions.push(format!(
            "the HPA scales by {} as well, and follows whichever asks for most: {} alone is watched and predicted",
            others.join(", "),
            metric.name
        ));
    }
    let unknown = match (scrape, window) {
        (Some(_), Some(_)) => None,
        (None, Some(_)) => Some(format!("a scrape each {SCRAPE_INTERVAL} s is assumed: {}", no_scrape(evidence))),
        (Some(_), None) => Some(format!("a window of {RATE_WINDOW} s is assumed: {}", no_window(evidence, scaling))),
        (None, None) => Some(format!(
            "a scrape each {SCRAPE_INTERVAL} s and a window of {RATE_WINDOW} s are assumed: {}, {}",
            no_scrape(evidence),
            no_window(evidence, scaling)
        )),
    };
    assumptions.extend(unknown);
    Ok(Assumed { autoscaler, assumptions })
}

/// An HPA's `behavior`, as the model takes it; an error says what of it cannot be read.
pub fn behavior(written: &Value) -> Result<Behavior, String> {
    let written: Option<HorizontalPodAutoscalerBehavior> =
        serde_json::from_value(written.clone()).map_err(|error| format!(" {error}"))?;
    Behavior::of(written.as_ref()).map_err(|error| error.to_string())
}

/// Why the interval is not known.
fn no_scrape(evidence: &Evidence) -> String {
    match &evidence.monitors {
        Read::Unread(unread) => unread.reason(),
        _ => "no monitor with a usable interval selects the pods".to_owned(),
    }
}

/// Why the window is not known.
fn no_window(evidence: &Evidence, scaling: &ScalingMetric) -> String {
    let of_keda = scaling.metric.as_ref().is_some_and(|metric| metric.source == Source::Keda);
    let read = if of_keda { &evidence.scaled_object } else { &evidence.server.config };
    match read {
        Read::Unread(unread) => unread.reason(),
        Read::Absent | Read::NotAsked if of_keda => "there is no ScaledObject".to_owned(),
        Read::NotAsked => format!("the adapter's rules are not known: {}", adapter::unknown(evidence)),
        Read::Absent => "the adapter's ConfigMap does not exist".to_owned(),
        Read::Seen(_) if scaling.query.is_some() => "the query has no rate over a window".to_owned(),
        Read::Seen(_) if of_keda => "the metric's trigger does not ask Prometheus".to_owned(),
        Read::Seen(_) => "no rule of the adapter makes the metric".to_owned(),
    }
}
