//! Which rule makes a metric when Prometheus cannot be asked for its series, as in a folder of manifests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, GroupResource, Rule, Rules, Source};

/// The API that a metric is asked of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// `custom.metrics.k8s.io`, for a metric of pods.
    Pods,
    /// `custom.metrics.k8s.io`, for a metric of other objects.
    Objects,
    /// `external.metrics.k8s.io`.
    External,
}

/// A rule that makes a metric if its series exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Unseen {
    /// The rule, and the series.
    pub source: Source,
    /// Whether a part of the series' name is made up: the rule takes other names as well.
    pub made_up: bool,
}

impl Rules {
    /// The rules of an API.
    pub fn of(&self, api: Api) -> &[Rule] {
        match api {
            Api::Pods | Api::Objects => self.custom(),
            Api::External => self.external(),
        }
    }

    /// The rules that can make this metric. The adapter uses the last rule whose series exists. Here the series are those
    /// that a rule's `seriesQuery` names; or else the usual counters for a metric of this name; or else any name that a
    /// rule turns into the metric.
    ///
    /// A single result is the rule that the adapter uses. Several results have different series, each with the last rule
    /// that takes it.
    pub fn unseen(&self, api: Api, metric: &str) -> Vec<Unseen> {
        let rules: Vec<(usize, &Rule)> =
            self.of(api).iter().enumerate().filter(|(_, rule)| api != Api::Pods || rule.is_of_pods()).collect();
        let last_of = |names: BTreeMap<String, bool>| {
            let makes = |(series, made_up): (String, bool)| {
                let (rule, _) = rules.iter().rfind(|(_, rule)| rule.makes(metric, &series))?;
                Some(Unseen { source: Source { rule: *rule, series }, made_up })
            };
            let mut all: Vec<Unseen> = names.into_iter().filter_map(makes).collect();
            all.sort_by_key(|unseen| unseen.source.rule);
            all
        };
        let listed: BTreeSet<String> = rules.iter().flat_map(|(_, rule)| rule.listed_names()).collect();
        // A rule that names its series was written for one that exists.
        if let Some(last) = last_of(listed.into_iter().map(|name| (name, false)).collect()).pop() {
            return vec![last];
        }
        let usual = last_of(usual_counters(metric).map(|name| (name, false)).collect());
        if !usual.is_empty() {
            return usual;
        }
        let examples = rules.iter().flat_map(|(_, rule)| rule.examples(metric));
        last_of(examples.map(|example| (example.text, example.made_up)).collect())
    }
}

impl Rule {
    /// Whether some label stands for pods.
    fn is_of_pods(&self) -> bool {
        !matches!(self.labels.label_of(&GroupResource::core("pods")), Err(Error::Refused(_)))
    }
}

