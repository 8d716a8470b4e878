//! The adapter's `config.yaml` as text.
//!
//! Source: `pkg/config/config.go`, read by `UnmarshalStrict` of yaml.v2: a field that is not known, or is there twice,
//! is refused, and one without a value is as if it were not there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::Error;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Config {
    #[serde(deserialize_with = "or_default")]
    pub rules: Vec<Rule>,
    #[serde(deserialize_with = "or_default")]
    pub external_rules: Vec<Rule>,
    #[serde(rename = "resourceRules")]
    _resource_rules: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(deserialize_with = "or_default")]
    pub series_query: String,
    #[serde(deserialize_with = "or_default")]
    pub series_filters: Vec<Filter>,
    #[serde(deserialize_with = "or_default")]
    pub resources: Mapping,
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    #[serde(deserialize_with = "or_default")]
    pub metrics_query: String,
}

impl Rule {
    /// At most how many regular expressions it has, beside those of its labels' template.
    pub fn expressions(&self) -> usize {
        self.series_filters.len() + usize::from(!self.name.matches.is_empty()) + self.series_query.matches('~').count()
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(deserialize_with = "or_default")]
    pub is: String,
    #[serde(deserialize_with = "or_default")]
    pub is_not: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Mapping {
    #[serde(deserialize_with = "or_default")]
    pub template: String,
    #[serde(deserialize_with = "or_default")]
    pub overrides: BTreeMap<String, Override>,
    pub namespaced: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Override {
    #[serde(deserialize_with = "or_default")]
    pub group: String,
    #[serde(deserialize_with = "or_default")]
    pub resource: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Name {
    #[serde(deserialize_with = "or_default")]
    pub matches: String,
    #[serde(rename = "as", deserialize_with = "or_default")]
    pub as_: String,
}

impl Config {
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Result<Option<Self>, _> = serde_saphyr::from_str(text);
        read.map(Option::unwrap_or_default).map_err(|error| {
            // The parser goes on to show the lines around; the first says what it is.
            let error = error.to_string();
            let error = error.lines().next().unwrap_or_default();
            Error::Refused(format!("unable to parse metrics discovery config: {error}"))
        })
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_empty_is_as_if_it_were_not_there() {
        let config = Config::read("rules:\n- seriesQuery: x\n  seriesFilters:\n  name: {as: 5, matches: }\n").unwrap();
        let rule = &config.rules[0];
        assert_eq!((rule.series_query.as_str(), rule.series_filters.len()), ("x", 0));
        assert_eq!((rule.name.as_.as_str(), rule.name.matches.as_str()), ("5", ""));
        assert!(Config::read("").unwrap().rules.is_empty());
        assert!(Config::read("resourceRules: {cpu: {containerLabel: container}}\nrules: \n").unwrap().rules.is_empty());
    }

    #[test]
    fn a_field_that_is_not_known_or_there_twice_is_refused() {
        for text in [
            "rule: []",
            "rules: [{seriesquery: x}]",
            "rules: [{seriesQuery: x, seriesQuery: y}]",
            "rules: [{name: {match: x}}]",
            "rules: [{resources: {overrides: {pod: {resource: pod, kind: Pod}}}}]",
            "rules: {seriesQuery: x}",
            "rules: [",
        ] {
            let error = Config::read(text).err().unwrap_or_else(|| panic!("{text} is read"));
            assert!(error.to_string().starts_with("unable to parse metrics discovery config: "), "{error}");
        }
    }
}
