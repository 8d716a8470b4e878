//! What the API server refuses of a `HorizontalPodAutoscaler`, before any model is asked.
//!
//! Source: `pkg/apis/autoscaling/validation` of Kubernetes 1.37. What stands in `behavior` is read, and refused, by
//! [`crate::autoscaling::hpa::Behavior`].

use serde_json::Value;

use super::Error;
use crate::autoscaling::manifests::documents::Document;
use crate::autoscaling::quantity;

/// The metric types, each with the field that has its settings.
const TYPES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("External", "external"),
    ("ContainerResource", "containerResource"),
];

/// Passes an HPA that the API server takes; an error names the first field that it would refuse.
pub(super) fn check(hpa: &Document) -> Result<(), Error> {
    if hpa.name().is_empty() {
        return Err(hpa.change("metadata.name", "the HPA's name"));
    }
    let min = "spec.minReplicas";
    if hpa.get(min).and_then(Value::as_i64).is_some_and(|number| number < 0) {
        return Err(hpa.change(min, "0 or more"));
    }
    reference(hpa, "spec.scaleTargetRef", false)?;
    let metrics = hpa.list("spec.metrics");
    for index in 0..metrics.len() {
        metric(hpa, &format!("spec.metrics[{index}]"))?;
    }
    let is_known_at_zero = |metric: &Value| metric["type"] == "Object" || metric["type"] == "External";
    if hpa.get(min) == Some(&Value::from(0)) && !metrics.iter().any(is_known_at_zero) {
        let what = "is 0, and spec.metrics has no Object and no External metric, without which an HPA cannot scale from \
                    zero: add one, or make spec.minReplicas 1";
        return Err(hpa.wrong(min, what));
    }
    Ok(())
}

/// A reference to another object. Only one to an object that is described, not scaled, may be to the core group.
fn reference(hpa: &Document, path: &str, may_be_core: bool) -> Result<(), Error> {
    for field in ["kind", "name"] {
        segment(hpa, &format!("{path}.{field}"))?;
    }
    let version = format!("{path}.apiVersion");
    let written = hpa.text(&version).unwrap_or_default();
    let (group, rest) = written.split_once('/').unwrap_or(("", written));
    let is_core = group.is_empty() && !rest.contains('/');
    let is_replication_controller = hpa.text(&format!("{path}.kind")) == Some("ReplicationController");
    if rest.contains('/') || (is_core && !may_be_core && !is_replication_controller) {
        return Err(hpa.change(&version, "the object's group and version, such as apps/v1"));
    }
    Ok(())
}

/// A name that can stand in a URL.
fn segment(hpa: &Document, path: &str) -> Result<(), Error> {
    match hpa.text(path) {
        None | Some("") => Err(hpa.change(path, "a name")),
        Some(name) if name == "." || name == ".." || name.contains(['/', '%']) => {
            Err(hpa.change(path, "a name without / and %"))
        }
        Some(_) => Ok(()),
    }
}

fn metric(hpa: &Document, path: &str) -> Result<(), Error> {
    let kind = format!("{path}.type");
    let is_written = |field: &str| hpa.get(&format!("{path}.{field}")).is_some_and(|value| !value.is_null());
    let own = TYPES.iter().find(|(name, _)| hpa.text(&kind) == Some(name));
    let Some((kind, field)) = own else {
        return Err(hpa.change(&kind, "Object, Pods, Resource, External or ContainerResource"));
    };
    if !is_written(field) {
        return Err(
            hpa.wrong(&format!("{path}.{field}"), &format!("is missing, and the metric's type is {kind}: add it"))
        );
    }
    if let Some((_, other)) = TYPES.iter().find(|(_, other)| other != field && is_written(other)) {
        let what = format!("does not belong to a metric of type {kind}: leave it out");
        return Err(hpa.wrong(&format!("{path}.{other}"), &what));
    }
    let source = format!("{path}.{field}");
    match *kind {
        "Object" => {
            reference(hpa, &format!("{source}.describedObject"), true)?;
            segment(hpa, &format!("{source}.metric.name"))?;
        }
        "Pods" | "External" => segment(hpa, &format!("{source}.metric.name"))?,
        _ => segment(hpa, &format!("{source}.name"))?,
    }
    if *kind == "ContainerResource" {
        segment(hpa, &format!("{source}.container"))?;
    }
    target(hpa, kind, &format!("{source}.target"))
}

fn target(hpa: &Document, kind: &str, path: &str) -> Result<(), Error> {
    let field = |name: &str| format!("{path}.{name}");
    let is_written = |name: &str| hpa.get(&field(name)).is_some_and(|value| !value.is_null());
    if !["Utilization", "Value", "AverageValue"].map(Some).contains(&hpa.text(&field("type"))) {
        return Err(hpa.change(&field("type"), "Utilization, Value or AverageValue"));
    }
    for name in ["value", "averageValue"].into_iter().filter(|name| is_written(name)) {
        if quantity(hpa, &field(name)).is_none_or(|value| value <= 0.0) {
            return Err(hpa.change(&field(name), r#"a quantity above 0, such as "2" or "500m""#));
        }
    }
    if is_written("averageUtilization")
        && hpa.get(&field("averageUtilization")).and_then(Value::as_i64).is_none_or(|percent| percent < 1)
    {
        return Err(hpa.change(&field("averageUtilization"), "a whole number of per cent above 0"));
    }
    // The fields of which one is needed; External and resource metrics may not have both.
    let (fields, both) = match kind {
        "Pods" => (&["averageValue"][..], true),
        "Object" => (&["averageValue", "value"][..], true),
        "External" => (&["averageValue", "value"][..], false),
        _ => (&["averageUtilization", "averageValue"][..], false),
    };
    let written = fields.iter().filter(|name| is_written(name)).count();
    if written == 0 {
        return Err(hpa.change(&field(fields[0]), r#"a quantity above 0, such as "2" or "500m""#));
    }
    if written == 2 && !both {
        let what = format!("stands beside {}: leave one of them out", fields[0]);
        return Err(hpa.wrong(&field(fields[1]), &what));
    }
    Ok(())
}

/// A quantity, which YAML may have as a number as well.
pub(super) fn quantity(document: &Document, path: &str) -> Option<f64> {
    match document.get(path) {
        Some(Value::String(text)) => quantity::value(text),
        Some(number) => number.as_f64(),
        None => None,
    }
}
