//! Prometheus' text format, as far as a counter needs it.

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

#[cfg(test)]
mod tests {
    use super::{names_of, sum_of};

    #[test]
    fn every_series_of_the_name_counts_and_no_other() {
        let text =
            "# HELP hits The hits.\nhits{path=\"a } b\"} 2\nhits{path=\"c\"} 3.5 1700000000\nhits_total 9\nhits 1\n";
        assert!((sum_of(text, "hits") - 6.5).abs() < f64::EPSILON);
        assert!(sum_of(text, "misses").abs() < f64::EPSILON);
        assert_eq!(names_of(text).collect::<Vec<_>>(), ["hits", "hits", "hits_total", "hits"]);
    }
}
