//! What the adapter asks Prometheus for a metric.
//!
//! Source: `pkg/naming/metrics_query.go`, `pkg/client/helpers.go`, and `QueryForMetric` in
//! `pkg/custom-provider/series_registry.go`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Error, GroupResource, Metric, Rule};
use crate::autoscaling::adapter_rules::template::Value;
use crate::autoscaling::promql::matcher;

/// The matchers of a query, and the values of their labels.
#[derive(Default)]
struct Matchers {
    expressions: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Matchers {
    fn add(&mut self, label: &str, operator: &str, value: &str) {
        self.expressions.push(matcher(label, operator, value));
        self.values.insert(label.to_owned(), value.to_owned());
    }

    /// A metric's `selector`, in the order of its labels: the values of `In` are one regular expression, not escaped.
    fn select(&mut self, selector: &LabelSelector) -> Result<(), Error> {
        let labels = selector.match_labels.iter().flatten();
        let mut wanted: Vec<(&str, &str, Vec<&str>)> =
            labels.map(|(label, value)| (label.as_str(), "Equals", vec![value.as_str()])).collect();
        for expression in selector.match_expressions.iter().flatten() {
            let mut values: Vec<_> = expression.values.iter().flatten().map(String::as_str).collect();
            values.sort_unstable();
            values.dedup();
            wanted.push((&expression.key, &expression.operator, values));
        }
        wanted.sort_by_key(|(label, ..)| *label);
        for (label, operator, values) in wanted {
            let operator = match (operator, values.is_empty()) {
                ("Equals", false) | ("DoesNotExist", true) => "=",
                ("Exists", true) => "!=",
                ("In", false) => "=~",
                ("NotIn", false) => "!~",
                _ => {
                    return Err(Error::Refused(format!(
                        "{operator:?} of {label} with values {values:?} is no selector"
                    )));
                }
            };
            self.add(label, operator, &values.join("|"));
        }
        Ok(())
    }
}

impl Rule {
    /// What the adapter asks for a metric that it makes of this series: of the objects of these names, in this order,
    /// and of those that the metric's own selector takes. The namespace is empty for what has none.
    ///
    /// [`Error::Refused`] is answered with 404, as if there were no such metric; the reason is in the adapter's log.
    pub fn query(
        &self,
        series: &str,
        metric: &Metric,
        namespace: &str,
        names: &[&str],
        selector: Option<&LabelSelector>,
    ) -> Result<String, Error> {
        if names.is_empty() {
            return Err(Error::Refused(format!(
                "no resource names requested while producing a query for metric {metric}"
            )));
        }
        if metric.namespaced == namespace.is_empty() {
            let scope = if metric.namespaced { "within a namespace" } else { "without a namespace" };
            return Err(Error::Refused(format!("metric {metric} is registered {scope} only")));
        }
        let mut matchers = self.matchers(namespace, selector)?;
        let label = self.labels.label_of(&metric.resource)?;
        let operator = if names.len() > 1 { "=~" } else { "=" };
        matchers.add(&label, operator, &names.join("|"));
        self.render(series, matchers, vec![label])
    }

    /// The same for a metric of `external.metrics.k8s.io`, which is grouped by nothing.
    ///
    /// `namespaced: false` among the rule's resources leaves the namespace out.
    pub fn external_query(
        &self,
        series: &str,
        namespace: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<String, Error> {
        let namespace = if self.namespaced { namespace } else { "" };
        let matchers = self.matchers(namespace, selector)?;
        self.render(series, matchers, Vec::new())
    }

    fn matchers(&self, namespace: &str, selector: Option<&LabelSelector>) -> Result<Matchers, Error> {
        let mut matchers = Matchers::default();
        if let Some(selector) = selector {
            matchers.select(selector)?;
        }
        if !namespace.is_empty() {
            matchers.add(&self.labels.label_of(&GroupResource::core("namespaces"))?, "=", namespace);
        }
        Ok(matchers)
    }

    fn render(&self, series: &str, matchers: Matchers, group_by: Vec<String>) -> Result<String, Error> {
        let fields = [
            ("Series", Value::Text(series.to_owned())),
            ("LabelMatchers", Value::Text(matchers.expressions.join(","))),
            ("LabelValuesByName", Value::Map(matchers.values)),
            ("GroupBy", Value::Text(group_by.join(","))),
            ("GroupBySlice", Value::List(group_by)),
        ];
        let query = self.metrics_query.render("naming.queryTemplateArgs", &fields)?;
        if query.is_empty() {
            return Err(Error::Refused("empty query produced by metrics query template".to_owned()));
        }
        Ok(query)
    }
}
