//! Why the tool cannot go on, in one line for the user.

use std::fmt;
use std::process::ExitCode;

use crate::output::visible;

/// The longest line, in characters: what is wrong is told first, and what others wrote may be of any length.
const LONGEST: usize = 4096;

/// A reason to stop before there is anything to judge.
#[derive(Debug)]
pub enum Fault {
    /// What was asked for cannot be done as it was asked: exit code 2.
    Use(String),
    /// The world did not let us look, or did not take what was to be told (lines of `--json`): exit code 3.
    World(String),
}

impl Fault {
    /// The exit code that says which of the two it is.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Use(_) => 2,
            Self::World(_) => 3,
        })
    }
}

/// One line, whatever names and messages of others are in it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Use(text) | Self::World(text)) = self;
        match text.char_indices().nth(LONGEST) {
            None => f.write_str(&visible(text)),
            Some((end, _)) => write!(f, "{} …", visible(&text[..end])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_of_a_bounded_length() {
        let fault = Fault::Use(format!("no context \x1b]0;x\x07\nagain\u{202e}{}", "é".repeat(1 << 20)));
        let told = fault.to_string();
        assert!(told.starts_with("no context ^[]0;x^G again<U+202E>é") && told.ends_with("é …"), "{told}");
        assert!(told.chars().count() < 2 * LONGEST);
    }
}
