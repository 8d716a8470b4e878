//! `report.json`, and how a file comes into being: whole, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::output::json_pretty;
use crate::report::figures::Report;

/// The schema that `report.json` keeps to.
pub const SCHEMA: &str = include_str!("../../report.schema.json");

/// The report as JSON.
pub fn render(report: &Report) -> String {
    json_pretty(report)
}

/// Puts a text into a file of that folder. Whoever looks, and whatever happens meanwhile, finds what was there before
/// or all of the new.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    // A temporary file is its owner's alone; a report is for whoever may read the folder.
    let readable = Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(name).permissions(readable).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    // The name is in the folder, and it too may be lost.
    File::open(folder)?.sync_all()
}
