//! Kubernetes' quantities, such as "2", "500m", "1k", "1.5Ki" or "2e3", as exact decimals.
//!
//! Source: `pkg/api/resource/quantity.go` of k8s.io/apimachinery, which knows nothing smaller than a billionth, and
//! nothing larger than an `int64`.

/// Billionths of one.
const ONE: i128 = 1_000_000_000;

/// The largest quantity, which stands for whatever is larger.
const LARGEST: i128 = i64::MAX as i128 * ONE;

/// The decimal suffixes, and the power of ten that each stands for.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// The binary ones, each 1024 times the one before.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The number nearest to a quantity; none where it is no quantity.
pub fn value(text: &str) -> Option<f64> {
    let billionths = parsed(text)?;
    let (sign, whole, part) = (billionths.signum(), billionths.abs() / ONE, billionths.abs() % ONE);
    // As a text, since neither half may be a float's on its way.
    let number = format!("{}{whole}.{part:09}", if sign < 0 { "-" } else { "" });
    number.parse().ok()
}

/// A value in thousandths, rounded up as `MilliValue` rounds: the decimal that the value is written as counts, to its
/// nearest billionth, and not the float, which is a little off.
pub fn milli(value: f64) -> i64 {
    let bounded = if value.is_nan() { 0.0 } else { value.clamp(-1e19, 1e19) };
    let billionths = decimal(&format!("{bounded}"), 1, 0, Rounding::Nearest).unwrap_or_default();
    let thousandths = divided(billionths, 1_000_000, Rounding::AwayFromZero);
    i64::try_from(thousandths.clamp(i64::MIN.into(), i64::MAX.into())).unwrap_or_default()
}

/// A quantity in billionths.
fn parsed(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (factor, exponent) = if let Some((_, exponent)) = DECIMAL.into_iter().find(|(name, _)| *name == suffix) {
        (1, exponent)
    } else if let Some(place) = BINARY.into_iter().position(|name| name == suffix) {
        (1_i128 << (10 * (place + 1)), 0)
    } else {
        let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        // Far beyond the largest, and below the smallest.
        (1, i32::try_from(exponent.clamp(-1000, 1000)).ok()?)
    };
    decimal(number, factor, exponent, Rounding::AwayFromZero)
}

#[derive(Clone, Copy)]
enum Rounding {
    /// What is not nothing is not to become nothing.
    AwayFromZero,
    Nearest,
}

/// A decimal number, times a factor and a power of ten, in billionths.
fn decimal(number: &str, factor: i128, exponent: i32, rounding: Rounding) -> Option<i128> {
    let negative = number.starts_with('-');
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_number(whole) && is_number(part)) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let digits = [whole, part].concat();
    let digits = digits.trim_start_matches('0');
    let places = 9 + i64::from(exponent) - i64::try_from(part.len()).ok()?;
    if digits.is_empty() {
        return Some(0);
    }
    // How many digits stand before the billionths' point.
    let before = places + i64::try_from(digits.len()).ok()?;
    let magnitude = if before > 30 {
        LARGEST
    } else if before < -30 {
        divided(1, ONE, rounding)
    } else {
        // Of further digits, which no quantity has, it counts only that they are there.
        let (kept, rest) = digits.split_at(digits.len().min(if factor == 1 { 30 } else { 19 }));
        let more = i128::from(rest.bytes().any(|byte| byte != b'0'));
        let places = places + i64::try_from(rest.len()).ok()?;
        let (scaled, power) =
            (kept.parse::<i128>().ok()? * factor, 10_i128.pow(u32::try_from(places.abs()).ok()?.min(38)));
        if places < 0 { divided(scaled + more, power, rounding) } else { scaled.checked_mul(power).unwrap_or(LARGEST) }
    };
    let magnitude = magnitude.min(LARGEST);
    Some(if negative { -magnitude } else { magnitude })
}

fn divided(number: i128, by: i128, rounding: Rounding) -> i128 {
    let (quotient, rest) = (number / by, number % by);
    let up = match rounding {
        Rounding::AwayFromZero => rest != 0,
        Rounding::Nearest => 2 * rest.abs() >= by,
    };
    if up { quotient + number.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, expected) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("100m", 0.1),
            ("1k", 1000.0),
            ("1.5Ki", 1536.0),
            ("3e-1", 0.3),
            ("2E3", 2000.0),
            ("2e+3", 2000.0),
            ("-1", -1.0),
            ("2M", 2e6),
            (".5", 0.5),
            ("5.", 5.0),
            ("007", 7.0),
            ("0", 0.0),
            ("1234567890m", 1_234_567.89),
            ("123456789.125", 123_456_789.125),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["", "m", "2 m", "two", "1K", "1e", "--1", "0x1", ".", "-", "1.1.", "1mi", "1i", "1e1.5"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn every_suffix() {
        for (text, expected) in [
            ("3n", 3e-9),
            ("3u", 3e-6),
            ("3m", 3e-3),
            ("3k", 3e3),
            ("3M", 3e6),
            ("3G", 3e9),
            ("3T", 3e12),
            ("3P", 3e15),
            ("3E", 3e18),
            ("1Ki", 1024.0),
            ("1Mi", 1_048_576.0),
            ("1Gi", 1_073_741_824.0),
            ("1Ti", 1_099_511_627_776.0),
            ("1Pi", 1_125_899_906_842_624.0),
            ("1Ei", 1_152_921_504_606_846_976.0),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    /// Source: `ParseQuantity` in `quantity.go`.
    #[test]
    fn what_is_too_small_is_rounded_away_from_zero_and_what_is_too_large_is_the_largest() {
        for (text, expected) in [
            ("0.5n", 1e-9),
            ("-0.5n", -1e-9),
            ("1e-100", 1e-9),
            ("1.0000000001", 1.000_000_001),
            ("100E", 9_223_372_036_854_775_808.0),
            ("-1e1000000", -9_223_372_036_854_775_808.0),
            ("99999999999999999999999999999999999999999", 9_223_372_036_854_775_808.0),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        let long = format!("0.{}1", "0".repeat(5000));
        assert_eq!((value(&long), value(&format!("1{}", "0".repeat(5000)))), (Some(1e-9), value("100E")));
    }

    #[test]
    fn thousandths_are_rounded_up() {
        assert_eq!([2.0, 0.001, 0.0001, 1.0001, 2.2].map(milli), [2000, 1, 1, 1001, 2200]);
        assert_eq!([0.1 + 0.2, 1e15 + 0.1, -1.0001, f64::NAN].map(milli), [300, 1_000_000_000_000_000_100, -1001, 0]);
        assert_eq!([1e300, f64::NEG_INFINITY].map(milli), [i64::MAX, i64::MIN]);
    }
}
