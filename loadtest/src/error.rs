//! Errors that end the tool, in one line for the user.

use std::process::ExitCode;

use crate::visible::visible;

/// The longest line, in characters: the error itself comes first, and others' names may be of any length.
const LONGEST: usize = 4096;

/// A reason to stop without a verdict. Modules have errors of their own, and map each to one of the two.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line, a file or a setting cannot be used: exit code 2.
    #[error("{}", line(.0))]
    Usage(String),
    /// The cluster, the disk or standard output failed: exit code 3.
    #[error("{}", line(.0))]
    Environment(String),
}

impl Error {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
        })
    }
}

/// One line of a bounded length, whatever others' names and messages contain.
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
