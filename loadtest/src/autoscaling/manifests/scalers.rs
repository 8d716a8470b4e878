//! What scales: a `HorizontalPodAutoscaler` on the adapter's metric, or KEDA's `ScaledObject`.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use serde_json::Value;

use crate::autoscaling::hpa::Behavior;
use crate::autoscaling::manifests::documents::{Document, SHOWN};
use crate::autoscaling::predict::Source;
use crate::autoscaling::{adapter_rules, quantity};
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
    /// The window in seconds, and the series, of KEDA's query; those of a Pods metric stand in the adapter's rule.
    pub query: Option<(f64, Option<String>)>,
}

pub(super) fn from_hpa(hpa: &Document) -> Result<Scaler, String> {
    if hpa.text("apiVersion") != Some("autoscaling/v2") {
        return Err(
            hpa.change("apiVersion", "autoscaling/v2: the versions before it cannot name such a metric, or are gone")
        );
    }
    let deployment = scaled(hpa, hpa.text("spec.scaleTargetRef.kind").unwrap_or_default())?;
    let metrics = hpa.list("spec.metrics");
    if metrics.len() != 1 || hpa.text("spec.metrics[0].type") != Some("Pods") {
        let kinds: Vec<_> = metrics.iter().filter_map(|metric| metric["type"].as_str()).collect();
        let what = format!("has the types {kinds:?}: the model knows one metric, of type Pods");
        return Err(hpa.wrong("spec.metrics", &what));
    }
    let metric = "spec.metrics[0].pods.metric.name";
    let metric = hpa.text(metric).ok_or_else(|| hpa.change(metric, "the metric's name"))?;
    let (min, max) = bounds(hpa, "spec.minReplicas", "spec.maxReplicas", 1, None)?;
    Ok(Scaler {
        name: hpa.name().into(),
        deployment,
        metric: metric.into(),
        target: positive(hpa, "spec.metrics[0].pods.target.averageValue")?,
        min,
        max,
        behavior: behavior(hpa, "spec.behavior")?,
        source: Source::Pods,
        query: None,
    })
}

pub(super) fn from_scaled_object(object: &Document) -> Result<Scaler, String> {
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
        query: Some((window(object, &query, text)?, series(text))),
    })
}

fn scaled(document: &Document, kind: &str) -> Result<String, String> {
    if kind != "Deployment" {
        return Err(document.change("spec.scaleTargetRef.kind", "Deployment"));
    }
    let name = "spec.scaleTargetRef.name";
    document.text(name).map(Into::into).ok_or_else(|| document.change(name, "the Deployment's name"))
}

fn bounds(document: &Document, min: &str, max: &str, least: u32, most: Option<u32>) -> Result<(u32, u32), String> {
    let (from, to) = (document.number(min, Some(least))?, document.number(max, most)?);
    if to == 0 || from > to {
        return Err(document.change(max, &format!("1 or more, and no less than {min}, which is {from}")));
    }
    if to > REPLICAS {
        return Err(document.change(max, &format!("{REPLICAS} or less, which is all that the model knows")));
    }
    Ok((from, to))
}

fn behavior(document: &Document, path: &str) -> Result<Behavior, String> {
    let written: Option<HorizontalPodAutoscalerBehavior> = document.typed(path)?;
    Behavior::of(written.as_ref())
        .map_err(|error| document.wrong(&format!("{path}.{}", first_word(&error).0), first_word(&error).1))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// A quantity above nothing, which YAML may have as a number as well.
fn positive(document: &Document, path: &str) -> Result<f64, String> {
    let value = match document.get(path) {
        Some(Value::String(text)) => quantity::value(text),
        Some(number) => number.as_f64(),
        None => None,
    };
    let value = value.filter(|value| *value > 0.0);
    let value = value.ok_or_else(|| document.change(path, r#"a quantity above 0, such as "2" or "500m""#))?;
    if TARGET.contains(&value) { Ok(value) } else { Err(document.change(path, r#""1m" to "1P""#)) }
}

/// The window, in seconds, of the adapter's rule that makes this metric, and the series that it is made of.
pub(super) fn adapter_query(maps: &[&Document], metric: &str) -> Result<(f64, Option<String>), String> {
    for map in maps {
        for (path, configuration) in map.configurations() {
            let rules = configuration["rules"].as_array().map_or(&[][..], Vec::as_slice);
            if let Some(rule) = rules.iter().find(|rule| makes(rule, metric)) {
                let query = format!("{path}: metricsQuery of the rule for {metric}");
                let text = rule["metricsQuery"].as_str().ok_or_else(|| map.wrong(&query, "is missing"))?;
                let series = rule["seriesQuery"].as_str().and_then(|query| query.split('{').next());
                let series = series.filter(|name| !name.is_empty()).map(str::to_owned);
                return Ok((window(map, &query, text)?, series));
            }
        }
    }
    Err(format!(
        "no ConfigMap has an adapter rule whose name.as makes {metric} of a series: add one, or correct the metric's name \
         in the HPA"
    ))
}

/// Whether a rule's `as` can come to this name: what stands before and after the part of the series' name.
fn makes(rule: &Value, metric: &str) -> bool {
    let Some(name) = rule["name"]["as"].as_str() else { return false };
    let Some((before, rest)) = name.split_once('$') else { return name == metric };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '{' || c == '}');
    metric.len() > before.len() + after.len() && metric.starts_with(before) && metric.ends_with(after)
}

/// The window of a query's `rate()`, in seconds.
fn window(document: &Document, path: &str, query: &str) -> Result<f64, String> {
    let rate = query
        .match_indices("rate(")
        .find(|(at, _)| !query[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    let range = rate.and_then(|(at, _)| query[at..].split_once('[')).and_then(|(_, rest)| rest.split_once(']'));
    let seconds = range.and_then(|(range, _)| adapter_rules::seconds(range));
    let seconds = seconds.filter(|seconds| *seconds > 0.0).ok_or_else(|| {
        let query: String = query.chars().take(SHOWN).collect();
        document.wrong(path, &format!("is {query:?}: make it a query with a rate() over a window, such as rate(x[2m])"))
    })?;
    if PERIOD.contains(&seconds) {
        Ok(seconds)
    } else {
        Err(document.wrong(path, "has a window that is no time from 100ms to 1d"))
    }
}

/// The series that a query takes the `rate()` of.
fn series(query: &str) -> Option<String> {
    let name = query.split_once("rate(")?.1.split(['{', '[']).next()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
