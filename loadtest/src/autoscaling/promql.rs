//! The series that a query asks for: `PromQL`, as far as that goes.

use crate::autoscaling::adapter_rules::quoted;
pub use crate::autoscaling::adapter_rules::{seconds, window};

/// Label, operator, value.
pub type Matcher = (String, String, String);

/// A selector of series, as it stands in a query.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selector {
    /// The series' name.
    pub name: String,
    /// Its matchers.
    pub matchers: Vec<Matcher>,
}

impl Selector {
    /// As Prometheus takes it.
    pub fn text(&self) -> String {
        let escaped = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        let matcher = |(label, operator, value): &Matcher| format!("{label}{operator}\"{}\"", escaped(value));
        let matchers = self.matchers.iter().map(matcher).collect::<Vec<_>>();
        if matchers.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, matchers.join(",")) }
    }

    /// Whether it asks anything of this label.
    pub fn asks(&self, label: &str) -> bool {
        self.matchers.iter().any(|(asked, ..)| asked == label)
    }
}

/// The words of a query that name no series.
const WORDS: [&str; 14] = [
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "atan2",
    "inf",
    "nan",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// All selectors of a query that name their series, in their order. What cannot be read ends the list.
pub fn selectors(query: &str) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), query);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return found };
        if first.is_ascii_alphabetic() || matches!(first, '_' | ':') {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.trim_start();
            let lower = word.to_lowercase();
            if WORDS.contains(&lower.as_str()) {
                // The labels in the brackets after it are no series.
                if let Some(labels) = rest.strip_prefix('(').filter(|_| takes_labels(&lower)) {
                    rest = labels.split_once(')').map_or("", |(_, after)| after);
                }
            } else if let Some(braces) = rest.strip_prefix('{') {
                let Some((matchers, after)) = matchers(braces) else { return found };
                found.push(Selector { name: word.to_owned(), matchers });
                rest = after;
            } else if !rest.starts_with('(') && !is_aggregation(&lower) {
                found.push(Selector { name: word.to_owned(), matchers: Vec::new() });
            }
        } else if first == '{' {
            let Some((mut matchers, after)) = matchers(&rest[1..]) else { return found };
            let named = matchers.iter().position(|(label, operator, _)| label == "__name__" && operator == "=");
            if let Some((.., name)) = named.map(|at| matchers.remove(at)) {
                found.push(Selector { name, matchers });
            }
            rest = after;
        } else if first == '[' {
            rest = rest.split_once(']').map_or("", |(_, after)| after);
        } else if first.is_ascii_digit() {
            // A number with its unit or its exponent.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if matches!(first, '"' | '\'' | '`') {
            let Some((_, after)) = quoted(rest) else { return found };
            rest = after;
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
}

/// The functions that give nothing of a range with less than two samples.
const OF_TWO_SAMPLES: [&str; 6] = ["rate", "irate", "increase", "delta", "idelta", "deriv"];

/// The ranges, as they are written, that stand within one of the functions that take two samples at least; no subquery.
pub fn ranges_of_rates(query: &str) -> Vec<&str> {
    let (mut found, mut open, mut rest) = (Vec::new(), Vec::new(), query);
    while let Some(first) = rest.chars().next() {
        if is_word(first) {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            if let Some(inside) = after.trim_start().strip_prefix('(') {
                open.push(OF_TWO_SAMPLES.contains(&word));
                rest = inside;
            }
            continue;
        }
        if matches!(first, '"' | '\'' | '`') {
            let Some((_, after)) = quoted(rest) else { return found };
            rest = after;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            '(' => open.push(false),
            ')' => drop(open.pop()),
            '[' => {
                let Some((range, after)) = rest.split_once(']') else { return found };
                found.extend((open.last() == Some(&true) && !range.contains(':')).then_some(range));
                rest = after;
            }
            _ => {}
        }
    }
    found
}

