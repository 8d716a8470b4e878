//! Figures and lines for people.

use std::time::Duration;

use super::visible;

/// A number with separators between its thousands.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Digits with separators between thousands.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(crate) fn plural(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A duration: below a minute with three significant digits in a suitable unit, from a minute on in whole seconds. A moment
/// has the form of [`clock`].
pub(crate) fn seconds(seconds: f64) -> String {
    let micros = seconds * 1e6;
    match micros.abs() {
        below if below < 0.5 => "0 s".to_owned(),
        below if below < 999.5 => format!("{micros:.0} µs"),
        below if below < 9_995.0 => format!("{} ms", rounded(micros / 1e3, 2)),
        below if below < 99_950.0 => format!("{} ms", rounded(micros / 1e3, 1)),
        below if below < 999_500.0 => format!("{:.0} ms", micros / 1e3),
        below if below < 9_995_000.0 => format!("{} s", rounded(seconds, 2)),
        below if below < 59_950_000.0 => format!("{} s", rounded(seconds, 1)),
        below if below < 3_599_500_000.0 => two_units(seconds.round(), (60.0, "min"), (1.0, "s")),
        _ => two_units((seconds / 60.0).round() * 60.0, (3600.0, "h"), (60.0, "min")),
    }
}

/// Seconds in a large unit and the rest in a small one, such as `5 min 45 s`.
fn two_units(seconds: f64, large: (f64, &str), small: (f64, &str)) -> String {
    let (whole, rest) = ((seconds / large.0).trunc(), (seconds % large.0 / small.0).round());
    let whole = format!("{whole:.0} {}", large.1);
    if rest > 0.0 { format!("{whole} {rest:.0} {}", small.1) } else { whole }
}

/// A number with at most so many decimals, and none that are zero.
pub(crate) fn rounded(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A moment of the run, as minutes and seconds.
pub(crate) fn clock(at: f64) -> String {
    let whole = at.abs().round();
    let sign = if at < 0.0 && whole > 0.0 { "−" } else { "" };
    let (hours, minutes) = ((whole / 3600.0).trunc(), (whole % 3600.0 / 60.0).trunc());
    if hours > 0.0 {
        format!("{sign}{hours:.0}:{minutes:02.0}:{:02.0}", whole % 60.0)
    } else {
        format!("{sign}{minutes:.0}:{:02.0}", whole % 60.0)
    }
}

/// A rate with its significant digits, and separators between its thousands.
pub(crate) fn rate(rate: f64) -> String {
    let text = rounded(rate, if rate < 10.0 { 2 } else { usize::from(rate < 100.0) });
    if text.bytes().all(|digit| digit.is_ascii_digit()) { grouped(&text) } else { text }
}

/// The end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Bytes in a suitable decimal unit.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1_000 {
        return format!("{number} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    let mut amount = number as f64 / 1e3;
    let mut unit = 0;
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1e3;
        unit += 1;
    }
    let decimals = if amount < 9.995 { 2 } else { usize::from(amount < 99.95) };
    format!("{} {}", rounded(amount, decimals), UNITS[unit])
}

/// Unix time in seconds, as a date.
pub(crate) fn date(unix: f64) -> String {
    let since = Duration::try_from_secs_f64(unix).unwrap_or_default();
    // A later year has no representation.
    let moment = std::time::UNIX_EPOCH + since.min(LAST);
    humantime::format_rfc3339_seconds(moment).to_string().replace('T', " ").replace('Z', " UTC")
}

/// A text in lines of this width. All but the first are indented. A word that is longer than a line, such as a path,
/// continues on the next.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let text = visible(text);
    let mut lines = vec![String::new()];
    let room = width.saturating_sub(indent).max(1);
    let parts = |word: &str| match word.chars().collect::<Vec<_>>() {
        letters if letters.is_empty() => vec![String::new()],
        letters => letters.chunks(room).map(String::from_iter).collect(),
    };
    for word in text.split(' ').flat_map(parts) {
        let length = lines[lines.len() - 1].chars().count();
        if length > indent && length + 1 + word.chars().count() > width {
            lines.push(" ".repeat(indent) + &word);
        } else {
            let line = lines.last_mut().expect("there is always one");
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    lines
}

/// As much of a line as fits into this width. No character that we or Kubernetes print is wider than one column.
pub(crate) fn fit(line: &str, width: usize) -> String {
    // Before it is measured: a mark is wider than the character it replaces.
    let line: Vec<char> = visible(line).chars().collect();
    if line.len() <= width {
        return line.into_iter().collect();
    }
    line[..width.saturating_sub(1)].iter().chain(&['…']).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.25, 12.34, 123.4, 5510.0, 1e6].map(rate),
            ["0", "0.25", "12.3", "123", "5,510", "1,000,000"]
        );
        let sizes = [0, 999, 1_000, 12_345, 999_499, 999_600, 1_500_000_000, 5_000_000_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1 kB", "12.3 kB", "999 kB", "1 MB", "1.5 GB", "5000 TB"]);
        let times = [0.0, 0.000_42, 0.001_234, 0.0567, 0.25, 1.5, 52.04, 101.1, 300.0, 345.0, 9000.0].map(seconds);
        assert_eq!(
            times,
            [
                "0 s",
                "420 µs",
                "1.23 ms",
                "56.7 ms",
                "250 ms",
                "1.5 s",
                "52 s",
                "1 min 41 s",
                "5 min",
                "5 min 45 s",
                "2 h 30 min"
            ]
        );
        assert_eq!([-5.0, 0.0, 61.0, 3725.0].map(clock), ["−0:05", "0:00", "1:01", "1:02:05"]);
        assert_eq!(date(1_700_000_000.0), "2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn a_word_longer_than_a_line_continues_on_the_next() {
        let path = wrap("Seen   /a/path/longer/than/a/line: 404", 20, 7);
        assert_eq!(path, ["Seen   /a/path/longe", "       r/than/a/line", "       : 404"]);
        assert_eq!(wrap("Seen   a path of words", 20, 7), ["Seen   a path of", "       words"]);
    }
}
