//! What is kept back: the variables that `/` hides, and secrets in any text.
//!
//! A list of what is secret never ends, so nothing is shown because it looks harmless. `/` shows the values of an allowed
//! set of variables ([`environment`]), and the load tool's bundle keeps an allowed set of fields. What is allowed and is
//! free text (a message, a line of a log, a setting with a URL in it) goes through [`text()`], the one redactor of both.

mod assigned;
pub mod environment;
mod issuers;
mod material;
mod names;
mod shapes;
mod urls;
mod users;

pub use names::is_secret_name;

/// What `/` shows in the place of a hidden value.
pub const REDACTED: &str = "[redacted]";

/// The most times that a text is looked through.
const ROUNDS: usize = 8;

/// The text with `mark` in the place of each secret that can be told: by the name before it, by its issuer's prefix, or by
/// its shape. URLs lose their user and their query. A text that went through it once stays as it is.
///
/// What nothing tells, a password in the middle of a sentence, stays.
pub fn text(text: &str, mark: &str) -> String {
    let mut text = text.to_owned();
    // Where a value goes, what stood around it may come to look like another: rarely, and never for long.
    for _ in 0..ROUNDS {
        let next = without_secrets(&text, mark);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn without_secrets(text: &str, mark: &str) -> String {
    // Key material first: it holds line breaks and signs that would end the values of what follows.
    let text = material::without(text, mark);
    let text = urls::without_secrets(&text, mark);
    let text = users::without_passwords(&text, mark);
    let text = assigned::without_values(&text, mark);
    shapes::without_tokens(&text, mark)
}

/// Whether [`text()`] finds nothing to hide.
pub fn is_clean(value: &str) -> bool {
    text(value, REDACTED) == value
}
