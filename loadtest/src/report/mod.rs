//! The report: figures, a page and a verdict, as a pure function of a journal's entries.
//!
//! - `timeline`: from entries to [`figures`]. `lag`: the reaction time. `from_zero`: the wait for the first pod. `steps`: the observed changes, compared with the
//!   model. [`verdict`] and [`warnings`]: what the figures prove, and why they may be wrong.
//!   `thresholds`: checks of `--threshold`.
//! - [`compare`]: two reports side by side. [`json`]: for programs. [`summary`]: for CI systems. [`terminal`]: the end of a run. [`html`]: for people, with `tiles`, `tables` and `settings`; its
//!   drawings are `panels` and `lanes`, made with `chart` of `columns`. `repeats`: events that happened more than once. `addresses`: the target's addresses and their shares.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are drawn and read by people: counts are far below 2^52, and no time is negative where it counts"
)]

use std::io;
use std::path::Path;

mod addresses;
mod chart;
mod columns;
pub mod compare;
mod counted;
pub mod figures;
mod from_zero;
pub mod html;
pub mod json;
mod lag;
mod lanes;
mod panels;
mod repeats;
mod settings;
mod steps;
pub mod summary;
mod tables;
pub mod terminal;
mod thresholds;
mod tiles;
mod timeline;
pub mod verdict;
pub mod warnings;

pub use figures::Report;
pub use verdict::Outcome;

/// The files of a report.
pub const FILES: [&str; 2] = ["report.json", "report.html"];

impl Report {
    /// Writes [`FILES`] into this folder, which is created if it is missing.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let [figures, page] = FILES;
        std::fs::create_dir_all(folder)?;
        json::write(folder, figures, &json::render(self))?;
        json::write(folder, page, &html::render(self))
    }
}
