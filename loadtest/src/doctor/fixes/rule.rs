//! The adapter's `ConfigMap`: its rules, its age, and commands that change it.

use serde_json::Value;

use super::{Command, is_label_name, is_metric, kubectl};
use crate::autoscaling::adapter_rules::{Error, Rules};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{Metric, Source, Subject};
use crate::doctor::facts::{adapter, intervals, requests, server};
use crate::doctor::fixes::kubectl::in_namespace;
use crate::doctor::objects::{list, name, namespace, time, titled};
use crate::doctor::status::{Finding, Input, Status};
use crate::kube::read::Read;
use crate::output::is_hidden;

/// What the document stands behind in a `ConfigMap` as kubectl writes it.
const INDENT: &str = "    ";

pub struct Config<'a> {
    /// The `ConfigMap`.
    pub object: &'a Value,
    deployment: &'a Value,
    text: &'a str,
    document: Value,
}

impl<'a> Config<'a> {
    pub fn of(evidence: &'a Evidence, deployment: &'a Value) -> Result<Self, Status> {
        let object = match &evidence.server.config {
            Read::Seen(object) => object,
            Read::Unread(unread) => return Err(Status::Unread(unread.clone())),
            Read::Absent | Read::NotAsked => {
                let why = format!("{} mounts no ConfigMap with rules", titled(deployment));
                return Err(Status::missing(Input::Rules, why));
            }
        };
        let Some(text) = requests::document(object) else {
            return Err(Status::missing(Input::Rules, format!("{} has no rules in it", titled(object))));
        };
        Ok(Self { object, deployment, text, document: serde_saphyr::from_str(text).unwrap_or_default() })
    }

    /// By how many seconds a pod of the adapter is older than the last change of the rules; none where none is. Both are
    /// known to the second: within the same one it cannot be told, and what the adapter then answers tells more.
    pub fn older(&self, evidence: &Evidence) -> Option<f64> {
        let entries = list(self.object, "/metadata/managedFields").iter();
        let entries = entries.filter(|entry| entry.pointer("/fieldsV1/f:data").is_some());
        let changed = entries.filter_map(|entry| time(&entry["time"])).reduce(f64::max);
        let changed = changed.or_else(|| time(&self.object["metadata"]["creationTimestamp"]))?;
        let since = evidence.taken - changed;
        server::ages(evidence).map(|age| age - since).reduce(f64::max).filter(|older| *older > 0.0)
    }

    pub fn rules(&self, evidence: &Evidence) -> Result<Rules, Status> {
        match &evidence.resources {
            Read::Seen(_) => {}
            Read::Unread(unread) => return Err(Status::Unread(unread.clone())),
            Read::Absent | Read::NotAsked => {
                return Err(Status::missing(Input::Resources, "the API server's list of resources is not known"));
            }
        }
        Rules::parse(self.text, &requests::resources(evidence)).map_err(|error| match error {
            Error::NotKnown(_) => Status::missing(Input::Resources, format!("{}: {error}", titled(self.object))),
            Error::Refused(_) => {
                let seen = format!("{}: the adapter ends at its start: {error}", titled(self.object));
                let advice = "Mend what the message names, and restart the adapter.";
                Status::Broken(Finding::new(Cause::RuleAbsent, seen, advice, Vec::new()))
            }
        })
    }

    /// A field of a rule, as it is written.
    pub fn field(&self, rule: usize, pointer: &str) -> Option<&str> {
        self.document["rules"].get(rule)?.pointer(pointer)?.as_str()
    }

    /// The commands that replace a part of the document, where it stands there once, and restart the adapter.
    pub fn replaced(&self, from: &str, to: &str) -> Vec<Command> {
        // What has a line of its own, or cannot be seen, does not stand in a script to copy.
        let once = self.text.matches(from).count() == 1 && ![from, to].iter().any(|text| text.contains(is_hidden));
        self.edited(once.then(|| format!("s/{}/{}/", pattern(from), replacement(to))))
    }

