//! The one reader of `PromQL`: the series of a query and its ranges.

mod lexer;

use lexer::{Token, Tokens, is_word, quoted};

use super::duration;

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
        let matchers = self.matchers.iter().map(|(label, operator, value)| matcher(label, operator, value));
        let matchers = matchers.collect::<Vec<_>>();
        if matchers.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, matchers.join(",")) }
    }

    /// Whether it asks anything of this label.
    pub fn asks(&self, label: &str) -> bool {
        self.matchers.iter().any(|(asked, ..)| asked == label)
    }
}

/// A matcher as Prometheus takes it, with the escapes that its value needs.
pub fn matcher(label: &str, operator: &str, value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    format!("{label}{operator}\"{value}\"")
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
    let (mut found, mut tokens) = (Vec::new(), Tokens(query).peekable());
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => {
                let lower = word.to_lowercase();
                match tokens.peek() {
                    // The labels in the brackets after it are no series.
                    Some(Token::Sign('(')) if takes_labels(&lower) => {
                        tokens.by_ref().find(|token| *token == Token::Sign(')'));
                    }
                    _ if WORDS.contains(&lower.as_str()) => {}
                    Some(Token::Braces(_)) => {
                        let Some(Token::Braces(braces)) = tokens.next() else { return found };
                        let Some(matchers) = matchers(braces) else { return found };
                        found.push(Selector { name: word.to_owned(), matchers });
                    }
                    Some(Token::Sign('(')) => {}
                    Some(Token::Unended) => return found,
                    _ if is_aggregation(&lower) => {}
                    _ => found.push(Selector { name: word.to_owned(), matchers: Vec::new() }),
                }
            }
            Token::Braces(braces) => {
                let Some(mut matchers) = matchers(braces) else { return found };
                let named = matchers.iter().position(|(label, operator, _)| label == NAME && operator == "=");
                if let Some((.., name)) = named.map(|at| matchers.remove(at)) {
                    found.push(Selector { name, matchers });
                }
            }
            Token::Unended => return found,
            _ => {}
        }
    }
    found
}

/// The matchers of a query that is one selector, such as `x{pod!=""}` or `{__name__=~"^container_.*"}`, including its name;
/// `None` if it is anything else.
pub fn one_selector(query: &str) -> Option<Vec<Matcher>> {
    let named = |name: &str| (NAME.to_owned(), "=".to_owned(), name.to_owned());
    match Tokens(query).collect::<Vec<_>>()[..] {
        [Token::Word(name)] => Some(vec![named(name)]),
        [Token::Braces(braces)] => matchers(braces),
        [Token::Word(name), Token::Braces(braces)] => {
            matchers(braces).map(|matchers| [named(name)].into_iter().chain(matchers).collect())
        }
        _ => None,
    }
}

/// The label that holds a series' name.
pub const NAME: &str = "__name__";

/// The functions that give nothing of a range with less than two samples.
const OF_TWO_SAMPLES: [&str; 6] = ["rate", "irate", "increase", "delta", "idelta", "deriv"];

/// A call of a function that needs at least two samples in its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate<'a> {
    /// Its name, such as `rate`.
    pub function: &'a str,
    /// The range, as it is written.
    pub range: &'a str,
    /// The series' name, if it stands before the braces.
    pub series: Option<&'a str>,
}

/// The calls of such functions in a query, in order, without those of subqueries.
pub fn rates(query: &str) -> Vec<Rate<'_>> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let (mut word, mut series) = (None, None);
    for token in Tokens(query) {
        let before = word.take();
        match token {
            Token::Word(name) => (word, series) = (Some(name), Some(name)),
            Token::Braces(_) => series = before,
            Token::Sign('(') => open.push(before.filter(|name| OF_TWO_SAMPLES.contains(name))),
            Token::Sign(')') => drop(open.pop()),
            Token::Brackets(range) if !range.contains(':') => {
                let function = open.last().copied().flatten();
                found.extend(function.map(|function| Rate { function, range, series }));
            }
            _ => {}
        }
        if !matches!(token, Token::Word(_) | Token::Braces(_)) {
            series = None;
        }
    }
    found
}

/// The ranges, as they are written, that stand within one of the functions that take two samples at least; no subquery.
pub fn ranges_of_rates(query: &str) -> Vec<&str> {
    rates(query).into_iter().map(|rate| rate.range).collect()
}

/// The one range of a query, in seconds. Subqueries have two, which are not the window of a rate.
pub fn window(query: &str) -> Option<f64> {
    let mut windows = Vec::new();
    for token in Tokens(query) {
        match token {
            Token::Brackets(range) => windows.push(seconds(range.trim())?),
            Token::Unended => return None,
            _ => {}
        }
    }
    windows.dedup();
    if windows.len() == 1 { windows.pop() } else { None }
}

