//! What scales: a `HorizontalPodAutoscaler` on the adapter's metric, or KEDA's `ScaledObject`.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use serde_json::Value;

use super::{Error, validation};
use crate::autoscaling::hpa::{Behavior, Metric, Of, Target};
use crate::autoscaling::manifests::documents::{Document, SHOWN};
use crate::autoscaling::promql::{rates, seconds};
use crate::autoscaling::rate::Function;
use crate::bounds::{PERIOD, REPLICAS, TARGET};

/// An autoscaler, as it stands in its manifest.
pub(super) struct Scaler<'a> {
    pub document: &'a Document,
    pub name: String,
    pub deployment: String,
    pub metrics: Vec<Scaled>,
    /// The metrics that the model does not know, as they are shown.
    pub not_modelled: Vec<String>,
    pub min: u32,
    pub max: u32,
    pub behavior: Behavior,
}

/// One of its metrics.
pub(super) struct Scaled {
    pub metric: Metric,
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

pub(super) fn from_hpa(hpa: &Document) -> Result<Scaler<'_>, Error> {
    if hpa.text("apiVersion") != Some("autoscaling/v2") {
        return Err(
            hpa.change("apiVersion", "autoscaling/v2: the versions before it cannot name such a metric, or are gone")
        );
    }
    validation::check(hpa)?;
    let (min, max) = bounds(hpa, "spec.minReplicas", "spec.maxReplicas", 1, None)?;
    let deployment = scaled(hpa, hpa.text("spec.scaleTargetRef.kind").unwrap_or_default())?;
    let (mut metrics, mut not_modelled) = (Vec::new(), Vec::new());
    for (index, written) in hpa.list("spec.metrics").iter().enumerate() {
        let kind = written["type"].as_str().unwrap_or_default();
        let (of, field) = match kind {
            "Pods" => (Of::Pods, "pods"),
            "External" => (Of::External, "external"),
            "Object" => {
                let text =
                    |field: &str| written["object"]["describedObject"][field].as_str().unwrap_or_default().into();
                (Of::Object { kind: text("kind"), object: text("name") }, "object")
            }
            _ => {
                not_modelled.push(of_resource(written));
                continue;
            }
        };
        let path = format!("spec.metrics[{index}].{field}");
        let name = format!("{path}.metric.name");
        let name = hpa.text(&name).ok_or_else(|| hpa.change(&name, "the metric's name"))?.to_owned();
        let average = format!("{path}.target.averageValue");
        let is_average = kind == "Pods" || hpa.get(&average).is_some_and(|value| !value.is_null());
        // Of an Object metric that has both, the type decides.
        let is_value = kind == "Object" && hpa.text(&format!("{path}.target.type")) == Some("Value");
        let target = if is_average && !is_value {
            Target::AverageValue(positive(hpa, &average)?)
        } else {
            Target::Value(positive(hpa, &format!("{path}.target.value"))?)
        };
        metrics.push(Scaled { metric: Metric { name, of, target }, query: None });
    }
    if metrics.is_empty() {
        let kinds: Vec<_> = hpa.list("spec.metrics").iter().filter_map(|metric| metric["type"].as_str()).collect();
        let what = format!("has the types {kinds:?}: the model knows metrics of type Pods, External and Object");
        return Err(hpa.wrong("spec.metrics", &what));
    }
    let behavior = behavior(hpa, "spec.behavior")?;
    Ok(Scaler { document: hpa, name: hpa.name().into(), deployment, metrics, not_modelled, min, max, behavior })
}

/// A metric of type `Resource` or `ContainerResource`, as it is shown.
fn of_resource(metric: &Value) -> String {
    let field = if metric["type"] == "Resource" { "resource" } else { "containerResource" };
    let name = match metric[field]["name"].as_str() {
        Some("cpu") => "CPU",
        Some(name) => name,
        None => "a resource",
    };
    match metric[field]["container"].as_str() {
        Some(container) => format!("{name} of container {container}"),
        None => name.to_owned(),
    }
}

pub(super) fn from_scaled_object(object: &Document) -> Result<Scaler<'_>, Error> {
    let deployment = scaled(object, object.text("spec.scaleTargetRef.kind").unwrap_or("Deployment"))?;
    // From zero to one and back is KEDA's own doing; its HPA has a minimum of one at least.
    let (min, max) = bounds(object, "spec.minReplicaCount", "spec.maxReplicaCount", 0, Some(100))?;
    let (mut metrics, mut not_modelled) = (Vec::new(), Vec::new());
    for (index, trigger) in object.list("spec.triggers").iter().enumerate() {
        let path = format!("spec.triggers[{index}]");
        match trigger["type"].as_str() {
            Some("prometheus") => metrics.push(from_trigger(object, index, &path)?),
            Some("cpu") => not_modelled.push("CPU".to_owned()),
            Some(other) => not_modelled.push(format!("the trigger {other}")),
            None => return Err(object.change(&format!("{path}.type"), "the trigger's type, such as prometheus")),
        }
    }
    if metrics.is_empty() {
        return Err(object.wrong("spec.triggers", "has none of type prometheus, which is all that the model knows"));
    }
    let config = "spec.advanced.horizontalPodAutoscalerConfig";
    let name = object.text(&format!("{config}.name"));
    Ok(Scaler {
        document: object,
        name: name.map_or_else(|| format!("keda-hpa-{}", object.name()), Into::into),
        deployment,
        metrics,
        not_modelled,
        min: min.max(1),
        max,
        behavior: behavior(object, &format!("{config}.behavior"))?,
    })
}

/// KEDA's HPA has an External metric of each trigger.
fn from_trigger(object: &Document, index: usize, path: &str) -> Result<Scaled, Error> {
    let kind = format!("{path}.metricType");
    let threshold = positive(object, &format!("{path}.metadata.threshold"))?;
    let target = match object.text(&kind) {
        None | Some("AverageValue") => Target::AverageValue(threshold),
        Some("Value") => Target::Value(threshold),
        Some(_) => return Err(object.change(&kind, "AverageValue or Value")),
    };
    let query = format!("{path}.metadata.query");
    let text = object.text(&query).ok_or_else(|| object.change(&query, "a query, such as sum(rate(x[1m]))"))?;
    let query = Query::of(object, &query, text, text)?;
    Ok(Scaled { metric: Metric { name: format!("s{index}-prometheus"), of: Of::External, target }, query: Some(query) })
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
    let value = validation::quantity(document, path).filter(|value| *value > 0.0);
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
