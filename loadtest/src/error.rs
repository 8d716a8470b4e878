//! Why the tool cannot go on, in one line for the user.

use std::process::ExitCode;

use crate::visible::visible;

/// The longest line, in characters: the fault itself comes first, and names of others may be of any length.
const LONGEST: usize = 4096;

/// A reason to stop before there is anything to judge. Modules have errors of their own, and say which of the two each
/// is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be done as it was asked: exit code 2.
    #[error("{}", line(.0))]
    Usage(String),
    /// The cluster, the disk or standard output did not do their part: exit code 3.
    #[error("{}", line(.0))]
    Environment(String),
}

impl Error {
    /// The exit code that says which of the two it is.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
        })
    }
}

/// One line of a bounded length, whatever names and messages of others are in it.
fn line(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => visible(text).into_owned(),
        Some((end, _)) => format!("{} …", visible(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_one_line_of_a_bounded_length() {
        let error = Error::Usage(format!("no context \x1b]0;x\x07\nagain\u{202e}{}", "é".repeat(1 << 20)));
        let text = error.to_string();
        assert!(text.starts_with("no context ^[]0;x^G again<U+202E>é") && text.ends_with("é …"), "{text}");
        assert!(text.chars().count() < 2 * LONGEST);
    }
}
