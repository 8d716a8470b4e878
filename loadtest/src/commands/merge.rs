//! `loadtest merge`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Merge;
use crate::error::Error;
use crate::journal::{Entry, Reader};
use crate::merge::joined;
use crate::output::{Stream, print, say};
use crate::report::{FILES, terminal};
use crate::session::{self, recorder};

/// `loadtest merge`: makes one report from several journals.
pub fn merge(options: &Merge) -> Result<ExitCode, Error> {
    let mut reader = Reader::default();
    let paths: Vec<PathBuf> = options.journals.iter().map(|path| journal(path)).collect();
    let journals = paths.iter().map(|path| read(&mut reader, path)).collect::<Result<Vec<_>, _>>()?;
    let entries = joined(journals)?;
    let folder =
        if is_its_own(&options.out, &paths) { options.out.clone() } else { recorder::write(&options.out, &entries)? };
    let report = session::report(&entries);
    let page = session::write(&report, &folder)?;
    print(&terminal::summary(&report, Stream::Out.columns()))?;
    say(page);
    Ok(ExitCode::from(report.verdict.outcome.exit_code()))
}

/// The journal of a report's folder, or the file itself.
fn journal(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(recorder::JOURNAL) } else { path.to_owned() }
}

fn read(reader: &mut Reader, path: &Path) -> Result<Vec<Entry>, Error> {
    let entries = reader.read(path)?;
    if matches!(entries.first(), Some(Entry::Start(_))) {
        return Ok(entries);
    }
    Err(Error::Usage(format!(
        "{}: a journal begins with a start entry, and this file does not: it is no journal, or its first line is lost",
        path.display()
    )))
}

/// Whether the folder has this one journal, and no report: that of a run that was killed.
fn is_its_own(folder: &Path, journals: &[PathBuf]) -> bool {
    let [journal] = journals else { return false };
    let own = folder.join(recorder::JOURNAL).canonicalize();
    let is_same = own.ok().zip(journal.canonicalize().ok()).is_some_and(|(own, journal)| own == journal);
    is_same && FILES.iter().all(|name| folder.join(name).symlink_metadata().is_err())
}
