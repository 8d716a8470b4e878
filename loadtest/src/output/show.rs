//! What standard output gets while the load goes on, and at its end.

use std::time::{Duration, Instant};

use super::{Clean, Printer, Stream, say};
use crate::error::Error;
use crate::journal::Entry;
use crate::output::live::{Lines, Live};
use crate::output::printer::End;

/// Between two drawings: more often than this nobody reads.
const PAUSE: Duration = Duration::from_millis(200);

/// What standard output gets.
pub struct Show {
    form: Form,
    printer: Printer,
}

enum Form {
    /// A view that is drawn again in place.
    View(Box<View>),
    /// kubectl's lines.
    Lines(Box<Lines>),
    /// The journal's own lines.
    Journal,
}

/// A view, and what is drawn of it.
struct View {
    live: Live,
    lines: usize,
    drawn: Option<Instant>,
}

impl Show {
    /// The journal where it is asked for, else a view in a terminal, else kubectl's lines.
    pub fn start(journal: bool) -> Result<Self, Error> {
        let form = if journal {
            Form::Journal
        } else if Stream::Out.is_terminal() {
            Form::View(Box::new(View { live: Live::new(), lines: 0, drawn: None }))
        } else {
            Form::Lines(Box::default())
        };
        Ok(Self { form, printer: Printer::start()? })
    }

    /// Shows one more entry, whose line in the journal is given, without waiting for whoever reads it. Lines wait for a
    /// slow reader, all of them; of a view there is only the latest to be drawn.
    pub fn take(&mut self, entry: &Entry, line: &str) {
        match &mut self.form {
            Form::View(view) => view.take(entry, &self.printer),
            Form::Lines(lines) => drop(lines.take(entry).map(|lines| self.printer.print(Clean::of(&lines)))),
            Form::Journal => self.printer.print(Clean::of(line)),
        }
    }

    /// Shows the summary, on standard error where standard output has the journal, in which nothing else has a place;
    /// then waits until all is read.
    ///
    /// A run that came to its own end waits as long as that takes, as `… | less` wants it. One that a signal ended, and
    /// so is in a hurry, waits only while the reader takes something. Either is ended by (another) signal, for which
    /// `enough` waits. Lines of the journal that are lost by that, or by a write that failed, are a fault; a reader that
    /// has gone away is none, and neither is a view that nobody looks at.
    pub async fn finish(self, summary: Clean, hurry: bool, enough: impl Future<Output = ()>) -> Option<Error> {
        let Self { form, printer } = self;
        let journal = matches!(form, Form::Journal);
        if journal {
            say(summary);
        } else {
            printer.print(summary);
        }
        match printer.finish(hurry, enough).await {
            End::Failed(fault) if !matches!(form, Form::View(_)) => Some(fault),
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
        // Frames that nobody can see are not kept, and each that is drawn goes over the one before it.
        if (soon || !printer.is_idle()) && !matches!(entry, Entry::End(_)) {
            return;
        }
        let frame = self.live.frame(Stream::Out.columns());
        printer.print(Clean::redrawn(&frame, self.lines));
        self.lines = frame.lines().count();
        self.drawn = Some(now);
    }
}
