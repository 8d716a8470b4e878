//! Prometheus' answers, read into types. Whoever answers may be anybody, so no list is read beyond [`MOST`].

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

/// The most samples, series or targets of one answer.
pub const MOST: usize = 1000;

/// The most labels of one of them: a discovered target has some sixty.
const LABELS: usize = 500;

/// A set of labels, as `/api/v1/series` answers it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Labels(pub BTreeMap<String, String>);

/// A target, with what is judged of it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    discovered_labels: Labels,
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrape_pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrape_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrape_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrape_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scrape: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<String>,
}

impl Target {
    /// Whether what is scraped is in this namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        let (labels, discovered) = (&self.labels.0, &self.discovered_labels.0);
        [labels.get("namespace"), discovered.get("__meta_kubernetes_namespace")]
            .into_iter()
            .flatten()
            .any(|of| of == namespace)
    }
}

/// One element of a query's result.
#[derive(Debug)]
enum Element {
    Sample {
        metric: Labels,
        value: Option<(Number, String)>,
    },
    /// Of a scalar.
    Time(Number),
    /// Likewise.
    Text(String),
}

/// Why an answer was not read: it is another's, or Prometheus' own refusal.
#[derive(Debug, Eq, PartialEq)]
pub enum Unlike {
    /// It holds more than is read.
    Excess(String),
    /// It holds no such data.
    Other,
}

/// The active targets of a namespace, of an answer of `/api/v1/targets`.
pub fn targets(text: &str, namespace: &str) -> Result<Vec<Value>, Unlike> {
    let ours = |target: &Target| target.is_in(namespace);
    let targets = data(text, Field { name: "activeTargets", seed: Some(Many::new("targets", ours)) })?;
    Ok(targets.unwrap_or_default().into_iter().map(|target| json!(target)).collect())
}

/// The sets of labels of an answer of `/api/v1/series`.
pub fn series(text: &str) -> Result<Vec<BTreeMap<String, String>>, Unlike> {
    let all = data(text, Many::new("series", |_: &Labels| true))?;
    Ok(all.into_iter().map(|labels| labels.0).collect())
}

/// The result of an answer of `/api/v1/query` as a vector: a scalar is one element without labels.
pub fn vector(text: &str) -> Result<Vec<Value>, Unlike> {
    let result = data(text, Field { name: "result", seed: Some(Many::new("samples", |_: &Element| true)) })?;
    let (mut samples, mut scalar) = (Vec::new(), Vec::new());
    for element in result.unwrap_or_default() {
        match element {
            Element::Sample { metric, value: Some(value) } => samples.push(json!({"metric": metric, "value": value})),
            Element::Sample { metric, value: None } => samples.push(json!({"metric": metric})),
            Element::Time(number) => scalar.push(Value::Number(number)),
            Element::Text(text) => scalar.push(Value::String(text)),
        }
    }
    if !scalar.is_empty() {
        samples.push(json!({"metric": {}, "value": scalar}));
    }
    Ok(samples)
}

/// The sum of the values of a vector; none where one of them is no number.
pub fn sum(text: &str) -> Result<Option<f64>, Unlike> {
    let result = data(text, Field { name: "result", seed: Some(Many::new("samples", |_: &Element| true)) })?;
    let number = |element: Element| match element {
        Element::Sample { value: Some((_, value)), .. } => value.parse::<f64>().ok(),
        _ => None,
    };
    Ok(result.and_then(|result| result.into_iter().map(number).sum()))
}

/// The `data` of an answer that is a success.
fn data<'de, S: DeserializeSeed<'de> + Clone>(text: &'de str, seed: S) -> Result<S::Value, Unlike> {
    let mut parser = serde_json::Deserializer::from_str(text);
    match (Answer { seed }).deserialize(&mut parser) {
        Ok(Some(data)) if parser.end().is_ok() => Ok(data),
        Err(error) if error.to_string().contains(EXCESS) => {
            // What serde_json adds is a place in a text that nobody has.
            let told = error.to_string();
            Err(Unlike::Excess(told.split(" at line ").next().unwrap_or_default().to_owned()))
        }
        _ => Err(Unlike::Other),
    }
}

/// How each bound is told.
const EXCESS: &str = "has more than ";

/// An answer of the API; none where it is no success.
struct Answer<S> {
    seed: S,
}

impl<'de, S: DeserializeSeed<'de> + Clone> DeserializeSeed<'de> for Answer<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Clone> Visitor<'de> for Answer<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of Prometheus")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut succeeded, mut data) = (false, None);
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "status" => succeeded = fields.next_value::<String>()? == "success",
                "data" => data = Some(fields.next_value_seed(self.seed.clone())?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(data.filter(|_| succeeded))
    }
}

