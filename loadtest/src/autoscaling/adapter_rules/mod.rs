//! prometheus-adapter's rules, applied as the adapter itself applies them.
//!
//! Source: prometheus-adapter v0.12.0. A file here names the one of its sources that it follows; where the adapter's
//! documentation says something else than its code does, the code counts.
//!
//! [`Rules::parse`] refuses what the adapter refuses at its start. [`Rules::listing`] is what the adapter serves once
//! Prometheus has answered it, and [`Rule::query`] is what it then asks for one of these metrics; both ways start from
//! the names that the API server has for its [`Resources`].

mod config;
mod examples;
pub mod flags;
mod labels;
mod naming;
mod pattern;
mod query;
mod resources;
mod selector;
mod template;
mod unseen;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use config::Config;
use labels::Labels;
use naming::Naming;
use pattern::Budget;
use selector::NameMatcher;
use template::Template;

use super::promql;

pub use pattern::Pattern;
pub use resources::{GroupResource, Resources};
pub use unseen::{Api, Unseen, usual_counters};

/// The longest configuration, in bytes: a `ConfigMap` has no more.
const LONGEST: usize = 1 << 20;

/// The maximum number of rules: each is tried on each series.
const MAX_RULES: usize = 1_000;

/// The maximum number of regular expressions in all rules. What they take once compiled has a limit of its own ([`pattern`]).
const MAX_EXPRESSIONS: usize = 500;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The adapter refuses it too: a configuration ends it at its start, a query is answered with an error.
    #[error("{0}")]
    Refused(String),
    /// The adapter may know it, this module does not.
    #[error("not known here, though the adapter may know it: {0}")]
    NotKnown(String),
}

impl Error {
    /// What the adapter says around what it refuses; what is not known stays that.
    fn because(self, around: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Refused(why) => Self::Refused(around(&why)),
            unknown @ Self::NotKnown(_) => unknown,
        }
    }
}

/// A series as Prometheus' `/api/v1/series` has it: a map of labels, of which `__name__` is one.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(from = "BTreeMap<String, String>")]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its other labels.
    pub labels: BTreeMap<String, String>,
}

impl From<BTreeMap<String, String>> for Series {
    fn from(mut labels: BTreeMap<String, String>) -> Self {
        Self { name: labels.remove("__name__").unwrap_or_default(), labels }
    }
}

/// What Prometheus answered to each `seriesQuery`; one that it could not answer is not there.
pub type Answers = BTreeMap<String, Vec<Series>>;

/// A metric of `custom.metrics.k8s.io`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Metric {
    /// What it describes.
    pub resource: GroupResource,
    /// Whether it is asked for within a namespace.
    pub namespaced: bool,
    /// Its own name.
    pub name: String,
}

/// As discovery lists it, such as `pods/http_requests_per_second` or `deployments.apps/replicas`.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource, self.name)
    }
}

/// What a metric is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The rule's place among [`Rules::custom`], or [`Rules::external`].
    pub rule: usize,
    /// The name of the series.
    pub series: String,
}

/// The adapter's `config.yaml`, without its `resourceRules`, which name no metric.
#[derive(Clone, Debug)]
pub struct Rules {
    custom: Vec<Rule>,
    external: Vec<Rule>,
}

/// One of `rules` or of `externalRules`.
#[derive(Clone, Debug)]
pub struct Rule {
    series_query: String,
    names: Option<Vec<NameMatcher>>,
    naming: Naming,
    labels: Labels,
    metrics_query: Template,
    /// The same, as it is written.
    written: String,
    namespaced: bool,
}

impl Rules {
    /// Reads the adapter's configuration. [`Error::Refused`] is what ends the adapter at its start.
    ///
    /// Source: `pkg/config/loader.go`, `cmd/adapter/adapter.go`.
    pub fn parse(config: &str, resources: &Resources) -> Result<Self, Error> {
        if config.len() > LONGEST {
            return Err(Error::NotKnown(format!(
                "a configuration of {} bytes, of which {LONGEST} are read",
                config.len()
            )));
        }
        let config = Config::read(config)?;
        let rules = config.rules.iter().chain(&config.external_rules);
        let counts = [
            ("rules", rules.clone().count(), MAX_RULES),
            ("regular expressions", rules.map(config::Rule::expressions).sum(), MAX_EXPRESSIONS),
        ];
        if let Some((what, count, max)) = counts.into_iter().find(|(_, count, max)| count > max) {
            return Err(Error::NotKnown(format!("{count} {what}, of which {max} are read")));
        }
        let budget = Budget::of_all();
        let rules = |rules: Vec<config::Rule>| -> Result<Vec<Rule>, Error> {
            rules.into_iter().map(|rule| Rule::new(rule, resources, &budget)).collect()
        };
        Ok(Self { custom: rules(config.rules)?, external: rules(config.external_rules)? })
    }

    /// The rules of `custom.metrics.k8s.io`, which the adapter does not serve where there are none.
    pub fn custom(&self) -> &[Rule] {
        &self.custom
    }

    /// The rules of `external.metrics.k8s.io`, which the adapter does not serve where there are none.
    pub fn external(&self) -> &[Rule] {
        &self.external
    }

