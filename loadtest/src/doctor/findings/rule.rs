//! The adapter's `ConfigMap`: its rules, its age, and the commands that change it.

use serde_json::Value;

use crate::autoscaling::adapter_rules::{Error, Rules};
use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, ScalingMetric, Source};
use crate::doctor::facts::{adapter, intervals, requests, server};
use crate::doctor::fixes::{Command, is_label_name, is_metric, kubectl};
use crate::doctor::objects::{list, time, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::words::LEFT_OUT;

/// The adapter's configuration.
pub struct Config<'a> {
    /// The `ConfigMap`.
    pub object: &'a Value,
    deployment: &'a Value,
    text: &'a str,
    document: Value,
}

impl<'a> Config<'a> {
    /// Reads it, or tells why there is none.
    pub fn of(evidence: &'a Evidence, deployment: &'a Value) -> Result<Self, Status> {
        let missing = |why| Status::missing(Input::Rules, why);
        let object = Status::require(&evidence.server.config, || {
            missing(format!("{} mounts no ConfigMap with rules", titled(deployment)))
        })?;
        let text =
            requests::document(object).ok_or_else(|| missing(format!("{} contains no rules", titled(object))))?;
        Ok(Self { object, deployment, text, document: serde_saphyr::from_str(text).unwrap_or_default() })
    }

    /// By how many seconds a pod of the adapter is older than the last change of the rules; none if no pod is. Both times
    /// are whole seconds. Within the same second, the adapter's answer decides.
    pub fn older(&self, evidence: &Evidence) -> Option<f64> {
        let entries = list(self.object, "/metadata/managedFields").iter();
        let entries = entries.filter(|entry| entry.pointer("/fieldsV1/f:data").is_some());
        let changed = entries.filter_map(|entry| time(&entry["time"])).reduce(f64::max);
        let changed = changed.or_else(|| time(&self.object["metadata"]["creationTimestamp"]))?;
        let since = evidence.taken - changed;
        server::ages(evidence).map(|age| age - since).reduce(f64::max).filter(|older| *older > 0.0)
    }

    /// Its rules, as the adapter reads them.
    pub fn rules(&self, evidence: &Evidence) -> Result<Rules, Status> {
        Status::require(&evidence.resources, || {
            Status::missing(Input::Resources, "the API server's list of resources is not known")
        })?;
        Rules::parse(self.text, &requests::resources(evidence)).map_err(|error| match error {
            Error::NotKnown(_) => Status::missing(Input::Resources, format!("{}: {error}", titled(self.object))),
            Error::Refused(_) => {
                let seen = format!("{}: the adapter exits at startup: {error}", titled(self.object));
                let advice = "Fix what the message names, and restart the adapter.";
                Finding::new(Cause::RuleAbsent, seen, advice, None).into()
            }
        })
    }

    /// A field of a rule, as it is written.
    pub fn field(&self, rule: usize, pointer: &str) -> Option<&str> {
        self.document["rules"].get(rule)?.pointer(pointer)?.as_str()
    }

    /// The commands that replace a part of the document, if it occurs exactly once, and restart the adapter.
    pub fn replaced(&self, from: &str, to: &str) -> Vec<Command> {
        let once = self.text.matches(from).count() == 1;
        self.edited(once.then(|| self.text.replacen(from, to, 1)))
    }

    /// The same for a field of a rule, if the document then parses to the new value: the field may be quoted.
    pub fn set(&self, rule: usize, pointer: &str, to: &str) -> Vec<Command> {
        let Some(from) = self.field(rule, pointer).filter(|from| *from != to) else { return Vec::new() };
        let document: Value = serde_saphyr::from_str(&self.text.replacen(from, to, 1)).unwrap_or_default();
        let field = document["rules"].get(rule).and_then(|rule| rule.pointer(pointer));
        if field.is_some_and(|field| field == to) { self.replaced(from, to) } else { Vec::new() }
    }

    /// The commands that remove a rule.
    pub fn removed(&self, rule: usize) -> Vec<Command> {
        let without = || {
            let lines: Vec<&str> = self.text.lines().collect();
            let items = items(&lines)?;
            let (start, end) = (*items.get(rule)?, *items.get(rule + 1)?);
            Some(joined(lines[..start].iter().chain(&lines[end..])))
        };
        self.edited(without())
    }

    /// The commands that add a rule for a counter, before all others; none if its names would have to be quoted.
    pub fn with_rule(&self, evidence: &Evidence, counter: &str, metric: &str, labels: [&str; 2]) -> Vec<Command> {
        let Some(rule) = rule_for(evidence, counter, metric, labels) else { return Vec::new() };
        let mut lines: Vec<String> = self.text.lines().map(str::to_owned).collect();
        let at = |text: &str| lines.iter().position(|line| line.trim_end() == text);
        if let Some(head) = at("rules:") {
            let next = lines[head + 1..].iter().find(|line| line.trim_start().starts_with("- "));
            let depth = next.map_or(0, |line| indent(line));
            lines.insert(head + 1, format!("{}- {rule}", " ".repeat(depth)));
        } else if let Some(empty) = at("rules: []") {
            lines[empty] = format!("rules: [{rule}]");
        } else {
            lines.insert(0, format!("rules: [{rule}]"));
        }
        self.edited(Some(joined(lines.iter())))
    }

