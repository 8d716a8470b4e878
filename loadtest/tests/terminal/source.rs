//! Nobody prints around the one way.

use std::path::{Path, PathBuf};

/// What writes to a terminal, or ends the process with something said.
const WAYS: [&str; 13] = [
    "println!",
    "eprintln!",
    " print!",
    "eprint!",
    "dbg!",
    "stdout()",
    "stderr()",
    "io::stdout",
    "io::stderr",
    ".get_matches()",
    "error.exit()",
    "/dev/tty",
    "/dev/std",
];

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
}

#[test]
fn only_the_output_module_writes_to_a_terminal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 100, "{} files", all.len());
    let others = all.iter().filter(|path| !path.starts_with(root.join("output")));
    for path in others {
        // clap's word for where a message belongs.
        let text = std::fs::read_to_string(path).expect("it is text").replace(".use_stderr()", "");
        for way in WAYS {
            assert!(!text.contains(way), "{} has {way}: print through loadtest::output", path.display());
        }
    }
}
