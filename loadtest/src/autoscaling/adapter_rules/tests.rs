//! Whole rules, from the configuration to the query.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use super::*;
use crate::autoscaling::adapter_rules::resources::tests::resources;

const SHOPFRONT: &str = r#"
rules:
- seriesQuery: http_requests_total{namespace!="",pod!=""}
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: ^(.*)_total, as: "${1}_per_second"}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)
"#;

fn parse(config: &str) -> Rules {
    Rules::parse(config, &resources()).unwrap_or_else(|error| panic!("{config}: {error}"))
}

fn series(name: &str, labels: &[(&str, &str)]) -> Series {
    let labels = labels.iter().map(|(label, value)| (label.to_string(), value.to_string())).collect();
    Series { name: name.to_owned(), labels }
}

fn answers(rules: &[Rule], series: &[Series]) -> Answers {
    rules.iter().map(|rule| (rule.series_matcher().to_owned(), series.to_vec())).collect()
}

fn names(listing: &BTreeMap<Metric, Source>) -> Vec<String> {
    listing.keys().map(ToString::to_string).collect()
}

fn selector(selector: Value) -> LabelSelector {
    serde_json::from_value(selector).unwrap()
}

/// A rule with these fields besides what any rule needs, and its query for two pods.
fn query(fields: &str, selected: Option<&LabelSelector>) -> Result<String, Error> {
    let rules = parse(&format!("rules: [{{seriesQuery: x, {fields}}}]"));
    let metric = Metric { resource: GroupResource::core("pods"), namespaced: true, name: "x".to_owned() };
    rules.custom()[0].query("x", &metric, "ns", &["a", "b"], selected)
}

#[test]
fn the_manifests_own_rule() {
    let rules = parse(SHOPFRONT);
    let seen = series("http_requests_total", &[("namespace", "shop"), ("pod", "a"), ("job", "shopfront")]);
    let listing = rules.listing(&answers(rules.custom(), &[seen])).unwrap();
    assert_eq!(names(&listing), ["namespaces/http_requests_per_second", "pods/http_requests_per_second"]);
    let (metric, source) = listing.last_key_value().unwrap();
    let rule = &rules.custom()[source.rule];
    assert_eq!(
        rule.query(&source.series, metric, "shop", &["a", "b"], None).unwrap(),
        r#"sum(rate(http_requests_total{namespace="shop",pod=~"a|b"}[2m])) by (pod)"#
    );
    assert_eq!(rule.window(), Some(120.0));
}

#[test]
fn a_series_says_its_name_among_its_labels() {
    let read: Series = serde_json::from_value(json!({"__name__": "up", "job": "a"})).unwrap();
    assert_eq!(read, series("up", &[("job", "a")]));
}

/// Source: `SetSeries` in `pkg/custom-provider/series_registry.go`.
#[test]
fn of_metrics_with_one_name_the_last_counts() {
    let rule = "{seriesQuery: 'x', resources: {template: <<.Resource>>}, name: {as: one}, metricsQuery: <<.Series>>}";
    let rules = parse(&format!("rules: [{rule}, {rule}]"));
    let seen = [series("b", &[("pod", "p")]), series("a", &[("pod", "p"), ("node", "n")])];
    let listing = rules.listing(&answers(rules.custom(), &seen)).unwrap();
    assert_eq!(names(&listing), ["nodes/one", "pods/one"]);
    assert!(listing.values().all(|source| *source == Source { rule: 1, series: "a".to_owned() }));
    let scopes: Vec<_> = listing.keys().map(|metric| metric.namespaced).collect();
    assert_eq!(scopes, [false, true]);
}