/// A range such as `2m`, `1h30m` or, since Prometheus 3, `120`, in seconds.
pub fn seconds(range: &str) -> Option<f64> {
    let number = || range.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    duration::prometheus(range).or_else(number)
}

/// Whether a query is one rate of one counter, summed up or not: nothing else is made of it, and a constant at most
/// stands in for what is not there.
pub fn is_plain_rate(query: &str) -> bool {
    let (mut words, mut plain, mut tokens) = (Vec::new(), true, Tokens(query).peekable());
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if takes_labels(word) => {
                tokens.by_ref().find(|token| *token == Token::Sign(')'));
            }
            Token::Word(word) => {
                let called = tokens.peek() == Some(&Token::Sign('('));
                words.extend(Some(word).filter(|_| called || WORDS.contains(&word)));
            }
            Token::Sign(sign) => plain &= matches!(sign, '(' | ')'),
            Token::Text | Token::Unended => plain = false,
            Token::Number | Token::Braces(_) | Token::Brackets(_) => {}
        }
    }
    let rates = words.iter().filter(|word| matches!(**word, "rate" | "irate" | "increase")).count();
    let known = ["rate", "irate", "increase", "sum", "avg", "max", "or", "vector"];
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

/// The matchers in a pair of braces; a series' name that stands there in quotes is one of them.
fn matchers(braces: &str) -> Option<Vec<Matcher>> {
    let (mut matchers, mut rest) = (Vec::new(), braces);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            return Some(matchers);
        }
        let label;
        if rest.starts_with(['"', '\'', '`']) {
            // A name that is no identifier stands in quotes among the matchers, and so does such a label.
            let (text, after) = quoted(rest)?;
            (label, rest) = (text, after.trim_start());
            if rest.is_empty() || rest.starts_with(',') {
                matchers.push((NAME.to_owned(), "=".to_owned(), label));
                continue;
            }
        } else {
            let end = rest.find(|c: char| !is_word(c)).filter(|end| *end > 0)?;
            (label, rest) = (rest[..end].to_owned(), rest[end..].trim_start());
        }
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

    #[test]
    fn a_rate_has_its_function_its_series_and_its_range() {
        for (query, expected) in [
            (r#"sum(rate(a_total{b="c"}[2m])) by (d)"#, vec![("rate", "2m", Some("a_total"))]),
            ("irate(a:b[1m]) / irate({__name__=\"c\"}[5m])", vec![("irate", "1m", Some("a:b")), ("irate", "5m", None)]),
            ("sum(my_rate(a[1m])) + rate (a [ 90 ])", vec![("rate", " 90 ", Some("a"))]),
            ("rate(a) [1m]", vec![]),
        ] {
            let found: Vec<_> = rates(query).into_iter().map(|rate| (rate.function, rate.range, rate.series)).collect();
            assert_eq!(found, expected, "{query}");
        }
    }

    #[test]
    fn the_window_is_the_one_range() {
        for (query, expected) in [
            ("sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)", Some(120.0)),
            ("rate(a[1h30m]) / rate(b[1h30m])", Some(5400.0)),
            ("rate(a[90])", Some(90.0)),
            (r#"rate(a{b=~"[1-5]\"[xx",c='['}[ 500ms ])"#, Some(0.5)),
            ("rate(a[2m]) / rate(b[5m])", None),
            ("max_over_time(a[5m:1m])", None),
            ("sum(<<.Series>>)", None),
            ("rate(a[2m)", None),
            ("rate(a[1m1h])", None),
            ("rate(a[inf])", None),
        ] {
            assert_eq!(window(query), expected, "{query}");
        }
    }

    #[test]
    fn one_selector_is_read_whole_or_not_at_all() {
        let texts = |query: &str| {
            let matchers = one_selector(query)?.into_iter();
            Some(matchers.map(|(label, operator, value)| format!("{label}{operator}{value}")).collect::<Vec<_>>())
        };
        let read = |query: &str| texts(query).unwrap_or_else(|| panic!("{query} is one selector"));
        assert_eq!(read("x"), ["__name__=x"]);
        assert_eq!(read(r#" x{namespace!="",pod=~'a}'} "#), ["__name__=x", "namespace!=", "pod=~a}"]);
        assert_eq!(read(r#"{ __name__=~"^a.*" , "b.c"="d", }"#), ["__name__=~^a.*", "b.c=d"]);
        assert_eq!(read(r#"{"http.requests", a!~`b`}"#), ["__name__=http.requests", "a!~b"]);
        for query in ["", "x{", "x{pod}", r#"x{pod="}"#, r#"x{pod=""} y"#, "sum(x)", "x[1m]", "x offset 5m"] {
            assert_eq!(texts(query), None, "{query}");
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
