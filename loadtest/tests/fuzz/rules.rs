//! The adapter's configuration.

use std::collections::BTreeMap;

use loadtest::autoscaling::adapter_rules::{Api, GroupResource, Metric, Resources, Rule, Rules, Series};
use loadtest::doctor::facts::requests;

use super::{cases, healthy};

const RULES: &str = r#"rules:
- seriesQuery: 'http_requests_total{namespace!="",pod!=""}'
  seriesFilters: [{is: "^http_"}, {isNot: ".*_seconds$"}]
  resources: {template: "kube_<<.Resource>>", overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'
externalRules:
- seriesQuery: '{__name__=~"^queue_.*"}'
  resources: {namespaced: false}
  metricsQuery: '<<index .LabelValuesByName "pod">> <<.LabelValuesByName.x>> <<.GroupBySlice>>'
"#;

/// The longest text that may be made of a configuration.
const LONGEST: usize = 4 << 20;

#[test]
fn any_configuration_is_read() {
    let evidence = healthy::adapter();
    let resources = requests::resources(&evidence);
    cases(1_500, |mutation| {
        let text = mutation.text(RULES);
        if let Ok(rules) = Rules::parse(&text, &resources) {
            apply(&rules);
        }
        if let Ok(rules) = Rules::parse(&text, &Resources::assumed()) {
            for (api, all) in [(Api::Pods, rules.custom()), (Api::External, rules.external())] {
                let found = rules.unseen(api, "http_requests_per_second");
                assert!(found.iter().all(|unseen| unseen.source.rule < all.len()), "{found:?}");
            }
        }
    });
}

fn apply(rules: &Rules) {
    let labels = ["__name__", "namespace", "pod", "kube_deployment"]
        .map(|name| (name.to_owned(), "http_requests_total".to_owned()));
    let series = Series::from(BTreeMap::from(labels));
    let all: Vec<&Rule> = rules.custom().iter().chain(rules.external()).collect();
    let answers = all.iter().map(|rule| (rule.series_matcher().to_owned(), vec![series.clone()])).collect();
    let listed = rules.listing(&answers).unwrap_or_default();
    let _ = (rules.external_listing(&answers), rules.for_metric("http_requests_per_second", &[&series.name]));
    let pod = GroupResource { group: String::new(), resource: "pods".to_owned() };
    let metric = Metric { resource: pod, namespaced: true, name: "x".to_owned() };
    for rule in all {
        let asked = rule.query(&series.name, &metric, "shop", &["a", "b"], None);
        let external = rule.external_query(&series.name, "shop", None);
        assert!([asked, external].into_iter().flatten().all(|query| query.len() <= LONGEST));
    }
    assert!(listed.len() <= 100, "{listed:?}");
}