/// One field of an object; the rest is passed over.
#[derive(Clone)]
struct Field<S> {
    name: &'static str,
    seed: Option<S>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Field<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Field<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<String>()? {
            match self.seed.take_if(|_| name == self.name) {
                Some(seed) => found = Some(fields.next_value_seed(seed)?),
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// The elements of an array that are kept, [`MOST`] of them.
struct Many<T, F> {
    what: &'static str,
    keep: F,
    element: PhantomData<fn() -> T>,
}

impl<T, F: Clone> Clone for Many<T, F> {
    fn clone(&self) -> Self {
        Self { keep: self.keep.clone(), ..*self }
    }
}

impl<T, F: Fn(&T) -> bool> Many<T, F> {
    const fn new(what: &'static str, keep: F) -> Self {
        Self { what, keep, element: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: Fn(&T) -> bool> DeserializeSeed<'de> for Many<T, F> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: Fn(&T) -> bool> Visitor<'de> for Many<T, F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {}", self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut kept = Vec::new();
        while let Some(element) = elements.next_element()? {
            if !(self.keep)(&element) {
                continue;
            }
            if kept.len() == MOST {
                return Err(A::Error::custom(format_args!("{EXCESS}{MOST} {}", self.what)));
            }
            kept.push(element);
        }
        Ok(kept)
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfElement)
    }
}

struct OfElement;

impl<'de> Visitor<'de> for OfElement {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample or a scalar")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Element, E> {
        Ok(Element::Time(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Element, E> {
        Number::from_f64(value).map(Element::Time).ok_or_else(|| E::custom("no time"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Element, E> {
        Ok(Element::Text(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Element, A::Error> {
        let (mut metric, mut value) = (Labels::default(), None);
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "metric" => metric = fields.next_value()?,
                "value" => value = fields.next_value()?,
                // A matrix' values, and histograms.
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Element::Sample { metric, value })
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfLabels)
    }
}

struct OfLabels;

impl<'de> Visitor<'de> for OfLabels {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Labels, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some((name, value)) = fields.next_entry()? {
            if labels.len() == LABELS {
                return Err(A::Error::custom(format_args!("{EXCESS}{LABELS} labels in one set")));
            }
            labels.insert(name, value);
        }
        Ok(Labels(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(data: &str) -> String {
        format!(r#"{{"status":"success","infos":["x",{{"y":[]}}],"data":{data}}}"#)
    }

    #[test]
    fn results_are_read_as_prometheus_writes_them() {
        let sample = r#"{"metric":{"__name__":"up","pod":"a"},"value":[1700000000.5,"1"]}"#;
        let vector_of = |result: &str| vector(&answer(&format!(r#"{{"result":{result},"resultType":"x"}}"#)));
        let expected = json!({"metric": {"__name__": "up", "pod": "a"}, "value": [1_700_000_000.5, "1"]});
        assert_eq!(vector_of(&format!("[{sample},{sample}]")), Ok(vec![expected.clone(), expected]));
        assert_eq!(vector_of("[]"), Ok(Vec::new()));
        assert_eq!(vector_of(r#"[17,"NaN"]"#), Ok(vec![json!({"metric": {}, "value": [17, "NaN"]})]));
        let matrix = r#"[{"metric":{"pod":"a"},"values":[[1,"2"],[3,"4"]]}]"#;
        assert_eq!(vector_of(matrix), Ok(vec![json!({"metric": {"pod": "a"}})]));
        let all = answer(&format!(r#"{{"result":[{sample},{sample}]}}"#));
        assert_eq!(sum(&all), Ok(Some(2.0)));
    }

    #[test]
    fn what_is_no_success_has_no_data() {
        for text in [
            r#"{"status":"error","errorType":"bad_data","error":"no","data":{"result":[]}}"#,
            r#"{"data":{"result":[]}}"#,
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"result":{}}}"#,
            r#"{"status":"success","data":{"result":[]}} trailing"#,
            "[]",
            "",
        ] {
            assert_eq!(vector(text), Err(Unlike::Other), "{text}");
        }
    }

    #[test]
    fn the_targets_of_the_namespace_are_kept_and_no_others_count() {
        let other = r#"{"labels":{"namespace":"else"}},"#.repeat(3 * MOST);
        let ours = r#"{"labels":{"pod":"a"},"discoveredLabels":{"__meta_kubernetes_namespace":"shop"},"health":"up","globalUrl":"x"}"#;
        let found = targets(&answer(&format!(r#"{{"droppedTargets":[],"activeTargets":[{other}{ours}]}}"#)), "shop");
        let expected = json!({"labels": {"pod": "a"}, "health": "up",
                              "discoveredLabels": {"__meta_kubernetes_namespace": "shop"}});
        assert_eq!(found, Ok(vec![expected]));
    }

    #[test]
    fn a_thousand_are_read_and_one_more_is_not() {
        let of = |count: usize, one: &str| answer(&format!("[{}]", vec![one; count].join(",")));
        let set = r#"{"__name__":"up"}"#;
        assert_eq!(series(&of(MOST, set)).map(|all| all.len()), Ok(MOST));
        assert_eq!(series(&of(MOST + 1, set)), Err(Unlike::Excess("has more than 1000 series".to_owned())));
        let labels: Vec<String> = (0..=LABELS).map(|number| format!(r#""l{number}":"""#)).collect();
        let wide = of(1, &format!("{{{}}}", labels.join(",")));
        assert_eq!(series(&wide), Err(Unlike::Excess("has more than 500 labels in one set".to_owned())));
    }
}
