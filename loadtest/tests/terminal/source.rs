//! Nobody prints around the one way.

use crate::sources;

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

#[test]
fn only_the_output_module_writes_to_a_terminal() {
    let (root, all) = (sources::root(), sources::all());
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
