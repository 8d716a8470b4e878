//! Writes the journal as it comes, has it shown, and keeps it for the report.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::fault::Fault;
use crate::journal::Entry;
use crate::printer::say;
use crate::show::Show;

/// The journal's file in a report's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Takes entries as they come.
pub struct Recorder {
    file: Option<File>,
    show: Show,
    entries: Vec<Entry>,
    fault: Option<Fault>,
}

impl Recorder {
    /// Makes the folder and the journal in it. A folder that has one is refused: nothing is overwritten.
    pub fn open(folder: Option<&Path>, show: Show) -> Result<Self, Fault> {
        let file = folder.map(create).transpose()?;
        Ok(Self { file, show, entries: Vec::new(), fault: None })
    }

    /// Writes an entry down, and shows it. A disk that is full ends the writing, not the run.
    pub fn take(&mut self, entry: Entry) {
        let line = line(&entry);
        if let Some(file) = &mut self.file {
            // One write a line: a crash cuts off the last one at most.
            if let Err(error) = file.write_all(line.as_bytes()) {
                let text = format!("the journal cannot be written any more: {error}");
                // Where standard error is on the same full disk, nobody is told before the end.
                say(format!("{text}\n"));
                self.fault = Some(Fault::World(text));
                self.file = None;
            }
        }
        self.show.take(&entry, line);
        self.entries.push(entry);
    }

    /// All that was taken, what shows it, and what kept it from being written down.
    pub fn finish(self) -> (Vec<Entry>, Show, Option<Fault>) {
        (self.entries, self.show, self.fault)
    }
}

fn create(folder: &Path) -> Result<File, Fault> {
    let path = folder.join(JOURNAL);
    let fault = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Fault::Use(format!("{} is there already: choose another folder", path.display())),
        _ => Fault::Use(format!("{} cannot be written: {error}", path.display())),
    };
    std::fs::create_dir_all(folder).map_err(fault)?;
    OpenOptions::new().write(true).create_new(true).open(&path).map_err(fault)
}

/// Plain data as a line of JSON.
pub fn line(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("plain data has a form in JSON") + "\n"
}

/// Writes a whole journal into a folder that has none.
pub fn write(folder: &Path, entries: &[Entry]) -> Result<(), Fault> {
    let mut file = create(folder)?;
    let text: String = entries.iter().map(line).collect();
    file.write_all(text.as_bytes()).map_err(|error| Fault::World(format!("the journal cannot be written: {error}")))
}

/// Reads a journal. A last line that a crash cut off is left out, and so is what is no JSON object: a container's log
/// holds what was said to people as well. An object that is no entry is a fault, which names the line.
pub fn read(path: &Path) -> Result<Vec<Entry>, Fault> {
    let bytes = std::fs::read(path).map_err(|error| Fault::Use(format!("{}: {error}", path.display())))?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    let whole = String::from_utf8_lossy(&bytes[..end]);
    let entries = whole.lines().enumerate().filter(|(_, line)| line.starts_with('{')).map(|(index, line)| {
        serde_json::from_str(line).map_err(|error| {
            Fault::Use(format!("{}, line {}: not a journal's entry: {error}", path.display(), index + 1))
        })
    });
    entries.collect()
}
