//! Content negotiation by the `Accept` header (RFC 9110, sections 12.4.2 and 12.5.1).

use crate::format::Format;

/// A weight in thousandths, because a `qvalue` has at most three decimals.
type Weight = u16;

/// Every format, in the order in which the service prefers them after its default.
const FORMATS: [Format; 3] = Format::ALL;

/// What an `Accept` header says about one format.
#[derive(Clone, Copy, Default)]
struct Preference {
    /// How precisely a range matches: 0 not at all, 1 by `*/*`, 2 by `text/*`, 3 by its type.
    precision: u8,
    weight: Weight,
    /// The position of the range.
    position: usize,
}

/// The format with the highest weight. Among equal ones, the first in the header wins, then the one that the service
/// prefers. The weight of a format is that of the most precise range that matches it.
///
/// A client that accepts none of them gets the default, which is more useful to a person than a 406 (section 12.5.1 allows
/// both). A range whose weight is not a `qvalue` is ignored.
pub fn preferred<'a>(default: Format, values: impl Iterator<Item = &'a [u8]>) -> Format {
    let mut preferences = [Preference::default(); FORMATS.len()];
    let ranges = values.filter_map(|value| std::str::from_utf8(value).ok()).flat_map(|value| split(value, ','));
    for (position, range) in ranges.enumerate() {
        let mut parts = split(range, ';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let Some(weight) = weight(parts) else {
            continue;
        };
        for (format, preference) in FORMATS.into_iter().zip(&mut preferences) {
            let precision = precision(name, format);
            if precision > preference.precision {
                *preference = Preference { precision, weight, position };
            }
        }
    }
    let mut best = (preferences[default as usize], default);
    for (format, preference) in FORMATS.into_iter().zip(preferences) {
        let is_earlier = preference.weight == best.0.weight && preference.position < best.0.position;
        let is_accepted = preference.weight > 0;
        if preference.weight > best.0.weight || is_accepted && is_earlier {
            best = (preference, format);
        }
    }
    best.1
}

/// Splits at a separator outside quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |character| {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && character == '\\' {
            is_escaped = true;
        } else if character == '"' {
            is_quoted = !is_quoted;
        }
        character == separator && !is_quoted
    })
}

/// The weight among a range's parameters: 1 if there is none, and nothing if it is not a `qvalue`.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<Weight> {
    let is_weight = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.trim_end().eq_ignore_ascii_case("q")
    };
    parameters.find(is_weight).map_or(Some(1000), |parameter| qvalue(parameter.get(1..)?.strip_prefix('=')?))
}

/// `( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`: neither `inf` nor `2`, `.5`, `1.001` or `0.0001`.
fn qvalue(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        decimals.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + Weight::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// How precisely a media range matches a format.
fn precision(range: &str, format: Format) -> u8 {
    let (names, wildcards): (&[&str], &[&str]) = match format {
        // A client that asks for text gets YAML. Its type was registered later than its other names came into use (RFC 9512).
        Format::Yaml => {
            (&["application/yaml", "application/x-yaml", "text/yaml", "text/plain"], &["text/*", "application/*"])
        }
        Format::Json => (&["application/json"], &["application/*"]),
        Format::Html => (&["text/html", "application/xhtml+xml"], &["text/*"]),
    };
    let is_among = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(range));
    if is_among(names) {
        3
    } else if is_among(wildcards) {
        2
    } else {
        u8::from(range == "*/*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Format {
        preferred(Format::Yaml, std::iter::once(accept.as_bytes()))
    }

    #[test]
    fn missing_accept_gets_yaml() {
        assert_eq!(preferred(Format::Yaml, std::iter::empty()), Format::Yaml);
        for accept in ["", "*/*", "image/png", ",", ";", "application/json;q=nonsense", "*", "text/html;q=0", "\u{e9}"]
        {
            assert_eq!(accepted(accept), Format::Yaml, "{accept:?}");
        }
        assert_eq!(preferred(Format::Yaml, std::iter::once(&b"text/html\xff"[..])), Format::Yaml);
    }

    #[test]
    fn highest_weight_wins_then_the_first_range() {
        for (accept, format) in [
            ("application/json", Format::Json),
            ("application/yaml;q=0.3, application/json;q=0.4", Format::Json),
            ("text/yaml, text/html", Format::Yaml),
            ("text/html, */*", Format::Html),
            ("*/*, text/html", Format::Yaml),
            ("application/json;q=0, */*;q=0.1", Format::Yaml),
            ("APPLICATION/JSON; charset=utf-8 ; q=0.9, */*;q=0.8", Format::Json),
            ("text/html;Q=0.001", Format::Html),
            ("text/html;q=0.001, application/json;q=0.002", Format::Json),
            ("text/html;q=1., application/json;q=0.999", Format::Html),
            ("text/html;x=\"a,b;q=0\";q=0.2, application/json;q=0.1", Format::Html),
            ("text/html;x=\"\\\",\";q=0.2, application/json;q=0.1", Format::Html),
        ] {
            assert_eq!(accepted(accept), format, "{accept:?}");
        }
        let lines = ["application/json;q=0.5", "text/html;q=0.6"].map(str::as_bytes);
        assert_eq!(preferred(Format::Yaml, lines.into_iter()), Format::Html);
    }

    #[test]
    fn default_wins_among_equal_formats_only() {
        for (accept, format) in [
            ("", Format::Json),
            ("image/png, application/json;q=0", Format::Json),
            ("*/*", Format::Json),
            ("application/*", Format::Json),
            ("image/png", Format::Json),
            ("application/json;q=0", Format::Json),
            ("application/json;q=0, */*", Format::Yaml),
            ("text/*", Format::Yaml),
            ("application/yaml", Format::Yaml),
            ("application/yaml, application/json", Format::Yaml),
            ("text/html, */*;q=0.8", Format::Html),
        ] {
            assert_eq!(preferred(Format::Json, std::iter::once(accept.as_bytes())), format, "{accept:?}");
        }
    }

    #[test]
    fn most_precise_range_decides() {
        for (accept, format) in [
            ("application/yaml;q=0, */*", Format::Json),
            ("*/*;q=0.9, text/html;q=0.1, application/yaml;q=0.2", Format::Json),
            ("text/*;q=0.5, application/*;q=0.4, application/yaml;q=0", Format::Html),
            ("text/html;q=0.5, application/*", Format::Yaml),
            ("text/*", Format::Yaml),
        ] {
            assert_eq!(accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn range_with_an_invalid_weight_is_ignored() {
        for weight in [
            "inf", "2", "1.001", "1.0001", "0.0001", "0.1234", ".5", "-1", "+1", "1e0", "NaN", "nan", "", "01", "00.5",
            "0x1", "\"1\"", " 1", "1 1", "1.0.0", "\u{661}",
        ] {
            let accept = format!("text/html;q={weight}, application/json;q=0.1");
            assert_eq!(accepted(&accept), Format::Json, "{accept:?}");
        }
        for parameter in ["q", "q =1", "q =0.9"] {
            let accept = format!("text/html;{parameter}, application/json;q=0.1");
            assert_eq!(accepted(&accept), Format::Json, "{accept:?}");
        }
    }

    #[test]
    fn browser_gets_html() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        assert_eq!(accepted(chromium), Format::Html);
    }
}
