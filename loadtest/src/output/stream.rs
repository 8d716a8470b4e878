//! Standard output and standard error, as far as a layout depends on them.

use std::io::{IsTerminal, stderr, stdout};

/// A width that cuts nothing off, where no terminal has another.
const COLUMNS: usize = 1000;

/// One of the two outputs.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// How many columns wide it is.
    pub fn columns(self) -> usize {
        let size = match self {
            Self::Out => rustix::termios::tcgetwinsize(stdout()),
            Self::Err => rustix::termios::tcgetwinsize(stderr()),
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
    }

    /// Whether somebody looks at it in a terminal.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => stdout().is_terminal(),
            Self::Err => stderr().is_terminal(),
        }
    }
}