    /// The same for a field of a rule, where the document then has it so: quotes may be in the way.
    pub fn set(&self, rule: usize, pointer: &str, to: &str) -> Vec<Command> {
        let Some(from) = self.field(rule, pointer).filter(|from| *from != to) else { return Vec::new() };
        let document: Value = serde_saphyr::from_str(&self.text.replacen(from, to, 1)).unwrap_or_default();
        let field = document["rules"].get(rule).and_then(|rule| rule.pointer(pointer));
        if field.is_some_and(|field| field == to) { self.replaced(from, to) } else { Vec::new() }
    }

    /// The commands that take a rule out.
    pub fn removed(&self, rule: usize) -> Vec<Command> {
        self.edited(self.removal(rule))
    }

    /// The commands that add a rule, a mapping in one line, before all others; none without one.
    pub fn added(&self, rule: Option<&str>) -> Vec<Command> {
        let Some(rule) = rule else { return Vec::new() };
        let lines: Vec<&str> = self.text.lines().collect();
        let head = lines.iter().position(|line| line.trim_end() == "rules:");
        let script = if let Some(head) = head {
            let next = lines[head + 1..].iter().find(|line| line.trim_start().starts_with("- "));
            let depth = next.map_or(0, |line| line.len() - line.trim_start().len());
            let item = format!("{INDENT}{}- {rule}", " ".repeat(depth));
            Some(format!("s/^{INDENT}rules:$/&\\\n{}/", replacement(&item)))
        } else if let Some(empty) = lines.iter().find(|line| line.trim_end() == "rules: []") {
            Some(format!("s/^{INDENT}{}$/{}/", pattern(empty), replacement(&format!("{INDENT}rules: [{rule}]"))))
        } else {
            let lines = replacement(&format!("{INDENT}rules: [{rule}]"));
            self.key().map(|key| format!("s/^  {}: |-\\{{0,1\\}}$/&\\\n{lines}/", pattern(key)))
        };
        self.edited(script)
    }

    fn key(&self) -> Option<&str> {
        self.object["data"]
            .as_object()?
            .iter()
            .find(|(_, text)| text.as_str() == Some(self.text))
            .map(|(key, _)| &**key)
            .filter(|key| !key.contains(is_hidden))
    }

    fn edited(&self, script: Option<String>) -> Vec<Command> {
        // Else kubectl writes the document as one line with escapes.
        let plain = self.text.lines().all(|line| line.trim_end() == line && !line.contains('\t'));
        let Some(script) = script.filter(|_| plain) else { return Vec::new() };
        let get = in_namespace(namespace(self.object)).words("get configmap").name("", name(self.object));
        let edit = get.words("-o yaml | sed").block(&script).words("| kubectl replace -f -");
        vec![edit.end(), kubectl::restart(self.deployment)]
    }

    /// A script for `sed` that deletes the lines of a rule.
    fn removal(&self, rule: usize) -> Option<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let head = lines.iter().position(|line| line.trim_end() == "rules:")?;
        let depth = |line: &str| line.len() - line.trim_start().len();
        let first = (head + 1..lines.len()).find(|line| lines[*line].trim_start().starts_with("- "))?;
        let indent = depth(lines[first]);
        let ends = |line: &str| depth(line) < indent || depth(line) == indent && !line.trim_start().starts_with("- ");
        let end =
            (first..lines.len()).find(|line| !lines[*line].is_empty() && ends(lines[*line])).unwrap_or(lines.len());
        let starts: Vec<_> = (first..end)
            .filter(|line| depth(lines[*line]) == indent && lines[*line].trim_start().starts_with("- "))
            .collect();
        let (start, next) = (*starts.get(rule)?, starts.get(rule + 1).copied().unwrap_or(end));
        let last = (start..next).rev().find(|line| !lines[*line].trim().is_empty())?;
        let unique = lines.iter().filter(|line| **line == lines[start]).count() == 1;
        // A range ends with the first line that fits.
        let closes = (start + 1..=last).find(|line| lines[*line] == lines[last]).is_none_or(|line| line == last);
        let whole = |line: usize| format!("/^{INDENT}{}$/", pattern(lines[line]));
        let range = if start == last { whole(start) } else { format!("{},{}", whole(start), whole(last)) };
        (unique && closes).then(|| format!("{range}d"))
    }
}

