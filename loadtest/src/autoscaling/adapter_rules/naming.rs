//! Which series a rule takes, and what its metric is called.
//!
//! Source: `pkg/naming/metric_namer.go`.

use super::Error;
use crate::autoscaling::adapter_rules::config::{Filter, Name};
use crate::autoscaling::adapter_rules::pattern::{Budget, Pattern};

/// A rule's `seriesFilters` and `name`.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    /// Each pattern, and whether it is to match or not to.
    filters: Vec<(Pattern, bool)>,
    matches: Pattern,
    name: String,
}

impl Naming {
    pub fn new(filters: &[Filter], name: &Name, budget: &Budget) -> Result<Self, Error> {
        let filters = filters.iter().map(|one| filter(one, budget)).collect::<Result<_, _>>()?;
        let matches = if name.matches.is_empty() { ".*" } else { &name.matches };
        let matches = Pattern::within(matches, budget)
            .map_err(|error| error.because(|why| format!("unable to compile series filter {matches:?}: {why}")))?;
        let name = match (name.as_.as_str(), matches.groups()) {
            ("", 0) => "$0",
            ("", 1) => "$1",
            ("", _) => {
                let why = format!("must specify an 'as' value for name matcher {:?}", name.matches);
                return Err(Error::Refused(why));
            }
            (name, _) => name,
        };
        Ok(Self { filters, matches, name: name.to_owned() })
    }

    /// The metric's name for a series, none where the rule does not take it: `matches` is one more filter. Nothing is
    /// cut off that `matches` and `as` do not cut off, and the name may come out empty.
    pub fn metric(&self, series: &str) -> Option<String> {
        let taken = self.filters.iter().all(|(pattern, is)| pattern.matches(series) == *is);
        taken.then(|| self.matches.expand(&self.name, series)).flatten()
    }

    /// `matches`, and `as`, or what is in its place.
    pub fn pattern(&self) -> (&Pattern, &str) {
        (&self.matches, &self.name)
    }
}

fn filter(filter: &Filter, budget: &Budget) -> Result<(Pattern, bool), Error> {
    let (expression, is) = match (filter.is.as_str(), filter.is_not.as_str()) {
        ("", "") => {
            return Err(Error::Refused("must have either an `is` or `isNot` expression in a filter".to_owned()));
        }
        (is, "") => (is, true),
        ("", is_not) => (is_not, false),
        (is, is_not) => {
            return Err(Error::Refused(format!(
                "cannot have both an `is` ({is:?}) and `isNot` ({is_not:?}) expression in a single filter"
            )));
        }
    };
    let pattern = Pattern::within(expression, budget);
    pattern
        .map(|pattern| (pattern, is))
        .map_err(|error| error.because(|why| format!("unable to compile series filter {expression:?}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(filters: &[(&str, &str)], matches: &str, as_: &str) -> Result<Naming, String> {
        let filters: Vec<_> =
            filters.iter().map(|(is, is_not)| Filter { is: is.to_string(), is_not: is_not.to_string() }).collect();
        Naming::new(&filters, &Name { matches: matches.to_owned(), as_: as_.to_owned() }, &Budget::of_all())
            .map_err(|error| error.to_string())
    }

    fn metric(matches: &str, as_: &str, series: &str) -> Option<String> {
        naming(&[], matches, as_).unwrap().metric(series)
    }

    #[test]
    fn without_as_the_one_group_is_the_name_or_all_that_matches() {
        assert_eq!(metric("", "", "http_requests_total").unwrap(), "http_requests_total");
        assert_eq!(metric("^(.*)_total$", "", "http_requests_total").unwrap(), "http_requests");
        assert_eq!(metric("requests", "", "http_requests_total").unwrap(), "requests");
        let error = naming(&[], "^(.*)_(total)$", "").unwrap_err();
        assert_eq!(error, r#"must specify an 'as' value for name matcher "^(.*)_(total)$""#);
    }

    #[test]
    fn matches_is_a_filter_and_as_may_make_one_name_or_none_of_all() {
        assert_eq!(metric("^(.*)_total$", "${1}_rate", "up"), None);
        assert_eq!(metric("", "all", "up").unwrap(), "all");
        assert_eq!(metric("^(.*)_total$", "$1_rate", "x_total").unwrap(), "");
    }

    #[test]
    fn every_filter_has_to_agree() {
        let naming = naming(&[("^container_", ""), ("", "_total$"), ("", "_seconds")], "", "").unwrap();
        assert!(naming.metric("container_memory_bytes").is_some());
        for series in ["up", "container_cpu_total", "container_cpu_seconds_sum", "a_container_x"] {
            assert_eq!(naming.metric(series), None, "{series}");
        }
    }

    #[test]
    fn a_filter_is_one_of_both() {
        assert!(naming(&[("", "")], "", "").unwrap_err().starts_with("must have either"));
        assert!(naming(&[("a", "b")], "", "").unwrap_err().starts_with("cannot have both"));
        assert!(naming(&[("", "(")], "", "").unwrap_err().starts_with(r#"unable to compile series filter "(""#));
        assert!(naming(&[], "(", "x").unwrap_err().contains("error parsing regexp"));
    }
}
