//! What standard output shows during a load, and at its end.

use std::time::{Duration, Instant};

use super::{Clean, Printer, Stream, say};
use crate::error::Error;
use crate::journal::Entry;
use crate::output::live::{Lines, Live};
use crate::output::printer::End;

/// The pause between two frames.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows a load on standard output.
pub struct Sink {
    form: Form,
    printer: Printer,
}

enum Form {
    /// A view that is redrawn in place.
    View(Box<View>),
    /// kubectl's lines.
    Lines(Box<Lines>),
    /// The journal's own lines.
    Journal,
}

/// A view, and its last frame.
struct View {
    live: Live,
    lines: usize,
    drawn: Option<Instant>,
}

impl Sink {
    /// The journal if requested, else a view in a terminal, else kubectl's lines.
    pub fn start(journal: bool) -> Result<Self, Error> {
        let form = if journal {
            Form::Journal
        } else if Stream::Out.is_terminal() {
            Form::View(Box::new(View { live: Live::default(), lines: 0, drawn: None }))
        } else {
            Form::Lines(Box::default())
        };
        Ok(Self { form, printer: Printer::start()? })
    }

    /// Shows an entry, given with its line of the journal, without waiting for the reader. A slow reader gets every
    /// line; of a view, it gets the latest frame.
    pub fn take(&mut self, entry: &Entry, line: &str) {
        match &mut self.form {
            Form::View(view) => view.take(entry, &self.printer),
            Form::Lines(lines) => drop(lines.take(entry).map(|lines| self.printer.print(Clean::of(&lines)))),
            Form::Journal => self.printer.print(Clean::of(line)),
        }
    }

    /// Shows the summary, and waits until everything is read. If standard output has the journal, the summary goes to
    /// standard error.
    ///
    /// A run that ended by itself waits as long as the reader needs, for example `… | less`. A run that a signal ended
    /// (in a hurry) waits only while the reader takes something. Another signal, for which `enough` waits, ends both.
    /// Losing lines of the journal is an error; a reader that closed the pipe is none, and neither is an unread view.
    pub async fn finish(self, summary: Clean, hurry: bool, enough: impl Future<Output = ()>) -> Option<Error> {
        let Self { form, printer } = self;
        let journal = matches!(form, Form::Journal);
        if journal {
            say(summary);
        } else {
            printer.print(summary);
        }
        match printer.finish(hurry, enough).await {
            End::Failed(error) if !matches!(form, Form::View(_)) => Some(error),
            End::Stalled(left) if journal => {
                let text =
                    format!("standard output is no longer read: the last {left} lines of the journal are missing");
                Some(Error::Environment(text))
            }
            _ => None,
        }
    }
}

impl View {
    fn take(&mut self, entry: &Entry, printer: &Printer) {
        self.live.take(entry);
        let now = Instant::now();
        let soon = self.drawn.is_some_and(|drawn| now - drawn < PAUSE);
        // Frames that come too soon for the reader are skipped.
        if (soon || !printer.is_idle()) && !matches!(entry, Entry::End(_)) {
            return;
        }
        let frame = self.live.frame(Stream::Out.columns());
        printer.print(Clean::redrawn(&frame, self.lines));
        self.lines = frame.lines().count();
        self.drawn = Some(now);
    }
}