/// The counters that a metric of this name is usually made of.
pub fn usual_counters(metric: &str) -> impl Iterator<Item = String> {
    let stems = ["_per_second", "_per_minute", "_rate", ""].into_iter().filter_map(|end| metric.strip_suffix(end));
    stems.flat_map(|stem| ["_total", "_count"].map(|end| format!("{stem}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::adapter_rules::Resources;

    const PODS: &str = "resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";

    /// Rule, series, and whether that is made up.
    fn unseen(rules: &[&str], api: Api, metric: &str) -> Vec<(usize, String, bool)> {
        let key = if api == Api::Pods { "rules" } else { "externalRules" };
        let rules: Vec<_> = rules.iter().map(|rule| format!("{{{rule}}}")).collect();
        let rules = Rules::parse(&format!("{key}: [{}]", rules.join(", ")), &Resources::assumed()).unwrap();
        let all = rules.unseen(api, metric).into_iter();
        all.map(|Unseen { source, made_up }| (source.rule, source.series, made_up)).collect()
    }

    fn of_pods(rules: &[&str], metric: &str) -> Vec<(usize, String, bool)> {
        let rules: Vec<_> = rules.iter().map(|rule| format!("{rule}, {PODS}")).collect();
        unseen(&rules.iter().map(String::as_str).collect::<Vec<_>>(), Api::Pods, metric)
    }

    fn one(rule: usize, series: &str) -> Vec<(usize, String, bool)> {
        vec![(rule, series.to_owned(), false)]
    }

    #[test]
    fn of_rules_that_take_a_named_series_the_last_counts() {
        let named = "seriesQuery: 'x_total{pod!=\"\"}', name: {matches: ^(.*)_total, as: '${1}_per_second'}";
        let pattern = "seriesQuery: '{__name__=~\"^x_.*\"}', name: {matches: ^(.*)_total$, as: '${1}_per_second'}";
        let other = "seriesQuery: y_total, name: {as: y_per_second}";
        assert_eq!(of_pods(&[named, named, other], "x_per_second"), one(1, "x_total"));
        assert_eq!(of_pods(&[named, pattern, other], "x_per_second"), one(1, "x_total"));
        assert_eq!(of_pods(&[pattern, named], "x_per_second"), one(1, "x_total"));
        let listed =
            "seriesQuery: '{__name__=~\"^(a|x)_total$\"}', name: {matches: ^(.*)_total$, as: '${1}_per_second'}";
        assert_eq!(of_pods(&[listed], "x_per_second"), one(0, "x_total"));
        assert_eq!(of_pods(&[named], "y_per_second"), []);
    }

    #[test]
    fn without_as_the_name_is_what_matches_leaves_of_the_series() {
        assert_eq!(of_pods(&["seriesQuery: x_total"], "x_total"), one(0, "x_total"));
        assert_eq!(of_pods(&["seriesQuery: x_total, name: {matches: ^(.*)_total$}"], "x"), one(0, "x_total"));
        assert_eq!(of_pods(&["seriesQuery: x_total, name: {matches: ^(.*)_total$}"], "x_total"), []);
    }

    #[test]
    fn a_filter_or_a_pattern_that_does_not_take_the_series_makes_nothing() {
        for rule in [
            "seriesQuery: x_total, seriesFilters: [{isNot: ^x}], name: {as: x}",
            "seriesQuery: x_total, seriesFilters: [{is: ^y}], name: {as: x}",
            "seriesQuery: x_total, name: {matches: ^y_(.*)$, as: x}",
        ] {
            assert_eq!(of_pods(&[rule], "x"), [], "{rule}");
        }
    }

    #[test]
    fn a_rule_without_a_label_for_pods_makes_no_metric_of_theirs() {
        let rule = "seriesQuery: x_total, name: {as: x}";
        assert_eq!(unseen(&[rule], Api::Pods, "x"), []);
        assert_eq!(unseen(&[rule], Api::External, "x"), one(0, "x_total"));
        let template = format!("{rule}, resources: {{template: 'kube_<<.Resource>>'}}");
        assert_eq!(unseen(&[&template], Api::Pods, "x"), one(0, "x_total"));
    }

    #[test]
    fn where_no_rule_names_a_series_the_usual_counter_counts() {
        // As the adapter's chart has them.
        let rules = [
            "seriesQuery: '{__name__=~\"^container_.*\",pod!=\"\"}', name: {matches: ^container_(.*)_total$}",
            "seriesQuery: '{namespace!=\"\",__name__!~\"^container_.*\"}', seriesFilters: [{isNot: .*_total$}]",
            "seriesQuery: '{namespace!=\"\",__name__!~\"^container_.*\"}', seriesFilters: [{isNot: .*_seconds_total}], \
             name: {matches: ^(.*)_total$}",
            "seriesQuery: '{namespace!=\"\",__name__!~\"^container_.*\"}', name: {matches: ^(.*)_seconds_total$}",
        ];
        assert_eq!(of_pods(&rules, "http_requests"), one(2, "http_requests_total"));
        assert_eq!(of_pods(&rules[3..], "http_requests"), one(0, "http_requests_seconds_total"));
        let found = of_pods(&[rules[0], rules[3]], "http_requests");
        assert_eq!(found.iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_pattern_of_many_names_makes_up_one_that_it_takes() {
        let rule = "seriesQuery: '{__name__=~\".+_hits\",pod!=\"\"}', name: {matches: '.*', as: hits}";
        assert_eq!(of_pods(&[rule], "hits"), [(0, "a_hits".to_owned(), true)]);
    }
}