/// Whether a query is one rate of one counter, summed up or not: nothing else is made of it, and a constant at most
/// stands in for what is not there.
pub fn is_plain_rate(query: &str) -> bool {
    let mut rest = query;
    let (mut words, mut bare) = (Vec::new(), String::new());
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        rest = match first {
            '{' => matchers(&rest[1..]).map_or("", |(_, after)| after),
            '[' => rest.split_once(']').map_or("", |(_, after)| after),
            _ if length > 0 => {
                let (word, after) = rest.split_at(length);
                let takes = after.trim_start();
                if takes_labels(word) {
                    takes.split_once(')').map_or("", |(_, after)| after)
                } else {
                    words.extend(Some(word).filter(|_| takes.starts_with('(') || WORDS.contains(&word)));
                    after
                }
            }
            c => {
                bare.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    let rates = words.iter().filter(|word| matches!(**word, "rate" | "irate" | "increase")).count();
    let known = ["rate", "irate", "increase", "sum", "avg", "max", "or", "vector"];
    let plain = bare.chars().all(|c| c.is_whitespace() || "()".contains(c));
    rates == 1 && selectors(query).len() == 1 && plain && words.iter().all(|word| known.contains(word))
}

/// Whether an aggregation's name may stand without its brackets: `sum by (pod) (…)`.
fn is_aggregation(word: &str) -> bool {
    let names = [
        "sum",
        "avg",
        "min",
        "max",
        "count",
        "group",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "quantile",
        "count_values",
    ];
    names.contains(&word)
}

fn takes_labels(word: &str) -> bool {
    matches!(word, "by" | "without" | "on" | "ignoring" | "group_left" | "group_right")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// The matchers up to the closing brace, and what follows it.
fn matchers(text: &str) -> Option<(Vec<Matcher>, &str)> {
    let (mut matchers, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((matchers, after));
        }
        let end = rest.find(|c: char| !is_word(c)).filter(|end| *end > 0)?;
        let label = rest[..end].to_owned();
        rest = rest[end..].trim_start();
        let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| rest.starts_with(operator))?;
        let (value, after) = quoted(rest[operator.len()..].trim_start())?;
        matchers.push((label, operator.to_owned(), value));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_in_which_two_samples_are_needed() {
        for (query, expected) in [
            ("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)", vec!["2m"]),
            (r#"avg_over_time(a[5s]) + increase (a{b="[(1s]"}[ 10s ])"#, vec![" 10s "]),
            ("last_over_time(up[5s])", vec![]),
            ("max_over_time(rate(a[1m])[5s:1s])", vec!["1m"]),
            ("rate(sum(a)[5s:1s])", vec![]),
        ] {
            assert_eq!(ranges_of_rates(query), expected, "{query}");
        }
    }

    fn texts(query: &str) -> Vec<String> {
        selectors(query).iter().map(Selector::text).collect()
    }

    #[test]
    fn a_rate_of_a_counter_is_told_from_what_else_may_be_made_of_it() {
        for query in [
            r#"sum(rate(a_total{namespace="x",pod=~"p|q{2}"}[2m])) by (pod)"#,
            "sum by (pod) (increase(a_total[1m]))",
            "sum(rate(a_total[1m])) or vector(0)",
        ] {
            assert!(is_plain_rate(query), "{query}");
        }
        for query in [
            "sum(rate(a[1m])) / sum(rate(b[1m]))",
            "sum(rate(a[1m])) * 60",
            "histogram_quantile(0.9, rate(a[1m]))",
            "a",
        ] {
            assert!(!is_plain_rate(query), "{query}");
        }
    }

    #[test]
    fn the_series_of_a_query_are_found_among_its_words() {
        for (query, expected) in [
            (
                r#"sum(rate(a_total{namespace="x",pod=~"p|q"}[2m])) by (pod)"#,
                vec![r#"a_total{namespace="x",pod=~"p|q"}"#],
            ),
            ("sum by (pod) (rate(a_total[2m] offset 5m)) / on(pod) group_left (x) b", vec!["a_total", "b"]),
            ("sum without(le) (a) or vector(0)", vec!["a"]),
            (r#"{__name__="a",b!='c'} > bool 2e3"#, vec![r#"a{b!="c"}"#]),
            (r#"label_replace(a, "dst", "$1", "src", "b(.*)") * 1.5"#, vec!["a"]),
            (
                r#"histogram_quantile(0.9, sum(rate(a_bucket{p=~"x\\.y"}[5m:1m])) by (le))"#,
                vec![r#"a_bucket{p=~"x\\.y"}"#],
            ),
            ("job:a:rate1m", vec!["job:a:rate1m"]),
            ("vector(0)", vec![]),
            ("a{", vec![]),
        ] {
            assert_eq!(texts(query), expected, "{query}");
        }
    }
}
