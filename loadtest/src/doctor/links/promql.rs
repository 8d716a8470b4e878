//! The series that a query asks for: `PromQL`, as far as that goes.

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

/// The one range of a query, in seconds; none where there is no range, or several that differ.
pub fn window(query: &str) -> Option<f64> {
    let mut ranges = query.split('[').skip(1).map(|rest| seconds(rest.split(']').next()?.trim()));
    let first = ranges.next()??;
    ranges.all(|range| range == Some(first)).then_some(first)
}

/// A duration such as `2m`, `1h30m` or, since Prometheus 3, `120`.
pub fn seconds(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds);
    }
    let (mut seconds, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0), ("w", 604_800.0)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        seconds += rest[..digits].parse::<f64>().ok()? * factor;
        rest = &rest[digits + unit.len()..];
    }
    Some(seconds)
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

/// The string that a text starts with, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (mut value, mut characters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = characters.next() {
        if c == quote {
            return Some((value, &text[at + 1..]));
        }
        if c == '\\' && quote != '`' {
            match characters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                escaped => value.push(escaped),
            }
        } else {
            value.push(c);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(query: &str) -> Vec<String> {
        selectors(query).iter().map(Selector::text).collect()
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

    #[test]
    fn the_window_is_the_one_range() {
        for (query, expected) in [
            ("rate(a[2m]) + rate(b[120s])", Some(120.0)),
            ("rate(a[1h30m])", Some(5400.0)),
            ("rate(a[2m]) / rate(b[5m])", None),
            ("max_over_time(a[5m:1m])", None),
            ("sum(a)", None),
        ] {
            assert_eq!(window(query), expected, "{query}");
        }
    }
}
