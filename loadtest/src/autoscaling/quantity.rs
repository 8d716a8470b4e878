//! Kubernetes' quantities, such as "2", "500m", "1k", "1.5Ki" or "2e3".
//!
//! Source: `pkg/api/resource/quantity.go` of k8s.io/apimachinery.

/// What a quantity comes to; none where it is no quantity.
pub fn value(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor: f64 = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        exponent => {
            let exponent = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            // Not as a factor: 3e-1 is 0.3, and 3 * 0.1 is not.
            return format!("{number}e{}", i32::clamp(exponent, -30, 30)).parse().ok();
        }
    };
    // Divided, so that "500m" is 0.5 and "100m" the 0.1 that one writes.
    if factor < 1.0 {
        return number.parse::<f64>().ok().map(|number| number / factor.recip().round());
    }
    number.parse::<f64>().ok().map(|number| number * factor)
}

/// A value in thousandths, rounded up as `MilliValue` rounds.
#[expect(clippy::cast_possible_truncation, reason = "a rate of requests in thousandths")]
pub fn milli(value: f64) -> i64 {
    let thousandths = value * 1000.0;
    // A tenth of a thousandth is far above what a float is off by, and below what a quantity of a metric tells apart.
    if (thousandths - thousandths.round()).abs() < 1e-4 {
        thousandths.round() as i64
    } else {
        thousandths.ceil() as i64
    }
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
            ("-1", -1.0),
            ("2M", 2e6),
            (".5", 0.5),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["", "m", "2 m", "two", "1K", "1e", "--1", "0x1"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn thousandths_are_rounded_up() {
        assert_eq!([2.0, 0.001, 0.0001, 1.0001, 2.2].map(milli), [2000, 1, 1, 1001, 2200]);
    }
}
