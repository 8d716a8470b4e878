//! Tolerances, totals of other kinds, several metrics, zero and back, and a spec that changes.

use serde_json::{Value, json};

use super::{Answer, Kind, Situation, missing, policy, situation, total};

/// The pods' values, and one total.
const fn sum(total: i64) -> Answer {
    Answer::Total(total)
}

pub fn situations() -> Vec<Situation> {
    [tolerances(), totals(), several(), selected(), zero(), changed()].concat()
}

/// A behavior with these tolerances up and down, and without stabilisation.
fn tolerances_of(up: &str, down: &str) -> Value {
    json!({"scaleUp": {"tolerance": up}, "scaleDown": {"tolerance": down, "stabilizationWindowSeconds": 0}})
}

fn tolerances() -> Vec<Situation> {
    let ten = "RRRRRRRRRR";
    vec![
        situation("up with a tolerance of 0", "RR", &[2001, 2001]).behavior(tolerances_of("0", "100m")),
        situation("on target with a tolerance of 0", "RR", &[2000, 2000]).behavior(tolerances_of("0", "0")),
        situation("down with a tolerance of 0", ten, &[1799; 10]).behavior(tolerances_of("100m", "0")),
        situation("at an upper tolerance of 0.05", "R", &[2100]).behavior(tolerances_of("0.05", "0.05")),
        situation("above an upper tolerance of 0.05", "R", &[2101]).behavior(tolerances_of("0.05", "0.05")),
        situation("at a lower tolerance of 0.05", ten, &[1900; 10]).behavior(tolerances_of("0.05", "0.05")),
        situation("below a lower tolerance of 0.05", ten, &[1799; 10]).behavior(tolerances_of("0.05", "0.05")),
        situation("at an upper tolerance of 0.5", "R", &[3000]).behavior(tolerances_of("0.5", "0.5")),
        situation("above an upper tolerance of 0.5", "R", &[3001]).behavior(tolerances_of("0.5", "0.5")),
        situation("at a lower tolerance of 0.5", ten, &[1000; 10]).behavior(tolerances_of("0.5", "0.5")),
        situation("below a lower tolerance of 0.5", ten, &[999; 10]).behavior(tolerances_of("0.5", "0.5")),
        total("a sum with a tolerance of 0", 2, 4001).behavior(tolerances_of("0", "0.5")),
    ]
}

fn totals() -> Vec<Situation> {
    vec![
        total("a sum while there are no status replicas", 2, 4400).pods("RR"),
        total("a smaller sum while there are no status replicas", 10, 18_000).pods("RRRRRRRRRR").at_once(),
        total("a Service's sum", 2, 4401).of(Kind::Object),
        total("a Service's sum within the tolerance", 2, 4400).of(Kind::Object),
        missing(total("no such metric of a Service", 2, 0).of(Kind::Object)),
        total("a value, up", 2, 3000).of(Kind::ExternalValue).pods("RR"),
        total("a value within the tolerance", 2, 2200).of(Kind::ExternalValue).pods("RR"),
        total("a value, down", 4, 500).of(Kind::ExternalValue).pods("RRRR").at_once(),
        total("a value with a pending pod", 2, 3000).of(Kind::ExternalValue).pods("RP"),
        total("a value without pods", 2, 3000).of(Kind::ExternalValue).pods(""),
        total("a Service's value", 2, 3000).of(Kind::ObjectValue).pods("RR"),
    ]
}

fn several() -> Vec<Situation> {
    let pods = |name, values: &[i64; 2]| situation(name, "RR", values).at_once();
    vec![
        pods("two metrics, the first larger", &[4000, 4000]).and(Kind::ExternalValue, vec![sum(2000)]),
        pods("two metrics, the second larger", &[2000, 2000]).and(Kind::ExternalValue, vec![sum(5000)]),
        pods("two metrics, both down", &[0, 0]).and(Kind::ExternalValue, vec![sum(500)]),
        pods("two metrics, one invalid, up", &[4000, 4000]).and(Kind::External, vec![Answer::Missing]),
        pods("two metrics, one invalid, down", &[0, 0]).and(Kind::External, vec![Answer::Missing]),
        pods("two metrics, one invalid, on target", &[2000, 2000]).and(Kind::Object, vec![Answer::Missing]),
        missing(situation("two metrics, both invalid", "RR", &[])).and(Kind::External, vec![Answer::Missing]),
        total("two sums, the second larger", 2, 4000).and(Kind::Object, vec![sum(9000)]),
    ]
}

fn selected() -> Vec<Situation> {
    let min = json!({"selectPolicy": "Min", "stabilizationWindowSeconds": 0, "policies": [policy("Pods", 2, 20), policy("Percent", 50, 20)]});
    vec![
        situation("the smaller policy both ways", "RRRR", &[90_000; 4])
            .behavior(json!({"scaleUp": min, "scaleDown": min}))
            .then(&[90_000; 4])
            .then(&[0; 4])
            .then(&[0; 4]),
        situation("no way at all", "RR", &[9000, 9000])
            .behavior(json!({"scaleUp": {"selectPolicy": "Disabled"}, "scaleDown": {"selectPolicy": "Disabled"}}))
            .then(&[0, 0]),
        situation("stabilised both ways", "RR", &[8000, 8000])
            .behavior(
                json!({"scaleUp": {"stabilizationWindowSeconds": 20}, "scaleDown": {"stabilizationWindowSeconds": 20}}),
            )
            .then(&[8000, 8000])
            .then(&[8000, 8000])
            .then(&[0, 0]),
    ]
}

fn zero() -> Vec<Situation> {
    vec![
        total("to zero and back", 2, 0).min(0).at_once().then_total(5000).then_total(0),
        total("to zero, and nothing more", 1, 0).min(0).at_once().then_total(0).then_total(0),
        total("zero pods by a person, without a load", 0, 0).min(0),
        total("a Service's sum to zero and back", 2, 0).of(Kind::Object).min(0).at_once().then_total(1),
        total("a Service's value to zero and back", 1, 0).of(Kind::ObjectValue).min(0).at_once().then_total(2001),
        total("a value to zero and far up", 1, 0).of(Kind::ExternalValue).min(0).at_once().then_total(90_000),
        total("to zero and unknown", 1, 0).min(0).at_once().then_missing().then_total(1),
        total("not to zero: the smallest sum keeps one", 2, 1).min(0).at_once(),
        total("not to zero while stabilised", 2, 0).min(0),
        total("zero pods by a person, under load", 0, 9000).min(0),
        total("from zero by its policies", 1, 0)
            .min(0)
            .behavior(json!({"scaleUp": {"policies": [policy("Percent", 100, 15)]}, "scaleDown": {"stabilizationWindowSeconds": 0}}))
            .then_total(90_000)
            .then_total(90_000),
    ]
}

fn changed() -> Vec<Situation> {
    vec![
        situation("a raised maximum", "RR", &[90_000, 90_000])
            .max(3)
            .changed(json!({"maxReplicas": 6}))
            .then(&[90_000; 2]),
        total("a minimum that is raised at zero", 1, 0)
            .min(0)
            .at_once()
            .changed(json!({"minReplicas": 2}))
            .then_total(0),
        situation("a tolerance that becomes 0", "RR", &[2100, 2100])
            .behavior(tolerances_of("0.1", "0.1"))
            .changed(json!({"behavior": tolerances_of("0", "0.1")}))
            .then(&[2100, 2100]),
    ]
}
