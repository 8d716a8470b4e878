//! Prometheus' text format, as far as a counter needs it.

/// The sum of all series of this name; 0 where there is none.
pub fn sum_of(text: &str, name: &str) -> f64 {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            // A space or a label set: another name may begin the same way.
            let value = match rest.as_bytes().first()? {
                b' ' => rest.trim_start(),
                b'{' => rest[rest.rfind('}')? + 1..].trim_start(),
                _ => return None,
            };
            value.split(' ').next()?.parse::<f64>().ok()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::sum_of;

    #[test]
    fn every_series_of_the_name_counts_and_no_other() {
        let text =
            "# HELP hits The hits.\nhits{path=\"a } b\"} 2\nhits{path=\"c\"} 3.5 1700000000\nhits_total 9\nhits 1\n";
        assert!((sum_of(text, "hits") - 6.5).abs() < f64::EPSILON);
        assert!(sum_of(text, "misses").abs() < f64::EPSILON);
    }
}
