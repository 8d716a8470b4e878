//! The files beside the report: `--summary-export` and `--junit`.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::cli::Output;
use crate::error::Error;
use crate::report::{Report, summary};

fn all(output: &Output) -> impl Iterator<Item = (&'static str, &Path)> {
    let files = [("--summary-export", &output.summary_export), ("--junit", &output.junit)];
    files.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether they can be written: that must not turn out after a load of hours.
pub(super) fn can_be_written(output: &Output) -> Result<(), Error> {
    for (flag, path) in all(output) {
        let name = path.display();
        if path.is_dir() || path.file_name().is_none_or(|name| name.to_str().is_none()) {
            return Err(Error::Usage(format!("{flag} {name}: give the name of a file")));
        }
        tried(path, output.out.as_deref())
            .map_err(|error| Error::Usage(format!("{flag} {name}: the file cannot be written: {error}")))?;
    }
    let places: Vec<PathBuf> = all(output).map(|(_, path)| place(path)).collect();
    if matches!(places.as_slice(), [one, other] if one == other) {
        return Err(Error::Usage("--summary-export and --junit name the same file: give two".to_owned()));
    }
    Ok(())
}

/// Whether a file can be written, without a change of it.
fn tried(path: &Path, out: Option<&Path>) -> std::io::Result<()> {
    if summary::is_written_in_place(path) {
        // To open a pipe would already tell its reader something.
        return Ok(access(path, Access::WRITE_OK)?);
    }
    let folder = folder(path);
    // The report's folder is made later.
    if !folder.exists() && out.is_some_and(|out| absolute(out) == absolute(folder)) {
        return Ok(());
    }
    let whole = std::fs::canonicalize(path);
    tempfile::tempfile_in(whole.as_deref().map_or(folder, self::folder)).map(drop)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The same for all names of a file, as far as its folder exists.
fn place(path: &Path) -> PathBuf {
    let in_folder = || Some(std::fs::canonicalize(folder(path)).ok()?.join(path.file_name()?));
    std::fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| absolute(path))
}

/// Writes them.
pub(super) fn write(report: &Report, output: &Output) -> Result<(), Error> {
    for (flag, path) in all(output) {
        let text = if flag == "--junit" { report.junit() } else { report.summary() };
        let failed = |error| Error::Environment(format!("{flag} {}: {error}", path.display()));
        summary::write(path, &text).map_err(failed)?;
    }
    Ok(())
}
