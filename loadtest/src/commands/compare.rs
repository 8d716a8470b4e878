//! `loadtest compare`.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::Compare;
use crate::error::Error;
use crate::input;
use crate::output::print;
use crate::report::{FILES, Report, compare as side_by_side};

/// The longest report, in bytes: one of a week has some 100 MB.
const LONGEST: u64 = 256 << 20;

/// `loadtest compare`: shows two reports side by side.
pub fn compare(options: &Compare) -> Result<ExitCode, Error> {
    let [one, other] = [&options.one, &options.other];
    let reports = (read(one)?, read(other)?);
    let names = [one, other].map(|path| path.display().to_string());
    print(&side_by_side::render([&reports.0, &reports.1], [&names[0], &names[1]]))?;
    Ok(ExitCode::SUCCESS)
}

/// The report of a folder, or the file itself.
fn read(path: &Path) -> Result<Report, Error> {
    let file = if path.is_dir() { path.join(FILES[0]) } else { path.to_owned() };
    let failed = |why: &dyn std::fmt::Display| {
        let file = file.display();
        Error::Usage(format!("{file}: {why}: compare takes two folders of reports, or their files report.json"))
    };
    let text = input::read(&file, LONGEST).map_err(|error| failed(&error))?;
    serde_json::from_slice(&text).map_err(|error| failed(&format_args!("no report of this version ({error})")))
}
