//! Writes the journal as it comes, has it shown, and keeps it for the report.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::Error;
use crate::journal::Entry;
use crate::output::show::Show;
use crate::output::{Clean, json, say};
use crate::report;

/// The journal's file in a report's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Takes entries as they come.
pub struct Recorder {
    file: Option<File>,
    show: Show,
    entries: Vec<Entry>,
    fault: Option<Error>,
}

impl Recorder {
    /// Makes the folder and the journal in it. A folder that has one, or a report, is refused: nothing is overwritten.
    pub fn open(folder: Option<&Path>, show: Show) -> Result<Self, Error> {
        let file = folder.map(create).transpose()?;
        Ok(Self { file, show, entries: Vec::new(), fault: None })
    }

    /// Writes an entry down, and shows it. A disk that is full ends the writing, not the run.
    pub fn take(&mut self, mut entry: Entry) {
        entry.clip();
        let line = line(&entry);
        if let Some(file) = &mut self.file {
            // One write a line: a crash cuts off the last one at most.
            if let Err(error) = file.write_all(line.as_bytes()) {
                let text = format!("cannot write the journal any more: {error}");
                // Where standard error is on the same full disk, nobody is told before the end.
                say(Clean::of(&format!("loadtest: {text}\n")));
                self.fault = Some(Error::Environment(text));
                self.file = None;
            }
        }
        self.show.take(&entry, &line);
        self.entries.push(entry);
    }

    /// All that was taken, what shows it, and what kept it from being written down.
    pub fn finish(self) -> (Vec<Entry>, Show, Option<Error>) {
        (self.entries, self.show, self.fault)
    }
}

fn create(folder: &Path) -> Result<File, Error> {
    let there = |path: &Path| Error::Usage(format!("{} already exists: choose another folder", path.display()));
    let fault = |path: &Path, error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => there(path),
        _ => Error::Usage(format!("cannot write {}: {error}", path.display())),
    };
    // Whatever else has the name, a link that leads nowhere too.
    if let Some(file) = report::FILES.map(|name| folder.join(name)).iter().find(|file| file.symlink_metadata().is_ok())
    {
        return Err(there(file));
    }
    let path = folder.join(JOURNAL);
    std::fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| fault(&path, &error))
}

fn line(entry: &Entry) -> String {
    json(entry) + "\n"
}

/// Writes a whole journal into a folder that has none.
pub fn write(folder: &Path, entries: &[Entry]) -> Result<(), Error> {
    let mut file = create(folder)?;
    let text: String = entries.iter().map(line).collect();
    file.write_all(text.as_bytes()).map_err(|error| Error::Environment(format!("cannot write the journal: {error}")))
}
