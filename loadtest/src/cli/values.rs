//! Values of options: how a text is read, and what is said if it cannot be.

use std::time::Duration;

use crate::bounds::{DAY, SPEED};
use crate::journal::{MaxFailed, UNLIMITED};

/// `NAMESPACE/NAME` of an HPA, or the name alone.
pub(super) fn hpa(text: &str) -> Result<String, String> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || "-.".contains(one));
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    let known = is_name(namespace) && is_name(name);
    known
        .then(|| text.to_owned())
        .ok_or_else(|| "expected NAMESPACE/NAME, or the name alone; kubectl get hpa -A lists all".to_owned())
}

/// `--max-failed`: a number, or a share with a per cent sign.
pub(super) fn max_failed(text: &str) -> Result<MaxFailed, String> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => {
            let percent = percent.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
            percent.map(|percent| MaxFailed::Share { percent })
        }
        None => text.parse().ok().map(MaxFailed::Count),
    };
    limit.ok_or_else(|| {
        "expected a number of requests, such as 0 or 20, or a share from 0% to 100%, such as 0.1%".to_owned()
    })
}

/// A duration that a timeout or a limit can be.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration.as_secs_f64() <= DAY => Ok(duration),
        _ => Err("expected a duration longer than 0 and a day at most, such as 50ms, 10s or 2m".to_owned()),
    }
}

/// `--speed`.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches('x').parse::<f64>().ok().filter(|speed| SPEED.contains(speed));
    speed.ok_or_else(|| "expected a factor from 1 to 60".to_owned())
}

/// `--requests-per-connection`.
pub(super) fn per_connection(text: &str) -> Result<u64, String> {
    if text == "all" {
        return Ok(UNLIMITED);
    }
    let count = text.parse().ok().filter(|count| (1..=UNLIMITED).contains(count));
    count.ok_or_else(|| "expected a whole number, 1 or more, or all".to_owned())
}