/// Source: `updateMetrics` in `pkg/custom-provider/provider.go`.
#[test]
fn one_series_query_without_an_answer_and_nothing_is_listed() {
    let rules = parse(&format!("{SHOPFRONT}- {{seriesQuery: other}}\n"));
    let error = rules.listing(&answers(&rules.custom()[..1], &[])).unwrap_err();
    assert!(error.to_string().contains(r#"unable to fetch metrics for query "other""#), "{error}");
    assert!(rules.listing(&answers(rules.custom(), &[])).unwrap().is_empty());
}

/// Source: `ResourcesForSeries` in `pkg/naming/resource_converter.go`.
#[test]
fn only_namespaces_nodes_and_volumes_are_listed_without_a_namespace() {
    let rules = parse("rules: [{seriesQuery: x, resources: {template: <<.Resource>>}}]");
    let seen = series("x", &[("namespace", ""), ("node", ""), ("persistentvolume", ""), ("storageclass", "")]);
    let metrics = rules.custom()[0].metrics(&[seen]);
    let scopes: Vec<_> = metrics.keys().map(|metric| (metric.to_string(), metric.namespaced)).collect();
    let expected = [("namespaces/x", false), ("nodes/x", false), ("persistentvolumes/x", false)].into_iter();
    let expected = expected.chain([("storageclasses.storage.k8s.io/x", true)]);
    assert_eq!(scopes, expected.map(|(name, scope)| (name.to_owned(), scope)).collect::<Vec<_>>());
}

/// Source: `QueryForMetric` in `pkg/custom-provider/series_registry.go`.
#[test]
fn a_query_is_for_objects_in_the_scope_of_the_metric() {
    let rules = parse(SHOPFRONT);
    let rule = &rules.custom()[0];
    let metric = |resource: &str, namespaced| Metric {
        resource: GroupResource::core(resource),
        namespaced,
        name: "http_requests_per_second".to_owned(),
    };
    let ask = |metric: &Metric, namespace: &str, names: &[&str]| rule.query("x", metric, namespace, names, None);
    let namespaces = metric("namespaces", false);
    assert_eq!(ask(&namespaces, "", &["shop"]).unwrap(), r#"sum(rate(x{namespace="shop"}[2m])) by (namespace)"#);
    assert!(matches!(ask(&namespaces, "shop", &["shop"]), Err(Error::Refused(_))));
    assert!(matches!(ask(&metric("pods", true), "", &["a"]), Err(Error::Refused(_))));
    let error = ask(&metric("pods", true), "shop", &[]).unwrap_err().to_string();
    assert!(error.starts_with("no resource names requested"), "{error}");
}

/// Source: `Build` in `pkg/naming/metrics_query.go`.
#[test]
fn a_rule_without_a_label_for_namespaces_lists_what_it_cannot_ask_for() {
    let fields = "resources: {overrides: {pod: {resource: pod}}}, metricsQuery: <<.Series>>";
    let rules = parse(&format!("rules: [{{seriesQuery: x, {fields}}}]"));
    assert_eq!(rules.custom()[0].metrics(&[series("x", &[("pod", "a")])]).len(), 1);
    let error = query(fields, None).unwrap_err().to_string();
    assert!(error.starts_with("unable to convert resource namespaces into label"), "{error}");
}

#[test]
fn every_field_of_a_query() {
    let template = "<<.Series>> <<.LabelMatchers>> <<.LabelValuesByName>> <<.GroupBy>> <<.GroupBySlice>>";
    assert_eq!(
        query(&format!("resources: {{template: kube_<<.Resource>>}}, metricsQuery: '{template}'"), None).unwrap(),
        r#"x kube_namespace="ns",kube_pod=~"a|b" map[kube_namespace:ns kube_pod:a|b] kube_pod [kube_pod]"#
    );
    let error = query("resources: {template: <<.Resource>>}", None).unwrap_err();
    assert_eq!(error, Error::Refused("empty query produced by metrics query template".to_owned()));
}

/// Source: `processQueryParts` in `pkg/naming/metrics_query.go`.
#[test]
fn the_metrics_selector_comes_first_in_the_order_of_its_labels() {
    let fields = "resources: {template: <<.Resource>>}, metricsQuery: '<<.LabelMatchers>> <<.LabelValuesByName>>'";
    let several = selector(json!({"matchLabels": {"verb": "GET"}, "matchExpressions": [
        {"key": "code", "operator": "In", "values": ["404", "200"]},
        {"key": "path", "operator": "NotIn", "values": ["a"]},
        {"key": "zone", "operator": "Exists"},
        {"key": "host", "operator": "DoesNotExist"}]}));
    assert_eq!(
        query(fields, Some(&several)).unwrap(),
        "code=~\"200|404\",host=\"\",path!~\"a\",verb=\"GET\",zone!=\"\",namespace=\"ns\",pod=~\"a|b\" \
         map[code:200|404 host: namespace:ns path:a pod:a|b verb:GET zone:]"
    );
    let empty = selector(json!({"matchExpressions": [{"key": "code", "operator": "In", "values": []}]}));
    assert!(matches!(query(fields, Some(&empty)), Err(Error::Refused(_))));
}

/// Source: `BuildExternal` in `pkg/naming/metrics_query.go`.
#[test]
fn an_external_metric_is_grouped_by_nothing() {
    let rule = |namespaced: &str| {
        let fields = "metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'";
        format!(
            "{{seriesQuery: queue, resources: {{template: <<.Resource>>{namespaced}}}, name: {{as: depth}}, {fields}}}"
        )
    };
    let rules = parse(&format!("externalRules: [{}, {}]", rule(""), rule(", namespaced: false")));
    let listing = rules.external_listing(&answers(rules.external(), &[series("queue", &[])])).unwrap();
    assert_eq!(listing, BTreeMap::from([("depth".to_owned(), Source { rule: 1, series: "queue".to_owned() })]));
    let wanted = selector(json!({"matchLabels": {"name": "orders"}}));
    let ask = |rule: usize| rules.external()[rule].external_query("queue", "ns", Some(&wanted)).unwrap();
    assert_eq!(ask(0), r#"sum(queue{name="orders",namespace="ns"}) by ()"#);
    assert_eq!(ask(1), r#"sum(queue{name="orders"}) by ()"#);
    assert!(rules.custom().is_empty());
}

#[test]
fn what_a_metric_is_made_of() {
    let config = format!(
        "{SHOPFRONT}- {{seriesQuery: '{{__name__=~\"^http_.*\"}}', seriesFilters: [{{isNot: _bytes}}], \
         name: {{matches: ^http_(.*)$, as: 'http_${{1}}_per_second'}}}}\n"
    );
    let rules = parse(&config);
    let made = |metric: &str, series: &[&str]| {
        let sources = rules.for_metric(metric, series).into_iter();
        sources.map(|source| (source.rule, source.series)).collect::<Vec<_>>()
    };
    let own = (0, "http_requests_total".to_owned());
    // The series that a seriesQuery names itself is expected, seen or not.
    assert_eq!(made("http_requests_per_second", &[]).first(), Some(&own));
    let seen = ["http_requests_total", "http_requests", "requests"];
    assert_eq!(made("http_requests_per_second", &seen), [own, (1, "http_requests".to_owned())]);
    assert_eq!(made("http_bytes_per_second", &["http_bytes"]), []);
    assert_eq!(rules.custom()[0].series_name(), Some("http_requests_total"));
    assert_eq!(rules.custom()[1].series_name(), None);
}

/// Source: `NamersFromConfig` in `pkg/naming/metric_namer.go`.
#[test]
fn what_ends_the_adapter_at_its_start() {
    for (rule, why) in [
        ("{seriesQuery: x, metricsQuery: <<.Series}", r#"associated with series query "x": unclosed action"#),
        ("{seriesQuery: x, seriesFilters: [{is: (}]}", "unable to compile series filter"),
        ("{seriesQuery: x, name: {matches: (a)(b)}}", "must specify an 'as' value"),
        ("{seriesQuery: x, resources: {overrides: {a: {resource: nothing}}}}", "unable to normalize group-resource"),
        ("{seriesQuery: x, resources: {template: <<.Group>>}}", "must include at least"),
    ] {
        for kind in ["rules", "externalRules"] {
            let error = Rules::parse(&format!("{kind}: [{rule}]"), &resources()).unwrap_err();
            assert!(matches!(&error, Error::Refused(text) if text.contains(why)), "{rule}: {error}");
        }
    }
    // What fails only when it is asked for does not end it.
    parse("rules: [{seriesQuery: '', metricsQuery: <<.Nothing>>}, {}]");
}

#[test]
fn configuration_of_too_many_expressions_is_not_read() {
    // As JSON, which is YAML.
    let rules = |filters: usize| {
        let filters = vec![json!({"is": "^http_"}); filters];
        let rule = json!({
            "seriesQuery": "{__name__=~\"^http_.*\"}", "seriesFilters": filters, "metricsQuery": "sum(<<.Series>>)",
            "resources": {"overrides": {"namespace": {"resource": "namespace"}}},
        });
        Rules::parse(&json!({"rules": [rule]}).to_string(), &resources())
    };
    assert!(rules(499).is_ok());
    let error = rules(500).unwrap_err().to_string();
    assert!(error.ends_with("501 regular expressions, of which 500 are read"), "{error}");
}
