//! Writes each entry to the journal, shows it, and keeps it for the report.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::Error;
use crate::journal::Entry;
use crate::output::sink::Sink;
use crate::output::{Clean, json, say};
use crate::report;

/// The journal's file in a report's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Takes entries as they come.
pub struct Recorder {
    file: Option<File>,
    sink: Sink,
    entries: Vec<Entry>,
    error: Option<Error>,
}

impl Recorder {
    /// Creates the folder and the journal in it. A folder with a journal or a report is refused: nothing is
    /// overwritten.
    pub fn open(folder: Option<&Path>, sink: Sink) -> Result<Self, Error> {
        let file = folder.map(create).transpose()?;
        Ok(Self { file, sink, entries: Vec::new(), error: None })
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

    /// All entries, the output that shows them, and the error that ended the writing.
    pub fn finish(self) -> (Vec<Entry>, Sink, Option<Error>) {
        (self.entries, self.sink, self.error)
    }
}

fn create(folder: &Path) -> Result<File, Error> {
    let exists = |path: &Path| Error::Usage(format!("{} already exists: choose another folder", path.display()));
    let failed = |path: &Path, error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Error::Usage(format!("cannot write {}: {error}", path.display())),
    };
    // Whatever has the name counts, even a broken link.
    if let Some(file) = report::FILES.map(|name| folder.join(name)).iter().find(|file| file.symlink_metadata().is_ok())
    {
        return Err(exists(file));
    }
    let path = folder.join(JOURNAL);
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| failed(&path, &error))
}

fn line(entry: &Entry) -> String {
    json(entry) + "\n"
}

/// Writes a complete journal into a folder without one.
pub fn write(folder: &Path, entries: &[Entry]) -> Result<(), Error> {
    let mut file = create(folder)?;
    let text: String = entries.iter().map(line).collect();
    file.write_all(text.as_bytes()).map_err(|error| Error::Environment(format!("cannot write the journal: {error}")))
}
