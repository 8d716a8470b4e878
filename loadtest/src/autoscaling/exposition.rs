//! The page of metrics that Prometheus scrapes, in its own text format or in `OpenMetrics`, as far as a counter needs it.

use std::collections::HashMap;

/// What parts the words of a line.
const BLANK: [char; 2] = [' ', '\t'];

/// The sum of all series of this name; 0 where there is none.
pub fn sum_of(text: &str, name: &str) -> f64 {
    series_of(text, name).map(|(_, value)| value).sum()
}

/// All series of this name: what stands in their braces, and their value.
pub fn series_of<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let (_, rest) = named(line).filter(|(found, _)| *found == name)?;
        let (labels, rest) = match rest.trim_start_matches(BLANK).strip_prefix('{') {
            Some(braces) => braces.split_at_checked(closing(braces)?).map(|(labels, rest)| (labels, &rest[1..]))?,
            None => ("", rest),
        };
        // A timestamp may follow, and an exemplar.
        let value = rest.trim_start_matches(BLANK).split(BLANK).next()?;
        Some((labels, value.parse().ok()?))
    })
}

/// The name of each series.
pub fn names_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| named(line)).map(|(name, _)| name)
}

/// The page without what no judge reads of it: comments but the types of counters, and of each name at most `most` series
/// and one more, which shows that there are more.
pub fn few_of_each(text: &str, most: usize) -> String {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let is_kept = if line.starts_with('#') {
            line.starts_with("# TYPE ") && line.trim_end().ends_with(" counter")
        } else if let Some((name, _)) = named(line.trim_end()) {
            let count = seen.entry(name).or_default();
            *count += 1;
            *count <= most + 1
        } else {
            false
        };
        if is_kept {
            kept.push_str(line);
        }
    }
    kept
}

/// The name that a line's series has, and what follows it; none of a comment, and of an empty line.
fn named(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(BLANK);
    let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    (!name.is_empty() && !name.starts_with('#')).then_some((name, rest))
}

/// Where the brace is that ends a set of labels: one within a label's value ends nothing.
fn closing(labels: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    labels.bytes().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' if quoted => {
            escaped = true;
            false
        }
        b'"' => {
            quoted = !quoted;
            false
        }
        byte => byte == b'}' && !quoted,
    })
}

#[cfg(test)]
mod tests {
    use super::{few_of_each, names_of, series_of, sum_of};

    #[test]
    fn of_each_name_a_few_are_kept() {
        let text = "# HELP a A.\n# TYPE a counter\n# TYPE b gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n\na 3\na 4\nb 5";
        assert_eq!(few_of_each(text, 2), "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\na 3\nb 5");
    }

    #[test]
    fn every_series_of_the_name_counts_and_no_other() {
        let text =
            "# HELP hits The hits.\nhits{path=\"a } b\"} 2\nhits{path=\"c\"} 3.5 1700000000\nhits_total 9\nhits 1\n";
        assert!((sum_of(text, "hits") - 6.5).abs() < f64::EPSILON);
        assert!(sum_of(text, "misses").abs() < f64::EPSILON);
        assert_eq!(names_of(text).collect::<Vec<_>>(), ["hits", "hits", "hits_total", "hits"]);
    }

    #[test]
    fn exemplars_timestamps_and_escapes_are_no_part_of_a_value() {
        for (line, expected) in [
            (r#"x_total{a="b"} 5 # {trace_id="c"} 1"#, (r#"a="b""#, 5.0)),
            (r#"x_total{a="b"} 5 1700000000.1 # {trace_id="c"} 1 1700000000"#, (r#"a="b""#, 5.0)),
            (r#"x_total 5 # {trace_id="}"} 1"#, ("", 5.0)),
            (r#"x_total{a="\"} 7 \\",b="{"}	1e3	1700000000000"#, (r#"a="\"} 7 \\",b="{""#, 1000.0)),
            (r#"x_total{a="x",} +Inf"#, (r#"a="x","#, f64::INFINITY)),
            ("x_total{} 5", ("", 5.0)),
            (r#"x_total {a="b"} 5"#, (r#"a="b""#, 5.0)),
        ] {
            assert_eq!(series_of(line, "x_total").collect::<Vec<_>>(), [expected], "{line}");
        }
        assert_eq!(series_of(r#"x_total{a="b} 5"#, "x_total").count(), 0);
    }
}