    /// The commands that replace the document, and restart the adapter, which reads its rules only at startup.
    fn edited(&self, document: Option<String>) -> Vec<Command> {
        let is_read = |text: &String| !self.text.contains(LEFT_OUT) && serde_saphyr::from_str::<Value>(text).is_ok();
        let Some((document, key)) = document.filter(is_read).zip(self.key()) else { return Vec::new() };
        let path = format!("/data/{}", key.replace('~', "~0").replace('/', "~1"));
        vec![kubectl::replace_text(self.object, &path, self.text, &document), kubectl::restart(self.deployment)]
    }

    /// The key of the `ConfigMap` that holds the document.
    fn key(&self) -> Option<&str> {
        let mut data = self.object["data"].as_object()?.iter();
        data.find(|(_, text)| text.as_str() == Some(self.text)).map(|(key, _)| &**key)
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn joined<'a, L: AsRef<str> + 'a + ?Sized>(lines: impl Iterator<Item = &'a L>) -> String {
    lines.flat_map(|line| [line.as_ref(), "\n"]).collect()
}

/// The lines on which the items of `rules` start, and the line after the last item.
fn items(lines: &[&str]) -> Option<Vec<usize>> {
    let head = lines.iter().position(|line| line.trim_end() == "rules:")?;
    let starts = |line: usize| lines[line].trim_start().starts_with("- ");
    let first = (head + 1..lines.len()).find(|line| starts(*line))?;
    let depth = indent(lines[first]);
    let ends = |line: &usize| {
        let line = *line;
        !lines[line].trim().is_empty() && (indent(lines[line]) < depth || indent(lines[line]) == depth && !starts(line))
    };
    let end = (first..lines.len()).find(ends).unwrap_or(lines.len());
    let items = (first..end).filter(|line| indent(lines[*line]) == depth && starts(*line));
    Some(items.chain([end]).collect())
}

/// The adapter's configuration, and the metric that it makes.
pub fn of_adapter<'a>(evidence: &'a Evidence, scaling: &'a ScalingMetric) -> Option<(Config<'a>, &'a Metric)> {
    let metric = scaling.metric.as_ref().filter(|metric| metric.source == Source::Adapter)?;
    Some((Config::of(evidence, evidence.server.deployment.seen()?).ok()?, metric))
}

/// The commands that add a rule for the metric, with the labels that contain the namespace and the pod.
pub fn by_labels(evidence: &Evidence, scaling: &ScalingMetric, [namespace, pod]: &[String; 2]) -> Vec<Command> {
    let Some(((config, metric), series)) = of_adapter(evidence, scaling).zip(scaling.series.as_deref()) else {
        return Vec::new();
    };
    // The last of several rules for a metric counts, and this one would be the first.
    if config.rules(evidence).is_ok_and(|rules| adapter::has_rule(evidence, rules.custom(), &metric.name)) {
        return Vec::new();
    }
    config.with_rule(evidence, series, &metric.name, [namespace, pod])
}

/// The commands that add a matcher to the rule's query.
pub fn narrowed(evidence: &Evidence, scaling: &ScalingMetric, matcher: &str) -> Vec<Command> {
    const MATCHERS: &str = "<<.LabelMatchers>>";
    let Some(((config, _), rule)) = of_adapter(evidence, scaling).zip(scaling.rule) else { return Vec::new() };
    let Some(written) = config.field(rule, "/metricsQuery") else { return Vec::new() };
    // One kind of quotes does not end the document's own string.
    let matchers = [matcher.to_owned(), matcher.replace('"', "'")];
    let queries = matchers.map(|matcher| written.replace(MATCHERS, &format!("{MATCHERS},{matcher}")));
    let commands = queries.iter().map(|query| config.set(rule, "/metricsQuery", query));
    commands.into_iter().find(|commands| !commands.is_empty()).unwrap_or_default()
}

/// A rule in one line, with the labels that contain the namespace and the pod. None for names that a query would have to
/// quote: anyone who may write an HPA names its metric.
fn rule_for(evidence: &Evidence, counter: &str, metric: &str, [namespace, pod]: [&str; 2]) -> Option<String> {
    if ![counter, metric].iter().all(|name| is_metric(name)) || ![namespace, pod].iter().all(|name| is_label_name(name))
    {
        return None;
    }
    let matches = scalar(&format!("^{counter}$"));
    let [counter, metric, namespace, pod] = [counter, metric, namespace, pod].map(scalar);
    let window = (4.0 * intervals::scrape(evidence).unwrap_or(timing::SCRAPE_INTERVAL)).max(timing::RATE_WINDOW);
    Some(format!(
        "{{seriesQuery: {counter}, resources: {{overrides: {{{namespace}: {{resource: namespace}}, {pod}: {{resource: pod}}}}}}, \
         name: {{matches: {matches}, as: {metric}}}, \
         metricsQuery: \"sum(rate(<<.Series>>{{<<.LabelMatchers>>}}[{window:.0}s])) by (<<.GroupBy>>)\"}}"
    ))
}

/// An identifier that YAML reads as a string: `true`, `on`, `y` and the like get quotes.
fn scalar(identifier: &str) -> String {
    const OTHERS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let lower = identifier.to_ascii_lowercase();
    // A colon at the end would make it a key.
    let plain = !OTHERS.contains(&lower.as_str()) && !identifier.contains(':');
    if plain { identifier.to_owned() } else { format!("{identifier:?}") }
}
