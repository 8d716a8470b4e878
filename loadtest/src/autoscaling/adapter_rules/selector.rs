//! What a `seriesQuery` says of the names of series, and a `metricsQuery` of its window: `PromQL`, as far as that goes.

use crate::autoscaling::adapter_rules::pattern::Pattern;

/// What a selector asks of a series' name.
#[derive(Clone, Debug)]
pub(super) enum NameMatcher {
    Is(String),
    IsNot(String),
    Matches(Pattern),
    MatchesNot(Pattern),
}

impl NameMatcher {
    fn new(operator: &str, value: &str) -> Option<Self> {
        // Prometheus anchors both ends.
        let pattern = || Pattern::new(&format!("^(?s:{value})$")).ok();
        Some(match operator {
            "=" => Self::Is(value.to_owned()),
            "!=" => Self::IsNot(value.to_owned()),
            "=~" => Self::Matches(pattern()?),
            _ => Self::MatchesNot(pattern()?),
        })
    }

    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Is(value) => name == value,
            Self::IsNot(value) => name != value,
            Self::Matches(pattern) => pattern.matches(name),
            Self::MatchesNot(pattern) => !pattern.matches(name),
        }
    }

    pub fn exactly(&self) -> Option<&str> {
        if let Self::Is(name) = self { Some(name) } else { None }
    }
}

/// The matchers of a series' name in a selector such as `x{pod!=""}` or `{__name__=~"^container_.*"}`; none where it
/// cannot be read, and nor can Prometheus.
pub(super) fn name_matchers(selector: &str) -> Option<Vec<NameMatcher>> {
    let selector = selector.trim();
    let (name, braces) = selector.split_once('{').map_or((selector, None), |(name, rest)| (name.trim(), Some(rest)));
    let mut matchers = Vec::new();
    if !name.is_empty() {
        matchers.push(NameMatcher::Is(name.to_owned()));
    }
    let Some(mut rest) = braces else { return (!matchers.is_empty()).then_some(matchers) };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(after) = rest.strip_prefix('}') {
            return after.is_empty().then_some(matchers);
        }
        let label;
        if rest.starts_with(['"', '\'', '`']) {
            // A name that is no identifier stands in quotes among the matchers, and so does such a label.
            let (text, after) = quoted(rest)?;
            label = text;
            rest = after.trim_start();
            if rest.starts_with([',', '}']) {
                matchers.push(NameMatcher::Is(label));
                continue;
            }
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
            label = rest[..end].to_owned();
            rest = rest[end..].trim_start();
        }
        let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| rest.starts_with(operator))?;
        let (value, after) = quoted(rest[operator.len()..].trim_start())?;
        rest = after;
        if label == "__name__" {
            matchers.push(NameMatcher::new(operator, &value)?);
        }
    }
}

/// The string that a text starts with, and what follows it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (mut value, mut characters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, &text[at + 1..])),
            '\\' if quote != '`' => {
                let (_, escaped) = characters.next()?;
                value.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '\\' | '"' | '\'' => escaped,
                    // By its number, which no name in the wild is written with.
                    _ => return None,
                });
            }
            c => value.push(c),
        }
    }
    None
}

/// The one range of a query, in seconds. Subqueries have two, which are not the window of a rate.
pub fn window(query: &str) -> Option<f64> {
    let mut windows = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find(['[', '"', '\'', '`']) {
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix('[') {
            let (range, after) = inside.split_once(']')?;
            windows.push(seconds(range.trim())?);
            rest = after;
        } else {
            let quote = &rest[..1];
            // A string may well hold a class of characters.
            let end = rest[1..].match_indices(quote).find(|(end, _)| !rest[1..=*end].ends_with('\\'))?.0;
            rest = &rest[end + 2..];
        }
    }
    windows.dedup();
    if windows.len() == 1 { windows.pop() } else { None }
}

/// A duration such as `2m`, `1h30m` or, since Prometheus 3, `120`, in seconds.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(selector: &str, name: &str) -> bool {
        name_matchers(selector).unwrap().iter().all(|matcher| matcher.matches(name))
    }

    #[test]
    fn the_names_that_a_selector_takes() {
        assert!(takes("x", "x") && takes(r#"x{namespace!="",pod!=""}"#, "x") && !takes("x{}", "x_total"));
        let selector = r#"{__name__=~"^container_.*",container!="POD",__name__!~".*_total"}"#;
        assert!(takes(selector, "container_memory") && !takes(selector, "container_cpu_total"));
        assert!(!takes(r#"{__name__=~"container_"}"#, "container_memory"), "anchored at both ends");
        assert!(
            takes(r#"{ namespace = 'a}' , __name__ = "x", }"#, "x") && takes(r#"{"http.requests"}"#, "http.requests")
        );
        assert!(takes(r#"{namespace!=""}"#, "anything") && takes(r#"{pod=~"a\\.b"}"#, "anything"));
    }

    #[test]
    fn what_prometheus_does_not_read_takes_nothing() {
        for selector in ["", "x{", "x{pod}", r#"x{pod="}"#, r#"x{pod=""} y"#, r#"{__name__=~"("}"#] {
            assert!(name_matchers(selector).is_none(), "{selector}");
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
        ] {
            assert_eq!(window(query), expected, "{query}");
        }
    }
}
