//! Standard output that nobody reads, or that cannot be written to.

use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

use crate::{PATIENCE, loadtest, report, signal};

/// A load for which nobody has to listen.
const LOAD: &str = "run --hpa none --url http://127.0.0.1:1/ --stage";

/// A pipe into which nothing goes until somebody reads, and whoever filled it.
fn full() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    let mut filler = writer.try_clone().expect("its end can be shared");
    // Far more than it holds. The last of it is written when somebody reads, or never.
    std::thread::spawn(move || filler.write_all(&vec![b'\n'; 1 << 20]));
    (reader, writer)
}

/// Standard error has a reader of its own.
fn spawn(arguments: &str, stdout: impl Into<Stdio>) -> Child {
    loadtest(arguments).stdout(stdout).stderr(Stdio::piped()).spawn().expect("it runs")
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it has a status")
}

/// Waits until it is so.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        while !holds() {
            turns.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("{what}"));
}

fn journal(out: &Path) -> String {
    std::fs::read_to_string(out.join("journal.jsonl")).unwrap_or_default()
}

fn complaint(ran: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&ran.stderr);
    text.lines().filter(|line| line.contains("standard output")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stalled_reader_blocks_neither_the_journal_nor_ctrl_c() {
    for (form, code) in [("--json", 3), ("", 1)] {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let out = folder.path().join("report");
        let (_reader, writer) = full();
        let child = spawn(&format!("{LOAD} 50rps:30m {form} --out {}", out.display()), writer);
        until("the journal goes on", || journal(&out).matches(r#""entry":"second""#).count() >= 3).await;
        signal(&child, Signal::INT);
        let ran = ended(child).await;
        assert!(report(&out).to_string().contains("interrupted"), "{form}");
        // Lines of the journal that nobody got are a fault; a summary that nobody wanted is none.
        assert_eq!(ran.status.code(), Some(code), "{form}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(complaint(&ran).len(), usize::from(code == 3), "{form}: {ran:?}");
    }
}

#[tokio::test]
async fn unread_standard_error_does_not_block_a_run() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("report");
    let (_reader, writer) = full();
    let errors = writer.try_clone().expect("its end can be shared");
    let mut command = loadtest(&format!("{LOAD} 20rps:1s --json --out {}", out.display()));
    // As `… 2>&1 | less` does.
    let mut child = command.stdout(writer).stderr(errors).spawn().expect("it runs");
    until("the report is written", || out.join("report.html").exists()).await;
    signal(&child, Signal::TERM);
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it has a status");
    assert_eq!(status.code(), Some(3));
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_and_ctrl_c_ends_the_wait() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for read in [true, false] {
        let out = folder.path().join(format!("read-{read}"));
        let (reader, writer) = full();
        let child = spawn(&format!("{LOAD} 20rps:2s --json --out {}", out.display()), writer);
        until("the report is written before the reader is waited for", || out.join("report.html").exists()).await;
        if read {
            let mut reader = Receiver::from_owned_fd(reader.into()).expect("it is a pipe");
            let mut text = String::new();
            let reading = tokio::time::timeout(PATIENCE, reader.read_to_string(&mut text));
            reading.await.expect("it comes to an end").expect("text");
            let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
            assert_eq!(lines, journal(&out).lines().collect::<Vec<_>>());
            assert_eq!(ended(child).await.status.code(), Some(1));
        } else {
            signal(&child, Signal::INT);
            let ran = ended(child).await;
            assert_eq!((ran.status.code(), complaint(&ran).len()), (Some(3), 1), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn an_unwritable_standard_output_is_reported_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let out = folder.path().join("report");
    let full: File = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let ran = ended(spawn(&format!("{LOAD} 20rps:1s --json --out {}", out.display()), full)).await;
    assert_eq!((ran.status.code(), complaint(&ran).len()), (Some(3), 1), "{ran:?}");
    assert_eq!(report(&out)["totals"]["due"], 20, "the load goes on to its end");

    // As `… | head` does.
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let out = folder.path().join("unread");
    let ran = ended(spawn(&format!("{LOAD} 20rps:1s --json --out {}", out.display()), writer)).await;
    assert_eq!((ran.status.code(), complaint(&ran).len()), (Some(1), 0), "{ran:?}");
    assert_eq!(report(&out)["totals"]["due"], 20);
}
