//! What prometheus-adapter asks for an HPA's metric, by the rules in a `ConfigMap`.

use crate::autoscaling::adapter_rules::{self, Api, GroupResource, Metric, Resources, Rules, Unseen, flags};
use crate::autoscaling::hpa::{self, Of};
use crate::autoscaling::manifests::Error;
use crate::autoscaling::manifests::documents::Document;
use crate::autoscaling::manifests::scalers::Query;
use crate::autoscaling::timing;

/// The longest message of the adapter that an error repeats, in characters.
const LONGEST: usize = 400;

/// The query that the adapter's rules make for this metric. A folder lists neither the series in Prometheus nor the
/// resources of the API server. Where the rules alone decide, this is the adapter's own query; where they do not, an error
/// of one line says so.
pub(super) fn query(maps: &[&Document], metric: &hpa::Metric, namespace: &str) -> Result<Query, Error> {
    let api = match metric.of {
        Of::Pods => Api::Pods,
        Of::Object { .. } => Api::Objects,
        Of::External => Api::External,
    };
    let metric = metric.name.as_str();
    let (mut found, mut refused): (Option<Query>, Option<Error>) = (None, None);
    for map in maps {
        // Nothing else in a ConfigMap has this field.
        for (path, text) in map.texts().filter(|(_, text)| text.contains("seriesQuery")) {
            let rules = match Rules::parse(text, &Resources::assumed()) {
                Ok(rules) => rules,
                Err(error) => {
                    refused = refused.or_else(|| Some(map.wrong(&path, &refusal(&error))));
                    continue;
                }
            };
            let made = Made { map, path: &path, rules: &rules, api, metric, namespace };
            let Some(query) = made.query()? else { continue };
            if found.as_ref().is_some_and(|other| *other != query) {
                let what = format!("is a second adapter configuration with a rule for {metric}: leave one out");
                return Err(map.wrong(&path, &what));
            }
            found = Some(query);
        }
    }
    found.ok_or_else(|| {
        refused.unwrap_or_else(|| {
            let rule = match api {
                Api::Pods => "an adapter rule for pods",
                Api::Objects => "an adapter rule",
                Api::External => "an external adapter rule",
            };
            Error::NoRule { rule, metric: metric.to_owned() }
        })
    })
}

/// Seconds between two listings: by the flags of the adapter's Deployment, if the folder has it.
pub(super) fn relist_interval(deployments: &[&Document]) -> f64 {
    let adapter = deployments.iter().find(|one| flags::flag(one.value(), flags::PROMETHEUS_URL).is_some());
    adapter.map_or(timing::RELIST_INTERVAL_OF_KUBE_PROMETHEUS, |adapter| flags::relist_interval(adapter.value()))
}

fn refusal(error: &adapter_rules::Error) -> String {
    let why: String = error.to_string().chars().take(LONGEST).collect();
    match error {
        adapter_rules::Error::Refused(_) => format!("stops prometheus-adapter at its start: {why}"),
        adapter_rules::Error::NotKnown(_) => format!("cannot be read: {why}"),
    }
}

/// A configuration, and the metric that is looked for in it.
struct Made<'a> {
    map: &'a Document,
    path: &'a str,
    rules: &'a Rules,
    api: Api,
    metric: &'a str,
    namespace: &'a str,
}

impl Made<'_> {
    /// The query of the rule that makes the metric; none where none does.
    fn query(&self) -> Result<Option<Query>, Error> {
        let candidates = self.rules.unseen(self.api, self.metric);
        let Some((last, others)) = candidates.split_last() else { return Ok(None) };
        let mut query = self.of(last)?;
        for other in others {
            let of_other = self.of(other).ok().map(|other| (other.window, other.function));
            if of_other != Some((query.window, query.function)) {
                let (a, b) = (&other.source, &last.source);
                let rules = if self.api == Api::External { "externalRules" } else { "rules" };
                let what = format!(
                    "makes {} from series {} by {rules}[{}], or from series {} by {rules}[{}], with another window, and a \
                     folder does not show which series exists: name it in the rule's seriesQuery",
                    self.metric, a.series, a.rule, b.series, b.rule
                );
                return Err(self.map.wrong(self.path, &what));
            }
        }
        // Rules that agree on the window may still read different series.
        let several = others.iter().any(|other| other.source.rule != last.source.rule);
        query.series = Some(last.source.series.clone()).filter(|_| !last.made_up && !several);
        Ok(Some(query))
    }

    fn of(&self, unseen: &Unseen) -> Result<Query, Error> {
        let (rule, series) = (&self.rules.of(self.api)[unseen.source.rule], &unseen.source.series);
        let rendered = match self.api {
            Api::Pods => {
                let pods = GroupResource { group: String::new(), resource: "pods".to_owned() };
                let metric = Metric { resource: pods, namespaced: true, name: self.metric.to_owned() };
                rule.query(series, &metric, self.namespace, &["pod"], None)
            }
            Api::External => rule.external_query(series, self.namespace, None),
            // Which label stands for the object's kind, the rule says; the window does not depend on it.
            Api::Objects => Err(adapter_rules::Error::NotKnown("a query for an object".to_owned())),
        };
        let path = format!("{}: metricsQuery of the rule for {}", self.path, self.metric);
        let written = rule.metrics_query();
        match rendered {
            Ok(query) => Query::of(self.map, &path, &query, written),
            // The template shows the window as well.
            Err(adapter_rules::Error::NotKnown(_)) => Query::of(self.map, &path, written, written),
            Err(adapter_rules::Error::Refused(_)) if written.is_empty() => Err(self.map.wrong(&path, "is missing")),
            Err(error @ adapter_rules::Error::Refused(_)) => {
                let why: String = error.to_string().chars().take(LONGEST).collect();
                Err(self.map.wrong(&path, &format!("is a template that prometheus-adapter cannot fill in: {why}")))
            }
        }
    }
}
