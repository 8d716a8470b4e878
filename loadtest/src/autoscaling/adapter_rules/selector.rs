//! What a `seriesQuery` asks of the names of series.

use crate::autoscaling::adapter_rules::pattern::{Budget, Pattern};
use crate::autoscaling::promql::{NAME, one_selector};

/// What a selector asks of a series' name.
#[derive(Clone, Debug)]
pub(super) enum NameMatcher {
    Is(String),
    IsNot(String),
    Matches(Pattern),
    MatchesNot(Pattern),
}

impl NameMatcher {
    fn new(operator: &str, value: String, budget: &Budget) -> Option<Self> {
        Some(match operator {
            "=" => Self::Is(value),
            "!=" => Self::IsNot(value),
            "=~" => Self::Matches(Pattern::whole_within(&value, budget).ok()?),
            _ => Self::MatchesNot(Pattern::whole_within(&value, budget).ok()?),
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
pub(super) fn name_matchers(selector: &str, budget: &Budget) -> Option<Vec<NameMatcher>> {
    let matchers = one_selector(selector)?.into_iter().filter(|(label, ..)| label == NAME);
    matchers.map(|(_, operator, value)| NameMatcher::new(&operator, value, budget)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(selector: &str, name: &str) -> bool {
        name_matchers(selector, &Budget::of_all()).unwrap().iter().all(|matcher| matcher.matches(name))
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
            assert!(name_matchers(selector, &Budget::of_all()).is_none(), "{selector}");
        }
    }
}
