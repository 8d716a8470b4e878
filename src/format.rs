//! The three forms that every document comes in, and which one a client asked for.

use http::header::{ACCEPT, HeaderMap, HeaderValue};

/// A form of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For curl, wget and whoever says nothing.
    Yaml,
    /// For programs.
    Json,
    /// For browsers.
    Html,
}

impl Format {
    /// The form that the `Accept` header prefers: the highest `q`, the first named among equals. YAML where there is
    /// no header, where it accepts anything, or where it accepts nothing that there is: an answer in another form
    /// helps a person more than a 406 (RFC 9110, section 12.5.1, leaves both open).
    pub fn accepted(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT).iter();
        if let (first, None) = (values.next(), values.next())
            && first.is_none_or(|value| value == "*/*")
        {
            return Self::Yaml;
        }
        let mut best = (0.0, Self::Yaml);
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let Some(format) = parts.next().and_then(Self::of_media_type) else {
                    continue;
                };
                let quality = parts
                    .find_map(|parameter| parameter.strip_prefix("q="))
                    .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
                if quality > best.0 {
                    best = (quality, format);
                }
            }
        }
        best.1
    }

    fn of_media_type(name: &str) -> Option<Self> {
        const NAMES: [(&str, Format); 9] = [
            ("application/json", Format::Json),
            ("text/html", Format::Html),
            ("application/xhtml+xml", Format::Html),
            ("application/yaml", Format::Yaml),
            ("application/x-yaml", Format::Yaml),
            ("text/yaml", Format::Yaml),
            ("text/plain", Format::Yaml),
            ("text/*", Format::Yaml),
            ("*/*", Format::Yaml),
        ];
        NAMES.into_iter().find_map(|(known, format)| known.eq_ignore_ascii_case(name).then_some(format))
    }

    /// The value of `Content-Type` (YAML's is registered by RFC 9512).
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Yaml => "application/yaml",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        })
    }
}

/// How a short HTML document begins.
pub const HTML_HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n";

/// Spares a handler the copy of all headers that it would be handed to look at one.
impl<S: Sync> axum::extract::FromRequestParts<S> for Format {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::accepted(&parts.headers))
    }
}

/// Escapes text for an HTML element's content or a double-quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Format::accepted(&headers)
    }

    #[test]
    fn whoever_says_nothing_gets_yaml() {
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Yaml);
        assert_eq!(accepted("*/*"), Format::Yaml);
        assert_eq!(accepted("image/png"), Format::Yaml);
        assert_eq!(accepted("application/json;q=nonsense"), Format::Yaml);
    }

    #[test]
    fn the_highest_quality_wins_and_the_first_among_equals() {
        assert_eq!(accepted("application/json"), Format::Json);
        assert_eq!(accepted("application/yaml;q=0.3, application/json;q=0.4"), Format::Json);
        assert_eq!(accepted("text/yaml, text/html"), Format::Yaml);
        assert_eq!(accepted("application/json;q=0, */*;q=0.1"), Format::Yaml);
        assert_eq!(accepted("APPLICATION/JSON; charset=utf-8 ; q=0.9, */*;q=0.8"), Format::Json);
    }

    #[test]
    fn a_browser_gets_the_page() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        assert_eq!(accepted(chromium), Format::Html);
    }

    #[test]
    fn html_is_escaped() {
        assert_eq!(escape_html(r#"<a href="x">&'"#), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
