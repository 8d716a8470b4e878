//! The load tool's own sources, for tests that read them.

use std::path::{Path, PathBuf};

/// The folder of the sources.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files.
pub fn all() -> Vec<PathBuf> {
    fn below(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources can be read") {
            let path = entry.expect("an entry of it can be read").path();
            if path.is_dir() {
                below(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    below(&root(), &mut all);
    all
}
