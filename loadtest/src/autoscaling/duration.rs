//! Durations as Prometheus and Go write them, in seconds.

/// Nanoseconds that an `i64` holds: Go's longest duration, and with it Prometheus'.
const LONGEST: i128 = i64::MAX as i128;

const SECOND: i128 = 1_000_000_000;

/// Prometheus' units, which come in this order, each once at most.
const PROMETHEUS: [(&str, i128); 7] = [
    ("y", 365 * 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", SECOND / 1_000),
];

/// Go's units, in any order and number.
const GO: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", SECOND / 1_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];

/// A duration in Prometheus' configuration, in the monitors of its operator, and in its queries: `1h30m`, `5m`, `500ms`.
///
/// Source: `ParseDuration` in `model/time.go` of prometheus/common.
pub fn prometheus(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (mut sum, mut units, mut rest) = (0, &PROMETHEUS[..], text);
    while !rest.is_empty() {
        let (digits, unit, after) = part(rest, |c| c.is_ascii_digit())?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        sum += digits.parse::<i64>().ok().map(i128::from)? * units[place].1;
        (units, rest) = (&units[place + 1..], after);
    }
    (!text.is_empty()).then(|| seconds(sum)).flatten()
}

/// A duration in a flag of a program in Go, such as those of prometheus-adapter: `1m30s`, `1.5h`, `250us`.
///
/// Source: `ParseDuration` in `time/format.go` of Go 1.22.
pub fn go(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0.0);
    }
    let (mut sum, mut rest) = (0, unsigned);
    while !rest.is_empty() {
        let (number, unit, after) = part(rest, |c| c.is_ascii_digit() || c == '.')?;
        let (_, factor) = GO.into_iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        sum += if whole.is_empty() { 0 } else { i128::from(whole.parse::<i64>().ok()?) } * factor;
        // Beyond the eighteenth digit nothing is left of a nanosecond.
        let digits = &fraction[..fraction.len().min(18)];
        let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
        sum += if digits.is_empty() { 0 } else { i128::from(digits.parse::<i64>().ok()?) } * factor / scale;
        rest = after;
    }
    let sum = if text.starts_with('-') { -sum } else { sum };
    (!unsigned.is_empty()).then(|| seconds(sum)).flatten()
}

/// The number and the unit that a text starts with, and what follows them.
fn part(text: &str, of_number: impl Fn(char) -> bool) -> Option<(&str, &str, &str)> {
    let (number, rest) = text.split_at(text.find(|c| !of_number(c)).filter(|end| *end > 0)?);
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    Some((number, &rest[..end], &rest[end..]))
}

#[expect(clippy::cast_precision_loss, reason = "a nanosecond in a hundred days")]
fn seconds(nanoseconds: i128) -> Option<f64> {
    (nanoseconds.abs() <= LONGEST).then(|| nanoseconds as f64 / SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::{go, prometheus};

    /// Source: `TestParseDuration` and `TestParseBadDuration` in `model/time_test.go` of prometheus/common.
    #[test]
    fn durations_of_prometheus() {
        for (text, seconds) in [
            ("0", 0.0),
            ("0w", 0.0),
            ("0s", 0.0),
            ("324ms", 0.324),
            ("3s", 3.0),
            ("5m", 300.0),
            ("1h30m", 5_400.0),
            ("4d", 345_600.0),
            ("4d1h", 349_200.0),
            ("14d", 1_209_600.0),
            ("3w", 1_814_400.0),
            ("3w2d1h", 1_990_800.0),
            ("10y", 315_360_000.0),
        ] {
            assert_eq!(prometheus(text), Some(seconds), "{text}");
        }
        for text in ["1", "1y1m1d", "-1w", "1.5d", "d", "", "294y", "200y10400w", "107675d", "2584200h", "1m1m", "1 m"]
        {
            assert_eq!(prometheus(text), None, "{text}");
        }
    }

    /// Source: `parseDurationTests` in `time/time_test.go` of Go 1.22.
    #[test]
    fn durations_of_go() {
        for (text, seconds) in [
            ("0", 0.0),
            ("30s", 30.0),
            ("-5s", -5.0),
            ("+5s", 5.0),
            ("-0", 0.0),
            ("5.0s", 5.0),
            ("5.6s", 5.6),
            ("5.s", 5.0),
            (".5s", 0.5),
            ("1.004s", 1.004),
            ("100.00100s", 100.001),
            ("11us", 11e-6),
            ("12\u{b5}s", 12e-6),
            ("12\u{3bc}s", 12e-6),
            ("13ms", 0.013),
            ("14s", 14.0),
            ("3h30m", 12_600.0),
            ("10.5s4m", 250.5),
            ("-2m3.4s", -123.4),
            ("39h9m14.425s", 140_954.425),
            ("1m0s", 60.0),
            ("1.5h", 5_400.0),
            ("0.3333333333333333333h", 1_200.0),
        ] {
            assert!(go(text).is_some_and(|found| (found - seconds).abs() < 1e-8), "{text}: {:?}", go(text));
        }
        for text in
            ["", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "1.2.3s", "3000000h", "9223372036854775808ns", "m"]
        {
            assert_eq!(go(text), None, "{text}");
        }
    }
}
