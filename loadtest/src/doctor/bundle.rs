//! The evidence in a file: for a support thread, and to judge it again without the cluster.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::evidence::Evidence;
use crate::fault::Fault;

/// Whether a file of that name may be made: asked before anything is read for it.
pub fn is_new(file: &Path) -> Result<(), Fault> {
    if file.exists() { Err(exists(file)) } else { Ok(()) }
}

fn exists(file: &Path) -> Fault {
    Fault::Use(format!("{} is there already: choose another file for --bundle", file.display()))
}

/// Writes the whole of it into a new file, or nothing. It is its owner's alone: names of a cluster's objects are nobody
/// else's business until he passes them on.
pub fn write(file: &Path, evidence: &Evidence) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(evidence).expect("evidence is made of what JSON has") + "\n";
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || {
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist_noclobber(file).map_err(|error| error.error)?;
        // The name is in the folder, and it too may be lost.
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(file),
        _ => Fault::Use(format!("{} cannot be written: {error}", file.display())),
    })
}

/// Reads what [`write()`] wrote.
pub fn read(file: &Path) -> Result<Evidence, Fault> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Fault::Use(format!("{} cannot be read: {error}", file.display())))?;
    let evidence: Result<Evidence, _> = serde_json::from_str(&text);
    // Any object could be evidence of which nothing was read: it names at least the HPA.
    evidence
        .ok()
        .filter(|evidence| !evidence.version.is_empty() && !evidence.name.is_empty())
        .ok_or_else(|| Fault::Use(format!("{} is no bundle: loadtest doctor --bundle FILE writes one", file.display())))
}
