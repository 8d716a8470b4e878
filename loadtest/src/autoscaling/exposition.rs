//! Prometheus' text format, as far as a counter needs it.

use std::collections::HashMap;

/// The sum of all series of this name; 0 where there is none.
pub fn sum_of(text: &str, name: &str) -> f64 {
    series_of(text, name).map(|(_, value)| value).sum()
}

/// All series of this name: what stands in their braces, and their value.
pub fn series_of<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        // A space or a label set: another name may begin the same way.
        let (labels, value) = match rest.as_bytes().first()? {
            b' ' => ("", rest.trim_start()),
            b'{' => {
                let end = rest.rfind('}')?;
                (&rest[1..end], rest[end + 1..].trim_start())
            }
            _ => return None,
        };
        Some((labels, value.split(' ').next()?.parse().ok()?))
    })
}

/// The name of each series.
pub fn names_of(text: &str) -> impl Iterator<Item = &str> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series.filter_map(|line| line.split(['{', ' ']).next()).filter(|name| !name.is_empty())
}

/// The page without what no judge reads of it: comments but the types of counters, and of each name at most `most` series
/// and one more, which shows that there are more.
pub fn few_of_each(text: &str, most: usize) -> String {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let is_kept = if line.starts_with('#') {
            line.starts_with("# TYPE ") && line.trim_end().ends_with(" counter")
        } else {
            let name = line.split(['{', ' ', '\n']).next().unwrap_or_default();
            let count = seen.entry(name).or_default();
            *count += 1;
            !name.is_empty() && *count <= most + 1
        };
        if is_kept {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{few_of_each, names_of, sum_of};

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
}
