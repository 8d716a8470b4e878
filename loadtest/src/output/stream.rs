//! Standard output and standard error, as far as a layout depends on them.

use std::io::{IsTerminal, stderr, stdout};

/// A width that cuts nothing off, for an output that is not a terminal.
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
    /// Its width in columns.
    pub fn columns(self) -> usize {
        let size = match self {
            Self::Out => rustix::termios::tcgetwinsize(stdout()),
            Self::Err => rustix::termios::tcgetwinsize(stderr()),
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
    }

    /// Whether it is a terminal.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => stdout().is_terminal(),
            Self::Err => stderr().is_terminal(),
        }
    }
}
