//! `loadtest merge`.

use std::process::ExitCode;

use crate::cli::Merge;
use crate::error::Error;
use crate::journal::Reader;
use crate::merge::joined;
use crate::output::{Stream, print, say};
use crate::report::terminal;
use crate::session::{self, recorder};

/// `loadtest merge`: makes one report from several journals.
pub fn merge(options: &Merge) -> Result<ExitCode, Error> {
    let mut reader = Reader::default();
    let journals = options.journals.iter().map(|path| reader.read(path)).collect::<Result<Vec<_>, _>>()?;
    let entries = joined(journals)?;
    recorder::write(&options.out, &entries)?;
    let report = session::report(&entries);
    let page = session::write(&report, &options.out)?;
    print(&terminal::summary(&report, Stream::Out.columns()))?;
    say(page);
    Ok(ExitCode::from(report.verdict.outcome.exit_code()))
}
