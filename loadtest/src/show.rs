//! What standard output gets while the load goes on.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use crate::journal::Entry;
use crate::live::{Lines, Live};

/// A width that cuts nothing off, where no terminal has another.
const COLUMNS: usize = 1000;

/// Between two drawings: more often than this nobody reads.
const PAUSE: Duration = Duration::from_millis(200);

/// What standard output gets.
pub enum Show {
    /// A view that is drawn again in place.
    View(Box<View>),
    /// kubectl's lines.
    Lines(Box<Lines>),
    /// The journal's own lines.
    Journal,
}

/// A view, and what is drawn of it.
pub struct View {
    live: Live,
    lines: usize,
    drawn: Option<Instant>,
}

impl Show {
    /// The journal where it is asked for, else a view in a terminal, else kubectl's lines.
    pub fn new(journal: bool) -> Self {
        if journal {
            Self::Journal
        } else if stdout().is_terminal() {
            Self::View(Box::new(View { live: Live::new(), lines: 0, drawn: None }))
        } else {
            Self::Lines(Box::default())
        }
    }

    /// Shows one more entry, whose line in the journal is given. Where nobody reads any more, the load goes on to its
    /// end all the same.
    pub fn take(&mut self, entry: &Entry, line: &str) {
        match self {
            Self::View(view) => view.take(entry),
            Self::Lines(lines) => print(&lines.take(entry).unwrap_or_default()),
            Self::Journal => print(line),
        }
    }
}

impl View {
    fn take(&mut self, entry: &Entry) {
        self.live.take(entry);
        let now = Instant::now();
        let soon = self.drawn.is_some_and(|drawn| now - drawn < PAUSE);
        if soon && !matches!(entry, Entry::End(_)) {
            return;
        }
        let frame = self.live.frame(columns());
        print(&Live::redraw(&frame, self.lines));
        self.lines = frame.lines().count();
        self.drawn = Some(now);
    }
}

fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// How wide standard output is.
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}
