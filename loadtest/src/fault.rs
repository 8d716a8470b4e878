//! Why the tool cannot go on, in one line for the user.

use std::fmt;
use std::process::ExitCode;

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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Use(text) | Self::World(text)) = self;
        f.write_str(text)
    }
}
