//! What is said of an error: one line, without credentials.

use std::error::Error;
use std::fmt::Display;

/// The longest line that is made of an error, in characters: its text may be another's.
const LONGEST: usize = 500;

/// An error with its causes, on one line. A URL in it loses its user, its password and its query.
pub fn one_line(error: &(impl Error + ?Sized)) -> String {
    let mut text = first_line(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = first_line(cause);
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    public(text.strip_prefix("ServiceError: ").unwrap_or(&text))
}

/// A text without what may be a credential, as far as it is said.
pub fn public(text: &str) -> String {
    // Redacted before it is cut: a credential across the cut would no longer be known for one. The first cut bounds the time.
    let long: String = text.chars().take(16 * LONGEST).collect();
    shopfront::redact::text(&long, LEFT_OUT).chars().take(LONGEST).collect()
}

fn first_line(error: &(impl Display + ?Sized)) -> String {
    let text = error.to_string();
    // kube shows an answer of the API server a second time, as the type that it has in Rust.
    text.lines().next().and_then(|line| line.split(" (Status {").next()).unwrap_or_default().to_owned()
}

/// Replaces a secret.
pub const LEFT_OUT: &str = "(left out)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_shows_the_user_of_a_url() {
        let error = std::io::Error::other("proxy http://bob:open%21@proxy:3128/?key=x refused\nsecond line");
        assert_eq!(one_line(&error), "proxy http://proxy:3128/ refused");
    }
}
