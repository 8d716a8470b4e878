//! What scales: a `HorizontalPodAutoscaler` on the adapter's metric, or KEDA's `ScaledObject`.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use serde_json::Value;

use super::Error;
use crate::autoscaling::hpa::Behavior;
use crate::autoscaling::manifests::documents::{Document, SHOWN};
use crate::autoscaling::predict::Source;
use crate::autoscaling::promql::{rates, seconds};
use crate::autoscaling::quantity;
use crate::autoscaling::rate::Function;
use crate::bounds::{PERIOD, REPLICAS, TARGET};

/// An autoscaler, as it stands in its manifest.
pub(super) struct Scaler {
    pub name: String,
    pub deployment: String,
    pub metric: String,
    pub target: f64,
    pub min: u32,
    pub max: u32,
    pub behavior: Behavior,
    pub source: Source,
    /// KEDA's query; that of an HPA's own metric stands in the adapter's rule.
    pub query: Option<Query>,
}

/// What is asked of Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    /// The window of its rate, in seconds.
    pub window: f64,
    /// Which rate that is.
    pub function: Function,
    /// The name of the series that it is the rate of.
    pub series: Option<String>,
}

pub(super) fn from_hpa(hpa: &Document) -> Result<Scaler, Error> {
    if hpa.text("apiVersion") != Some("autoscaling/v2") {
        return Err(
            hpa.change("apiVersion", "autoscaling/v2: the versions before it cannot name such a metric, or are gone")
        );
    }
    let deployment = scaled(hpa, hpa.text("spec.scaleTargetRef.kind").unwrap_or_default())?;
    let metrics = hpa.list("spec.metrics");
    let (source, field) = match hpa.text("spec.metrics[0].type") {
        Some("Pods") if metrics.len() == 1 => (Source::Pods, "spec.metrics[0].pods"),
        Some("External") if metrics.len() == 1 => (Source::External, "spec.metrics[0].external"),
        _ => {
            let kinds: Vec<_> = metrics.iter().filter_map(|metric| metric["type"].as_str()).collect();
            let what = format!("has the types {kinds:?}: the model knows one metric, of type Pods or External");
            return Err(hpa.wrong("spec.metrics", &what));
        }
    };
    let metric = format!("{field}.metric.name");
    let metric = hpa.text(&metric).ok_or_else(|| hpa.change(&metric, "the metric's name"))?;
    let (min, max) = bounds(hpa, "spec.minReplicas", "spec.maxReplicas", 1, None)?;
    Ok(Scaler {
        name: hpa.name().into(),
        deployment,
        metric: metric.into(),
        target: positive(hpa, &format!("{field}.target.averageValue"))?,
        min,
        max,
        behavior: behavior(hpa, "spec.behavior")?,
        source,
        query: None,
    })
}

pub(super) fn from_scaled_object(object: &Document) -> Result<Scaler, Error> {
    let deployment = scaled(object, object.text("spec.scaleTargetRef.kind").unwrap_or("Deployment"))?;
    let trigger = "spec.triggers[0]";
    if object.list("spec.triggers").len() != 1 || object.text(&format!("{trigger}.type")) != Some("prometheus") {
        return Err(object
            .wrong("spec.triggers", "has to be one trigger of type prometheus, which is all that the model knows"));
    }
    let kind = format!("{trigger}.metricType");
    if object.text(&kind).is_some_and(|kind| kind != "AverageValue") {
        return Err(object.change(&kind, "AverageValue, which the HPA divides by the number of pods"));
    }
    let query = format!("{trigger}.metadata.query");
    let text = object.text(&query).ok_or_else(|| object.change(&query, "a query, such as sum(rate(x[1m]))"))?;
    // From zero to one and back is KEDA's own doing; its HPA has a minimum of one at least.
    let (min, max) = bounds(object, "spec.minReplicaCount", "spec.maxReplicaCount", 0, Some(100))?;
    let config = "spec.advanced.horizontalPodAutoscalerConfig";
    let name = object.text(&format!("{config}.name"));
    Ok(Scaler {
        name: name.map_or_else(|| format!("keda-hpa-{}", object.name()), Into::into),
        deployment,
        metric: "s0-prometheus".into(),
        target: positive(object, &format!("{trigger}.metadata.threshold"))?,
        min: min.max(1),
        max,
        behavior: behavior(object, &format!("{config}.behavior"))?,
        source: Source::External,
        query: Some(Query::of(object, &query, text, text)?),
    })
}

fn scaled(document: &Document, kind: &str) -> Result<String, Error> {
    if kind != "Deployment" {
        return Err(document.change("spec.scaleTargetRef.kind", "Deployment"));
    }
    let name = "spec.scaleTargetRef.name";
    document.text(name).map(Into::into).ok_or_else(|| document.change(name, "the Deployment's name"))
}

fn bounds(document: &Document, min: &str, max: &str, least: u32, most: Option<u32>) -> Result<(u32, u32), Error> {
    let (from, to) = (document.number(min, Some(least))?, document.number(max, most)?);
    if to == 0 || from > to {
        return Err(document.change(max, &format!("1 or more, and no less than {min}, which is {from}")));
    }
    if to > REPLICAS {
        return Err(document.change(max, &format!("{REPLICAS} or less, which is all that the model knows")));
    }
    Ok((from, to))
}

fn behavior(document: &Document, path: &str) -> Result<Behavior, Error> {
    let written: Option<HorizontalPodAutoscalerBehavior> = document.typed(path)?;
    Behavior::of(written.as_ref()).map_err(|error| document.wrong(&format!("{path}.{}", error.field), &error.what))
}

/// A quantity above nothing, which YAML may have as a number as well.
fn positive(document: &Document, path: &str) -> Result<f64, Error> {
    let value = match document.get(path) {
        Some(Value::String(text)) => quantity::value(text),
        Some(number) => number.as_f64(),
        None => None,
    };
    let value = value.filter(|value| *value > 0.0);
    let value = value.ok_or_else(|| document.change(path, r#"a quantity above 0, such as "2" or "500m""#))?;
    if TARGET.contains(&value) { Ok(value) } else { Err(document.change(path, r#""1m" to "1P""#)) }
}

impl Query {
    /// Reads it; an error shows it as it is written, at this path.
    pub fn of(document: &Document, path: &str, query: &str, written: &str) -> Result<Self, Error> {
        let rate = rates(query).into_iter().find_map(|rate| Some((Function::named(rate.function)?, rate)));
        let window = rate.and_then(|(_, rate)| seconds(rate.range.trim())).filter(|seconds| *seconds > 0.0);
        let (Some((function, rate)), Some(window)) = (rate, window) else {
            let written: String = written.chars().take(SHOWN).collect();
            let what = "make it a query with a rate() over a window, such as rate(x[2m])";
            return Err(document.wrong(path, &format!("is {written:?}: {what}")));
        };
        if !PERIOD.contains(&window) {
            return Err(document.wrong(path, "has a window that is no time from 100ms to 1d"));
        }
        Ok(Self { window, function, series: rate.series.map(str::to_owned) })
    }
}
