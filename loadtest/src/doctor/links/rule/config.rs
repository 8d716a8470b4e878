//! The adapter's `ConfigMap`: its rules, its age, and commands that change it.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::{Finding, Judgement};
use crate::doctor::evidence::{Evidence, Read};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::in_namespace;
use crate::doctor::links::fields::list;
use crate::doctor::links::objects::{name, namespace, time, titled};
use crate::doctor::links::server;
use crate::doctor::questions;
use crate::doctor::rule::{Error, Rules};
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
    pub fn of(evidence: &'a Evidence, deployment: &'a Value) -> Result<Self, Judgement> {
        let object = match &evidence.server.config {
            Read::Seen(object) => object,
            Read::Unread(unread) => return Err(Judgement::Unread(unread.clone())),
            Read::Absent | Read::NotAsked => {
                return Err(Judgement::NotJudged(format!("{} mounts no ConfigMap with rules", titled(deployment))));
            }
        };
        let Some(text) = questions::document(object) else {
            return Err(Judgement::NotJudged(format!("{} has no rules in it", titled(object))));
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

    pub fn rules(&self, evidence: &Evidence) -> Result<Rules, Judgement> {
        match &evidence.resources {
            Read::Seen(_) => {}
            Read::Unread(unread) => return Err(Judgement::Unread(unread.clone())),
            Read::Absent | Read::NotAsked => {
                return Err(Judgement::NotJudged("the names of the API server's resources are not known".to_owned()));
            }
        }
        Rules::parse(self.text, &questions::resources(evidence)).map_err(|error| match error {
            Error::NotKnown(_) => Judgement::NotJudged(format!("{}: {error}", titled(self.object))),
            Error::Refused(_) => {
                let seen = format!("{}: the adapter ends at its start: {error}", titled(self.object));
                let advice = "Mend what the message names, and restart the adapter.";
                Judgement::Broken(Finding::new(Cause::RuleAbsent, seen, advice, Vec::new()))
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
        vec![edit.end(), server::restart(self.deployment)]
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
