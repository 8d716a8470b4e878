//! Bundles that nobody has written for a diagnosis, and disks that take none.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::chain::chain;
use crate::measured::{MIB, Measured, measured, run};
use crate::server::{Hurt, Server};

const PATIENCE: Duration = Duration::from_secs(100);

async fn judged(file: &Path) -> Measured {
    run(&["doctor", "--from", file.to_str().unwrap()], &[], PATIENCE).await
}

/// Ten megabytes of each kind that becomes larger than it is long.
fn kinds() -> [(&'static str, String); 6] {
    let many = |before: &str, one: &str, after: &str| format!("{before}{}{after}", one.repeat(10_000_000 / one.len()));
    let known = r#"{"version":"1","namespace":"shop","name":"hpa","hpas":{"seen":["#;
    [
        ("an array of objects", many("[", "{\"a\":{}},", "1]")),
        ("evidence of such objects", many(known, "{\"a\":{}},", "{}]}}")),
        ("arrays", many("[", "[[]],", "1]")),
        ("numbers", many("[", "1,", "1]")),
        ("texts", many("[", "\"\",", "1]")),
        ("names", many("{", "\"a\":{\"b\":1},", "\"c\":1}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bundle_takes_more_than_ten_times_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    for (kind, text) in kinds() {
        std::fs::write(&file, &text).unwrap();
        let ran = judged(&file).await;
        println!("{kind}: {} MB, {} MiB", text.len() / 1_000_000, ran.peak / MIB);
        assert!(ran.peak < 10 * text.len() as u64, "{kind}: {} MiB", ran.peak / MIB);
        assert_eq!((ran.code, ran.said.lines().count()), (Some(2), 1), "{kind}: {}", ran.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_no_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long");
    std::fs::File::create(&long).unwrap().set_len(64_000_001).unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (file, told) in [
        (long.as_path(), "is longer than 64 MB"),
        (&pipe, "is no regular file"),
        (Path::new("/dev/zero"), "is no regular file"),
        (folder.path(), "is no regular file"),
    ] {
        let ran = judged(file).await;
        assert_eq!(ran.code, Some(2), "{}: {}", file.display(), ran.said);
        assert!(ran.said.contains(told) && ran.peak < 32 * MIB, "{}: {} {}", file.display(), ran.said, ran.peak);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_without_its_spaces_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), chain(), Hurt::Silent, &[]).await;
    let file = folder.path().join("bundle.json");
    let arguments = ["doctor", "shop/hpa", "--bundle", file.to_str().unwrap()];
    let written = run(&arguments, &[("KUBECONFIG", &server.kubeconfig)], PATIENCE).await;
    let bundle: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::write(&file, bundle.to_string()).unwrap();
    let read = judged(&file).await;
    assert_eq!((read.code, read.out), (written.code, written.out), "{}", read.said);
}

/// A limit on the length of files stands for a disk that is full: writing fails in the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_cannot_be_written_exits_with_3_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), chain(), Hurt::Silent, &[]).await;
    let file = folder.path().join("bundle.json");
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" doctor shop/hpa --bundle \"$1\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_loadtest")]).arg(&file).env("KUBECONFIG", &server.kubeconfig);
    let ran = measured(command, PATIENCE).await;
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    assert!(ran.said.contains("cannot be written: File too large"), "{}", ran.said);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kubeconfig"], "nothing half is left");
}