    /// What the adapter lists as `custom.metrics.k8s.io`, and what it makes each metric of: of those with one name, the
    /// last series of the last rule.
    ///
    /// One `seriesQuery` without an answer, and there is no new list at all: the adapter stays with its last.
    ///
    /// Source: `updateMetrics` in `pkg/custom-provider/provider.go`, `SetSeries` in `series_registry.go`.
    pub fn listing(&self, answers: &Answers) -> Result<BTreeMap<Metric, Source>, Error> {
        let mut listing = BTreeMap::new();
        for (number, rule) in self.custom.iter().enumerate() {
            let metrics = rule.metrics(rule.answered(answers)?).into_iter();
            listing.extend(metrics.map(|(metric, series)| (metric, Source { rule: number, series })));
        }
        Ok(listing)
    }

    /// The same for `external.metrics.k8s.io`.
    ///
    /// Source: `pkg/external-provider/basic_metric_lister.go`, `external_series_registry.go`.
    pub fn external_listing(&self, answers: &Answers) -> Result<BTreeMap<String, Source>, Error> {
        let mut listing = BTreeMap::new();
        for (number, rule) in self.external.iter().enumerate() {
            for series in rule.answered(answers)? {
                let name = rule.naming.metric(&series.name);
                let source = Source { rule: number, series: series.name.clone() };
                listing.extend(name.map(|name| (name, source)));
            }
        }
        Ok(listing)
    }

    /// The other way round: what can make a metric of `custom.metrics.k8s.io` of this name, out of series of these
    /// names, and of those that a `seriesQuery` names itself. The adapter takes the last that is there.
    pub fn for_metric(&self, metric: &str, series: &[&str]) -> Vec<Source> {
        let mut sources = Vec::new();
        for (number, rule) in self.custom.iter().enumerate() {
            let names: BTreeSet<_> = series.iter().copied().chain(rule.series_name()).collect();
            let made = names.into_iter().filter(|name| rule.makes(metric, name));
            sources.extend(made.map(|name| Source { rule: number, series: name.to_owned() }));
        }
        sources
    }
}

impl Rule {
    /// Source: `NamersFromConfig` in `pkg/naming/metric_namer.go`, and its order, which decides on the error.
    fn new(rule: config::Rule, resources: &Resources, budget: &Budget) -> Result<Self, Error> {
        let associated = |error: Error, what: &str| {
            let query = &rule.series_query;
            error.because(|why| format!("unable to {what} associated with series query {query:?}: {why}"))
        };
        let labels = Labels::new(&rule.resources, resources)?;
        let metrics_query = Template::parse(&rule.metrics_query)
            .map_err(|error| associated(Error::Refused(error.to_string()), "construct metrics query"))?;
        let naming = Naming::new(&rule.series_filters, &rule.name, budget)
            .map_err(|error| associated(error, "generate series names"))?;
        Ok(Self {
            names: selector::name_matchers(&rule.series_query, budget),
            namespaced: rule.resources.namespaced.unwrap_or(true),
            series_query: rule.series_query,
            naming,
            labels,
            metrics_query,
            written: rule.metrics_query,
        })
    }

    /// What the adapter asks at each relist as `/api/v1/series?match[]=…`: once for all rules that have the same,
    /// letter by letter.
    pub fn series_matcher(&self) -> &str {
        &self.series_query
    }

    /// The metrics that the adapter makes of these series, which Prometheus answered to the `seriesQuery`, each with
    /// the name of its series.
    pub fn metrics(&self, series: &[Series]) -> BTreeMap<Metric, String> {
        let mut metrics = BTreeMap::new();
        for series in series {
            let Some(name) = self.naming.metric(&series.name) else { continue };
            for resource in series.labels.keys().filter_map(|label| self.labels.resource_of(label)) {
                let namespaced = !resource.is_listed_without_namespace();
                metrics.insert(Metric { resource, namespaced, name: name.clone() }, series.name.clone());
            }
        }
        metrics
    }

    /// The metric's name for a series of this name, where the rule takes it.
    pub fn metric_of(&self, series: &str) -> Option<String> {
        let selected = self.names.as_ref()?.iter().all(|matcher| matcher.matches(series));
        selected.then(|| self.naming.metric(series)).flatten()
    }

    /// Whether a series of this name makes a metric of that name.
    pub fn makes(&self, metric: &str, series: &str) -> bool {
        self.metric_of(series).as_deref() == Some(metric)
    }

    /// The one name of a series that the `seriesQuery` asks for.
    pub fn series_name(&self) -> Option<&str> {
        self.names.as_ref()?.iter().find_map(NameMatcher::exactly)
    }

    /// The window of the `metricsQuery`, in seconds; none where it has no range, or several that differ.
    pub fn window(&self) -> Option<f64> {
        promql::window(&self.written)
    }

    /// The `metricsQuery`, as it is written.
    pub fn metrics_query(&self) -> &str {
        &self.written
    }

    fn answered<'a>(&self, answers: &'a Answers) -> Result<&'a [Series], Error> {
        let query = &self.series_query;
        answers.get(query).map(Vec::as_slice).ok_or_else(|| {
            Error::Refused(format!("unable to update list of all metrics: unable to fetch metrics for query {query:?}"))
        })
    }
}

#[cfg(test)]
mod tests;
