//! Redaction: the variables that `/` hides, and secrets in any text.
//!
//! No list of secrets is ever complete, so nothing is shown because it looks harmless. `/` shows the values of an allowed
//! set of variables ([`environment`]); the load tool's bundle keeps an allowed set of fields. Free text that is allowed (a
//! message, a log line, a setting that holds a URL) goes through [`text()`], the one redactor that both use.

mod assigned;
mod clients;
pub mod environment;
mod escapes;
mod issuers;
mod material;
mod names;
mod shapes;
mod tables;
mod urls;
mod users;

pub use names::is_secret_name;

/// What `/` shows in the place of a hidden value.
pub const REDACTED: &str = "[redacted]";

/// How often a text is resolved: in a URL within a URL, a `%` is `%25`.
const LEVELS: usize = 4;

/// The maximum number of passes over a text.
const ROUNDS: usize = 8;

/// Replaces each secret that can be recognised with `mark`: by the name before it, by its issuer's prefix, or by its shape.
/// Removes users and queries from URLs. Redacting a redacted text changes nothing.
///
/// It cannot recognise a secret that nothing marks as one, such as a password in the middle of a sentence.
pub fn text(text: &str, mark: &str) -> String {
    let mut text = text.to_owned();
    // Once a value is replaced, the text around it may look like another one. This is rare.
    for _ in 0..ROUNDS {
        let next = without_escaped_secrets(without_secrets(&text, mark), mark);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// The text, or where its escapes hide a secret, the resolved text without it. Escapes may be escaped, too.
fn without_escaped_secrets(text: String, mark: &str) -> String {
    let mut seen: Option<String> = None;
    for _ in 0..LEVELS {
        let Some(resolved) = escapes::resolved(seen.as_deref().unwrap_or(&text)) else { break };
        let kept = without_secrets(&resolved, mark);
        if kept != resolved {
            return kept;
        }
        seen = Some(resolved);
    }
    text
}

fn without_secrets(text: &str, mark: &str) -> String {
    // Key material first: its line breaks and signs would end a value early.
    let text = material::without(text, mark);
    let text = urls::without_secrets(&text, mark);
    let text = users::without_passwords(&text, mark);
    let text = clients::without_passwords(&text, mark);
    let text = tables::without_columns(&text, mark);
    let text = assigned::without_values(&text, mark);
    shapes::without_tokens(&text, mark)
}

/// Whether [`text()`] leaves a value unchanged.
pub(crate) fn is_clean(value: &str) -> bool {
    text(value, REDACTED) == value
}

#[cfg(test)]
mod tests;
