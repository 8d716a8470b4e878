//! From a metric back to the series: names that a rule's patterns turn into the metric.

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

use super::Rule;
use crate::autoscaling::adapter_rules::pattern::{Part, Pattern, parts};
use crate::autoscaling::adapter_rules::selector::NameMatcher;

/// The most texts that are made of one pattern.
const MOST: usize = 32;

/// The longest of them, in bytes; no name of a series in the wild is as long.
const LONGEST: usize = 256;

/// A text that a pattern matches.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Example {
    pub text: String,
    /// Whether a part of it is made up, because the pattern takes anything there.
    pub made_up: bool,
}

impl Example {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned(), made_up: false }
    }

    fn followed_by(&self, next: &Self) -> Self {
        Self { text: format!("{}{}", self.text, next.text), made_up: self.made_up || next.made_up }
    }
}

impl Rule {
    /// The names that the `seriesQuery` lists, as text or as a pattern without wildcards.
    pub(super) fn listed_names(&self) -> BTreeSet<String> {
        let named = self.names.iter().flatten().flat_map(selected);
        named.filter(|example| !example.made_up).map(|example| example.text).collect()
    }

    /// Some names of series that the rule turns into this metric; there may be more.
    pub(super) fn examples(&self, metric: &str) -> BTreeSet<Example> {
        let (matches, name) = self.naming.pattern();
        let by_name = inverted(matches, name, metric).into_iter();
        let all = by_name.chain(self.names.iter().flatten().flat_map(selected)).chain([Example::of(metric)]);
        all.filter(|example| self.makes(metric, &example.text)).collect()
    }
}

fn selected(matcher: &NameMatcher) -> Vec<Example> {
    match matcher {
        NameMatcher::Is(name) => vec![Example::of(name)],
        NameMatcher::Matches(pattern) => texts(pattern, &BTreeMap::new()),
        NameMatcher::IsNot(_) | NameMatcher::MatchesNot(_) => Vec::new(),
    }
}

/// Texts that a rule's `name.matches` turns into this name by its `name.as`.
fn inverted(matches: &Pattern, template: &str, name: &str) -> Vec<Example> {
    let mut groups = Vec::new();
    let mut expression = String::new();
    for part in parts(template) {
        match part {
            Part::Text(text) => expression.push_str(&regex::escape(text)),
            Part::Group(group) => {
                expression.push_str("(.*)");
                groups.push(matches.group(group));
            }
        }
    }
    // The groups of `matches`, as they stand in the metric's name.
    let Some(taken) = Pattern::whole(&expression).ok().and_then(|pattern| pattern.captured(name)) else {
        return Vec::new();
    };
    let taken = groups.into_iter().zip(taken).filter_map(|(group, text)| Some((group?, text)));
    let taken: BTreeMap<usize, String> = taken.collect();
    match taken.get(&0) {
        Some(whole) => vec![Example::of(whole)],
        None => texts(matches, &taken),
    }
}

/// Some texts that a pattern matches, in which these groups have these texts.
fn texts(pattern: &Pattern, groups: &BTreeMap<usize, String>) -> Vec<Example> {
    regex_syntax::parse(pattern.translated()).map(|hir| of(&hir, groups)).unwrap_or_default()
}

fn of(hir: &Hir, groups: &BTreeMap<usize, String>) -> Vec<Example> {
    let few = |mut all: Vec<Example>| {
        all.retain(|example| example.text.len() <= LONGEST);
        all.truncate(MOST);
        all
    };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Example::of("")],
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).map(|text| few(vec![Example::of(text)])).unwrap_or_default()
        }
        HirKind::Class(class) => {
            let one = one_of(class).map(|c| Example { text: c.to_string(), made_up: true });
            one.into_iter().collect()
        }
        HirKind::Repetition(repetition) => {
            let once = of(&repetition.sub, groups);
            let times = |number: u32| {
                (0..number).try_fold(vec![Example::of("")], |all, _| {
                    let all = few(joined(&all, &once));
                    (!all.is_empty()).then_some(all)
                })
            };
            // The fewest; and one, if there may be none.
            let least = times(repetition.min).unwrap_or_default();
            let other = if repetition.min == 0 { once.clone() } else { Vec::new() };
            let bounded = repetition.max.is_some_and(|most| most <= repetition.min.max(1));
            let all = least.into_iter().chain(other);
            few(all.map(|example| Example { made_up: example.made_up || !bounded, ..example }).collect())
        }
        HirKind::Capture(capture) => {
            let taken = usize::try_from(capture.index).ok().and_then(|index| groups.get(&index));
            taken.map_or_else(|| of(&capture.sub, groups), |text| few(vec![Example::of(text)]))
        }
        HirKind::Concat(all) => {
            all.iter().fold(vec![Example::of("")], |before, next| few(joined(&before, &of(next, groups))))
        }
        HirKind::Alternation(all) => few(all.iter().flat_map(|one| of(one, groups)).collect()),
    }
}

fn joined(before: &[Example], next: &[Example]) -> Vec<Example> {
    before.iter().flat_map(|before| next.iter().map(|next| before.followed_by(next))).collect()
}

/// A character of a class, preferably one that a name may start with.
fn one_of(class: &Class) -> Option<char> {
    match class {
        Class::Unicode(class) => {
            let has = |c: &char| class.iter().any(|range| (range.start()..=range.end()).contains(c));
            ['a', '_', '0'].into_iter().find(has).or_else(|| class.iter().next().map(ClassUnicodeRange::start))
        }
        Class::Bytes(class) => class.iter().next().map(|range| char::from(range.start())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pattern(pattern: &str) -> Vec<(String, bool)> {
        let all = texts(&Pattern::new(pattern).unwrap(), &BTreeMap::new()).into_iter();
        all.map(|example| (example.text, example.made_up)).collect()
    }

    #[test]
    fn texts_that_a_pattern_matches() {
        for (pattern, expected) in [
            ("^http_requests_total$", vec![("http_requests_total", false)]),
            (
                "^(http|grpc)_requests(_total)?$",
                vec![
                    ("http_requests", false),
                    ("http_requests_total", false),
                    ("grpc_requests", false),
                    ("grpc_requests_total", false),
                ],
            ),
            ("^.+_total", vec![("a_total", true)]),
            ("a{3}[0-9]", vec![("aaa0", true)]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(text, made_up)| (text.to_owned(), made_up)).collect();
            assert_eq!(of_pattern(pattern), expected, "{pattern}");
        }
        assert!(of_pattern("(a|b|c|d){20}").len() <= MOST && of_pattern("a{900}").is_empty());
    }

    #[test]
    fn a_name_is_turned_back_by_what_as_takes_of_it() {
        for (matches, template, metric, expected) in [
            ("^(.*)_total$", "${1}_per_second", "http_requests_per_second", "http_requests_total"),
            (
                "^container_(?P<what>.*)_(seconds)_total$",
                "${what}_in_$2",
                "cpu_in_seconds",
                "container_cpu_seconds_total",
            ),
            (".*", "$0", "queue_depth", "queue_depth"),
            ("^x_(.*)$", "fixed", "fixed", "x_"),
        ] {
            let found = inverted(&Pattern::new(matches).unwrap(), template, metric);
            assert!(found.iter().any(|example| example.text == expected), "{matches}: {found:?}");
        }
        assert_eq!(inverted(&Pattern::new("^(.*)_total$").unwrap(), "${1}_per_second", "http_requests"), []);
    }
}