/// A text as sed's basic regular expression that fits it alone.
fn pattern(text: &str) -> String {
    text.chars().flat_map(|c| "\\/[]*.^$".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A text as what sed puts in another's place.
fn replacement(text: &str) -> String {
    text.chars().flat_map(|c| "\\/&".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The adapter's configuration, and the metric that it makes.
pub fn of_adapter<'a>(evidence: &'a Evidence, subject: &'a Subject) -> Option<(Config<'a>, &'a Metric)> {
    let metric = subject.metric.as_ref().filter(|metric| metric.source == Source::Adapter)?;
    Some((Config::of(evidence, evidence.server.deployment.seen()?).ok()?, metric))
}

/// What has the adapter make the metric by the labels that tell the namespace and the pod.
pub fn by_labels(evidence: &Evidence, subject: &Subject, [namespace, pod]: &[String; 2]) -> Vec<Command> {
    let Some(((config, metric), series)) = of_adapter(evidence, subject).zip(subject.series.as_deref()) else {
        return Vec::new();
    };
    // Of several rules that list it the last counts, and this one would be the first.
    if config.rules(evidence).is_ok_and(|rules| adapter::has_rule(evidence, rules.custom(), &metric.name)) {
        return Vec::new();
    }
    config.added(rule_for(evidence, series, &metric.name, [namespace, pod]).as_deref())
}

/// What has the adapter read only the series that this matcher takes as well.
pub fn narrowed(evidence: &Evidence, subject: &Subject, matcher: &str) -> Vec<Command> {
    const MATCHERS: &str = "<<.LabelMatchers>>";
    let Some(((config, _), rule)) = of_adapter(evidence, subject).zip(subject.rule) else { return Vec::new() };
    let Some(written) = config.field(rule, "/metricsQuery") else { return Vec::new() };
    // Whichever quotes are none of the document's own there.
    let matchers = [matcher.to_owned(), matcher.replace('"', "'")];
    let queries = matchers.map(|matcher| written.replace(MATCHERS, &format!("{MATCHERS},{matcher}")));
    let commands = queries.iter().map(|query| config.set(rule, "/metricsQuery", query));
    commands.into_iter().find(|commands| !commands.is_empty()).unwrap_or_default()
}

/// A rule in one line, by the labels that tell the namespace and the pod. None for names that would have to be quoted to
/// stand in a query: whoever may write an HPA names its metric.
pub fn rule_for(evidence: &Evidence, counter: &str, metric: &str, [namespace, pod]: [&str; 2]) -> Option<String> {
    if ![counter, metric].iter().all(|name| is_metric(name)) || ![namespace, pod].iter().all(|name| is_label_name(name))
    {
        return None;
    }
    let matches = scalar(&format!("^{counter}$"));
    let [counter, metric, namespace, pod] = [counter, metric, namespace, pod].map(scalar);
    let window = (4.0 * intervals::scrape(evidence).unwrap_or(30.0)).max(120.0);
    Some(format!(
        "{{seriesQuery: {counter}, resources: {{overrides: {{{namespace}: {{resource: namespace}}, {pod}: {{resource: pod}}}}}}, \
         name: {{matches: {matches}, as: {metric}}}, \
         metricsQuery: \"sum(rate(<<.Series>>{{<<.LabelMatchers>>}}[{window:.0}s])) by (<<.GroupBy>>)\"}}"
    ))
}

/// An identifier as YAML takes it for a text: `true`, `on`, `y` and such stand in quotes.
pub fn scalar(identifier: &str) -> String {
    const OTHERS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let lower = identifier.to_ascii_lowercase();
    // A colon within needs none; at an end it would be a key's.
    let plain = !OTHERS.contains(&lower.as_str()) && !identifier.contains(':');
    if plain { identifier.to_owned() } else { format!("{identifier:?}") }
}
