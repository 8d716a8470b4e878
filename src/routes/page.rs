//! The page that a browser gets at `/`: the facts as they are, and the request rate as it moves.

use crate::facts::Facts;
use crate::format::escape_html;
use crate::redact::REDACTED;

/// No resource from anywhere but this page, and no style or script but the page's own two, known by their hashes.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; img-src data:; \
    style-src 'sha256-5YJYHoS3lF2QId11ISwAkyLvFddZNI9vvtDATbWej1s='; \
    script-src 'sha256-PsfMNJH5wMsC7zXsDFdkyxQEO4or9u8uAeWbB/0H7C4='";

/// The page, with `{{…}}` where the facts go; none inside the style or the script, whose hashes are fixed.
const TEMPLATE: &str = include_str!("page.html");

/// The page with its facts filled in. What a fact holds is never taken for a placeholder.
pub fn render(facts: &Facts) -> String {
    let mut pieces = TEMPLATE.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, text) = piece.split_once("}}").expect("a placeholder ends");
        page += &match name {
            "hostname" => escape_html(&facts.runtime.hostname),
            "runtime" => runtime(facts),
            "environment" => environment(facts),
            other => unreachable!("placeholder {other}"),
        };
        page += text;
    }
    page
}

fn runtime(facts: &Facts) -> String {
    let runtime = serde_json::to_value(&facts.runtime).expect("a map of strings");
    let facts = runtime.as_object().into_iter().flatten();
    facts.map(|(name, value)| row(name, value.as_str().unwrap_or_default())).collect()
}

fn environment(facts: &Facts) -> String {
    if facts.environment.is_empty() {
        return "<p class=\"soft\">No variables: there are none, or they are not to be shown.</p>".to_owned();
    }
    let rows: String = facts.environment.iter().map(|(name, value)| row(name, value)).collect();
    let note = match facts.environment.values().filter(|value| *value == REDACTED).count() {
        0 => String::new(),
        1 => "<p class=\"soft\">1 value is redacted: it is not known to be harmless.</p>".to_owned(),
        count => format!("<p class=\"soft\">{count} values are redacted: they are not known to be harmless.</p>"),
    };
    format!("<table>{rows}</table>{note}")
}

fn row(name: &str, value: &str) -> String {
    let class = if value == REDACTED { " class=\"redacted\"" } else { "" };
    format!("<tr><th scope=\"row\">{}</th><td{class}>{}</td></tr>\n", escape_html(name), escape_html(value))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::config::EnvironmentMode;

    #[test]
    fn the_policy_allows_the_page_s_own_style_and_script() {
        for element in ["style", "script"] {
            let (open, close) = (format!("<{element}>"), format!("</{element}>"));
            assert_eq!(TEMPLATE.matches(&format!("<{element}")).count(), 1, "the page has one {element}");
            let (_, rest) = TEMPLATE.split_once(&open).expect("the element opens");
            let (text, _) = rest.split_once(&close).expect("the element ends");
            let source = format!("{element}-src 'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
            assert!(CONTENT_SECURITY_POLICY.split("; ").any(|directive| directive == source), "it must be: {source}");
        }
    }

    #[test]
    fn facts_are_text_whatever_they_hold() {
        let mut facts = Facts::gather(EnvironmentMode::None, 1);
        facts.runtime.hostname = "{{runtime}}<b>".to_owned();
        assert!(render(&facts).contains("not to be shown"));
        facts.environment.insert("<i>".to_owned(), "{{environment}}\"".to_owned());
        facts.environment.insert("API_KEY".to_owned(), REDACTED.to_owned());
        let page = render(&facts);
        assert!(page.contains("<h1 id=\"hostname\">{{runtime}}&lt;b&gt;</h1>"), "{page}");
        assert!(page.contains("&lt;i&gt;</th><td>{{environment}}&quot;</td>"), "{page}");
        assert!(
            page.contains("<td class=\"redacted\">[redacted]</td>") && page.contains("1 value is redacted"),
            "{page}"
        );
        assert_eq!(page.matches(facts.runtime.num_tasks.as_str()).count(), 1);
    }
}
