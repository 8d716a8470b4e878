//! The evidence in a file: for a support thread, and to judge it again without the cluster.

mod contents;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::Value;

use super::evidence::Evidence;
use crate::fault::Fault;

pub use contents::contents;

/// Whether a file of that name may be made: asked before anything is read for it.
pub fn is_new(file: &Path) -> Result<(), Fault> {
    if file.exists() {
        return Err(exists(file));
    }
    let folder = folder(file);
    if folder.is_dir() { Ok(()) } else { Err(Fault::Use(format!("--bundle: there is no folder {}", folder.display()))) }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(file: &Path) -> Fault {
    Fault::Use(format!("{} is there already: choose another file for --bundle", file.display()))
}

/// Writes the whole of it into a new file, or nothing. It is its owner's alone: names of a cluster's objects are nobody
/// else's business until he passes them on.
pub fn write(file: &Path, evidence: &Evidence) -> Result<(), Fault> {
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
        _ => Fault::Use(format!("{} cannot be written: {error}", file.display())),
    })
}

/// Reads what [`write()`] wrote.
pub fn read(file: &Path) -> Result<Evidence, Fault> {
    let text =
        std::fs::read(file).map_err(|error| Fault::Use(format!("{} cannot be read: {error}", file.display())))?;
    let evidence: Result<Evidence, _> = serde_json::from_slice(&text);
    if let Some(name) = serde_json::from_slice::<Value>(&text)
        .ok()
        .and_then(|bundle| named(&bundle, "name").or_else(|| named(&bundle, "namespace")).or_else(|| strange(&bundle)))
    {
        return Err(Fault::Use(format!("{}: {name:?} is no name that an object may have", file.display())));
    }
    let why = match evidence {
        // Any object could be evidence of which nothing was read: it names at least the HPA.
        Ok(evidence) if !evidence.version.is_empty() && !evidence.name.is_empty() => return Ok(evidence),
        Err(_) if text.trim_ascii().is_empty() => "it is empty",
        Err(error) if error.is_eof() => "it is cut short",
        Err(error) if error.is_syntax() => "it is not JSON",
        _ => "its JSON is something else's",
    };
    Err(Fault::Use(format!("{} is no bundle ({why}): loadtest doctor --bundle FILE writes one", file.display())))
}

/// The first name that no object of a cluster has. Others' bundles are judged too, and names stand in commands to copy.
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
