//! The evidence in a file: for a support thread, and to judge it again without the cluster.

mod contents;
mod other;

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::Path;

use serde_json::{Deserializer, Value};

use crate::doctor::evidence::Evidence;
use crate::error::Error;
use crate::kube::value::tree;

/// The most bytes of a bundle that is read.
const MOST: u64 = 64_000_000;

/// The most that its tree takes of memory, in fifths of its length: with all that the tool takes besides, ten lengths are
/// enough. One that [`write()`] has written takes some thirty.
const FIFTHS: u64 = 38;

/// Any may take so much: one whose spaces somebody took out is small, and its tree is not.
const ANY: u64 = 32 << 20;

pub use contents::contents;

/// Whether a file of that name may be made: asked before anything is read for it.
pub fn is_new(file: &Path) -> Result<(), Error> {
    if file.exists() {
        return Err(exists(file));
    }
    let folder = folder(file);
    if folder.is_dir() {
        Ok(())
    } else {
        Err(Error::Usage(format!("--bundle: there is no folder {}", folder.display())))
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(file: &Path) -> Error {
    Error::Usage(format!("{} is there already: choose another file for --bundle", file.display()))
}

/// Writes the whole of it into a new file, or nothing. It is its owner's alone: names of a cluster's objects are nobody
/// else's business until he passes them on.
pub fn write(file: &Path, evidence: &Evidence) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(evidence).expect("evidence is made of what JSON has") + "\n";
    let folder = folder(file);
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
        // Another place may do.
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound => {
            Error::Usage(format!("{} cannot be written: {error}", file.display()))
        }
        // A disk that is full, or fails, is no bad use.
        _ => Error::Environment(format!("{} cannot be written: {error}", file.display())),
    })
}

/// Reads what [`write()`] wrote. Others' bundles are read too: what is too long, or too large in memory for its length, is
/// refused.
pub fn read(file: &Path) -> Result<Evidence, Error> {
    let fault = |error: &dyn fmt::Display| Error::Usage(format!("{} cannot be read: {error}", file.display()));
    let about = std::fs::metadata(file).map_err(|error| fault(&error))?;
    // What else can be opened may have no end, or never begin.
    if !about.is_file() {
        return Err(Error::Usage(format!("{} is no regular file: write the bundle to one", file.display())));
    }
    if about.len() > MOST {
        let most = MOST / 1_000_000;
        return Err(Error::Usage(format!("{} is longer than {most} MB, and no bundle is", file.display())));
    }
    let left = Cell::new(usize::try_from(ANY.max(about.len() * FIFTHS / 5)).unwrap_or(usize::MAX));
    // It may grow meanwhile; and its text is not needed beside its tree.
    let text = File::open(file).map_err(|error| fault(&error))?.take(MOST);
    let why = match tree(Deserializer::from_reader(BufReader::new(text)), &left, &[]) {
        Ok(bundle) => {
            let description = other::describe(&bundle);
            match evidence(file, bundle)? {
                Some(evidence) => return Ok(evidence),
                None => description,
            }
        }
        Err(_) if left.get() == 0 => "it takes too much memory for its length",
        Err(error) if error.is_io() => return Err(fault(&error)),
        Err(error) if error.is_eof() && is_blank(file) => "it is empty",
        Err(error) if error.is_eof() => "it is cut short",
        Err(_) => other::describe_text(&start(file)),
    };
    Err(Error::Usage(format!("{} is no bundle ({why}): loadtest doctor --bundle FILE writes one", file.display())))
}

/// Whether there is nothing in a file but spaces, as far as it is looked at.
fn is_blank(file: &Path) -> bool {
    start(file).trim_ascii().is_empty()
}

/// The start of a file that was read before.
fn start(file: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    // What cannot be read again has no start.
    let _ = File::open(file).and_then(|file| file.take(4096).read_to_end(&mut start));
    start
}

/// The evidence in a bundle; none where it is something else. Names stand in commands to copy, so that a name that no
/// object may have is a fault.
fn evidence(file: &Path, bundle: Value) -> Result<Option<Evidence>, Error> {
    if let Some(name) = named(&bundle, "name").or_else(|| named(&bundle, "namespace")).or_else(|| strange(&bundle)) {
        return Err(Error::Usage(format!("{}: {name:?} is no name that an object may have", file.display())));
    }
    let evidence: Option<Evidence> = serde_json::from_value(bundle).ok();
    // Any object could be evidence of which nothing was read: it names at least the HPA.
    Ok(evidence.filter(|evidence| !evidence.version.is_empty() && !evidence.name.is_empty()))
}

/// The first name that no object of a cluster has.
fn strange(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("metadata", _) => named(value, "name").or_else(|| named(value, "namespace")).or_else(|| strange(value)),
            ("containers" | "initContainers" | "containerStatuses" | "pages", Value::Array(all)) => {
                let of = if key == "pages" { "pod" } else { "name" };
                all.iter().find_map(|one| named(one, of)).or_else(|| strange(value))
            }
            _ => strange(value),
        }),
        Value::Array(items) => items.iter().find_map(strange),
        _ => None,
    }
}

fn named(value: &Value, key: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    value[key].as_str().filter(|name| name.starts_with('-') || !name.chars().all(plain)).map(str::to_owned)
}
