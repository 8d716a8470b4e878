//! Writes each entry to the journal, shows it, and keeps it for the report.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::journal::Entry;
use crate::output::sink::Sink;
use crate::output::{Clean, json, say};
use crate::report;

/// The journal's file in a report's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Takes entries as they come.
pub struct Recorder {
    /// Where the journal is, and the report is to be.
    folder: Option<PathBuf>,
    file: Option<File>,
    sink: Sink,
    entries: Vec<Entry>,
    error: Option<Error>,
}

impl Recorder {
    /// Creates the folder and the journal in it; nothing is overwritten.
    pub fn open(folder: Option<&Path>, sink: Sink) -> Result<Self, Error> {
        let (folder, file) = folder.map(create).transpose()?.unzip();
        Ok(Self { folder, file, sink, entries: Vec::new(), error: None })
    }

    /// Writes an entry and shows it. A full disk ends the writing, not the run.
    pub fn take(&mut self, mut entry: Entry) {
        entry.clip();
        let line = line(&entry);
        if let Some(file) = &mut self.file {
            // One write per line: a crash can cut off only the last one.
            if let Err(error) = file.write_all(line.as_bytes()) {
                let text = format!("cannot write the journal any longer: {error}");
                // If standard error is on the same full disk, the user learns this only at the end.
                say(Clean::of(&format!("loadtest: {text}\n")));
                self.error = Some(Error::Environment(text));
                self.file = None;
            }
        }
        self.sink.take(&entry, &line);
        self.entries.push(entry);
    }

    /// All entries, the folder of the report, the output that shows both, and the error that ended the writing.
    pub fn finish(self) -> (Vec<Entry>, Option<PathBuf>, Sink, Option<Error>) {
        (self.entries, self.folder, self.sink, self.error)
    }
}

/// The maximum number that is added to a folder's name.
const FOLDERS: u32 = 10_000;

/// Creates a folder and the journal in it. Nothing is overwritten: if the folder contains a journal or a report, it is the
/// first of its name with `-2`, `-3` and so on that does not.
fn create(folder: &Path) -> Result<(PathBuf, File), Error> {
    for number in 1..=FOLDERS {
        let other = if number == 1 { folder.to_owned() } else { numbered(folder, number) };
        if let Some(file) = create_in(&other)? {
            if number > 1 {
                let (folder, other) = (folder.display(), other.display());
                say(Clean::of(&format!("loadtest: {folder} contains a report already; this one goes to {other}\n")));
            }
            return Ok((other, file));
        }
    }
    Err(Error::Usage(format!("{} and {FOLDERS} more already contain reports: name another folder", folder.display())))
}

/// `report` and 2 make `report-2`.
fn numbered(folder: &Path, number: u32) -> PathBuf {
    // Without its last slash.
    let mut name = folder.components().collect::<PathBuf>().into_os_string();
    name.push(format!("-{number}"));
    name.into()
}

/// The new journal of a folder; none if something there has the name of a report's file, even a broken link.
fn create_in(folder: &Path) -> Result<Option<File>, Error> {
    let failed = |path: &Path, error: &std::io::Error| {
        Error::Usage(format!("cannot write {}: {error}: --out takes the name of a folder", path.display()))
    };
    if folder.metadata().is_ok_and(|folder| !folder.is_dir()) {
        return Err(Error::Usage(format!("{} is not a folder: --out takes the name of one", folder.display())));
    }
    if report::FILES.iter().any(|name| folder.join(name).symlink_metadata().is_ok()) {
        return Ok(None);
    }
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let path = folder.join(JOURNAL);
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(failed(&path, &error)),
    }
}

fn line(entry: &Entry) -> String {
    json(entry) + "\n"
}

/// Writes a complete journal, and returns the folder that it is in.
pub fn write(folder: &Path, entries: &[Entry]) -> Result<PathBuf, Error> {
    let (folder, mut file) = create(folder)?;
    let text: String = entries.iter().map(line).collect();
    let failed = |error| Error::Environment(format!("cannot write the journal: {error}"));
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(folder)
}
