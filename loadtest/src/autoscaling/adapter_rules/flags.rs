//! The flags of prometheus-adapter, in the arguments of its Deployment.

use serde_json::Value;

use crate::autoscaling::{duration, timing};

/// Prometheus' address.
pub const PROMETHEUS_URL: &str = "--prometheus-url";

/// Between two listings of the series.
pub const RELIST_INTERVAL: &str = "--metrics-relist-interval";

/// How far back a listing looks for series.
pub const MAX_AGE: &str = "--metrics-max-age";

/// The value of a Deployment's flag of this name, its two dashes included, though it may be written with one: `--x=y`, or
/// `--x` and `y`. The last one, if there are several.
pub fn flag<'a>(deployment: &'a Value, name: &str) -> Option<&'a str> {
    let words: Vec<_> = arguments(deployment).collect();
    let mut found = words.iter().enumerate().filter_map(|(at, word)| {
        let rest = word.strip_prefix(name).or_else(|| word.strip_prefix(name.strip_prefix('-')?))?;
        let next = || words.get(at + 1).copied().filter(|_| rest.is_empty());
        rest.strip_prefix('=').or_else(next)
    });
    found.next_back()
}

/// The arguments of a Deployment's containers.
pub fn arguments(deployment: &Value) -> impl Iterator<Item = &str> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
    let fields = containers.flat_map(|container| [&container["command"], &container["args"]]);
    fields.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
}

/// Seconds between two listings of the adapter that this Deployment runs: its flag, else the adapter's own default.
pub fn relist_interval(adapter: &Value) -> f64 {
    flag(adapter, RELIST_INTERVAL).and_then(duration::go).unwrap_or(timing::RELIST_INTERVAL)
}

/// How far back the adapter looks for series, in seconds, if its flags say so.
pub fn lookback(adapter: &Value) -> Option<f64> {
    let seconds = |name| flag(adapter, name).and_then(duration::go).filter(|seconds| *seconds > 0.0);
    seconds(MAX_AGE).or_else(|| seconds(RELIST_INTERVAL))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn adapter(arguments: &[&str]) -> Value {
        json!({"spec": {"template": {"spec": {"containers": [{"args": arguments}]}}}})
    }

    #[test]
    fn last_of_several_flags_counts_in_either_form() {
        let adapter = adapter(&["-prometheus-url", "http://a", "--prometheus-url=http://b", "--v=6"]);
        assert_eq!(flag(&adapter, PROMETHEUS_URL), Some("http://b"));
        assert_eq!(flag(&adapter, MAX_AGE), None);
    }

    #[test]
    fn adapter_without_the_flag_relists_every_ten_minutes() {
        let intervals = ["--metrics-relist-interval=90s", "--v=6"].map(|flag| relist_interval(&adapter(&[flag])));
        assert_eq!(intervals.as_slice(), [90.0, 600.0]);
        assert_eq!(lookback(&adapter(&["--metrics-relist-interval=1m", "--metrics-max-age=2m"])), Some(120.0));
        assert_eq!(lookback(&adapter(&["--metrics-relist-interval=1m"])), Some(60.0));
    }
}
