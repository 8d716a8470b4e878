//! What KEDA makes of a `ScaledObject`: the HPA's name, the triggers of a metric, and what its annotations and its status say.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::trigger_number;
use crate::doctor::objects::{ScaledObject, is, name, text};

/// The metric that KEDA makes of several triggers by a formula.
const COMPOSITE: &str = "composite-metric";

/// The annotations that stop all scaling. KEDA deletes the HPA while one of them is there.
const PAUSED: [&str; 2] = ["autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"];

/// The annotations that stop one direction. Before 2.18, `paused-scale-down` was the only one.
const PAUSED_IN: [&str; 2] = ["autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-down"];
const PAUSED_OUT: [&str; 1] = ["autoscaling.keda.sh/paused-scale-out"];

/// The longest name of an HPA that older versions of KEDA give.
const LONGEST: usize = 63;

/// The name of the HPA that KEDA makes: the one in the status, the one in the spec, or the usual one.
pub fn hpa_name(object: &Value) -> String {
    let written = ["/status/hpaName", "/spec/advanced/horizontalPodAutoscalerConfig/name"].map(|at| text(object, at));
    let written = written.into_iter().find(|name| !name.is_empty());
    written.map_or_else(|| format!("keda-hpa-{}", name(object)), str::to_owned)
}

/// Whether an HPA of this name is the object's. Some versions of KEDA shorten the usual name.
pub fn is_hpa_of(object: &Value, hpa: &str) -> bool {
    let whole = hpa_name(object);
    let short = whole.get(..LONGEST).map(|short| short.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()));
    whole == hpa || short == Some(hpa)
}

/// The triggers that make a metric, with their numbers: one, or those that the formula of a composite metric names.
pub fn triggers<'a>(object: &'a Value, metric: &str) -> Vec<(usize, &'a Value)> {
    let all = ScaledObject(object).triggers();
    if !is_composite(metric) {
        let number = trigger_number(metric);
        return number.and_then(|number| Some((number, all.get(number)?))).into_iter().collect();
    }
    let formula = text(object, "/spec/advanced/scalingModifiers/formula");
    let words: BTreeSet<&str> = formula.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let named = |(_, trigger): &(usize, &Value)| words.contains(text(trigger, "/name")) && trigger["name"].is_string();
    let named: Vec<_> = all.iter().enumerate().filter(named).collect();
    if named.is_empty() { all.iter().enumerate().collect() } else { named }
}

/// Whether a metric is made of several triggers by a formula.
pub fn is_composite(metric: &str) -> bool {
    metric.ends_with(COMPOSITE)
}

/// The annotation that stops all scaling, and its value.
pub fn paused(object: &Value) -> Option<(&'static str, &str)> {
    annotated(object, &PAUSED)
}

/// The annotation that stops scaling in.
pub fn paused_in(object: &Value) -> Option<(&'static str, &str)> {
    annotated(object, &PAUSED_IN)
}

/// The annotation that stops scaling out.
pub fn paused_out(object: &Value) -> Option<(&'static str, &str)> {
    annotated(object, &PAUSED_OUT)
}

/// KEDA reads everything as true but what Go's `ParseBool` reads as false. A number of replicas is no truth value.
fn annotated<'a>(object: &'a Value, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
    let annotations = &object["metadata"]["annotations"];
    names.iter().find_map(|name| {
        let value = annotations[*name].as_str()?;
        let is_off = !name.ends_with("-replicas") && matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE");
        (!is_off).then_some((*name, value))
    })
}

/// Whether KEDA answers with its fallback, which proves nothing about the triggers.
pub fn falls_back(evidence: &Evidence) -> bool {
    evidence.scaled_object.seen().is_some_and(|object| is(object, "Fallback"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hpa_is_found_by_each_name_that_keda_gives_it() {
        let object = |name: &str| json!({"metadata": {"name": name}, "spec": {}});
        assert!(is_hpa_of(&object("shop"), "keda-hpa-shop") && !is_hpa_of(&object("shop"), "shop"));
        let long = object(&format!("{}-shop", "a".repeat(56)));
        assert!(is_hpa_of(&long, &format!("keda-hpa-{}-shop", "a".repeat(56))), "as it is");
        assert!(is_hpa_of(&long, &format!("keda-hpa-{}", "a".repeat(54))), "shortened");
        let mut named = object("shop");
        named["spec"]["advanced"] = json!({"horizontalPodAutoscalerConfig": {"name": "mine"}});
        assert!(is_hpa_of(&named, "mine") && !is_hpa_of(&named, "keda-hpa-shop"));
    }

    #[test]
    fn formula_names_the_triggers_of_a_composite_metric() {
        let trigger = |name: &str| json!({"type": "prometheus", "name": name});
        let object = |formula: &str| {
            json!({"spec": {"triggers": [trigger("rps"), trigger("queue"), trigger("unused")],
                            "advanced": {"scalingModifiers": {"formula": formula}}}})
        };
        let numbers = |formula: &str| -> Vec<usize> {
            let object = object(formula);
            triggers(&object, "composite-metric").into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(numbers("rps + max([queue, 2])"), [0, 1]);
        assert_eq!(numbers("trig_one"), [0, 1, 2]);
        let object = object("rps");
        assert_eq!(triggers(&object, "s1-prometheus")[0].0, 1);
        assert!(triggers(&object, "s7-prometheus").is_empty() && triggers(&object, "other").is_empty());
    }

    #[test]
    fn annotation_pauses_unless_it_is_false() {
        let object = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
        for (value, is_paused) in [("true", true), ("yes", true), ("", true), ("false", false), ("0", false)] {
            assert_eq!(paused(&object("autoscaling.keda.sh/paused", value)).is_some(), is_paused, "{value}");
        }
        assert!(paused(&object("autoscaling.keda.sh/paused-replicas", "0")).is_some());
        assert!(paused(&object("autoscaling.keda.sh/paused-scale-in", "true")).is_none());
        assert!(paused_in(&object("autoscaling.keda.sh/paused-scale-in", "true")).is_some());
        assert!(paused_out(&object("autoscaling.keda.sh/paused-scale-out", "true")).is_some());
    }
}
