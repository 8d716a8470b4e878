//! Nothing that is there is overwritten.

use std::os::unix::fs::symlink;

use super::{journals, loadtest, path};

#[tokio::test]
async fn a_folder_with_a_report_and_no_journal_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    std::fs::write(&journal, journals::text(&journals::alone())).expect("it can be written");
    for name in ["report.html", "report.json", "journal.jsonl"] {
        let out = folder.path().join(format!("with-{name}"));
        std::fs::create_dir(&out).expect("a folder");
        let kept = out.join(name);
        std::fs::write(&kept, "mine").expect("it can be written");
        let load = ["--url", "http://127.0.0.1:1/", "--stage", "1rps:1s", "--out", path(&out)];
        let k8s = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s");
        for (number, arguments) in [
            (2, vec!["merge", path(&journal), "--out", path(&out)]),
            (3, [&["run"][..], &load].concat()),
            (4, vec!["rehearse", "--manifests", k8s, "--stage", "1rps:1s", "--out", path(&out)]),
        ] {
            let ran = loadtest(&arguments).await;
            let other = folder.path().join(format!("with-{name}-{number}"));
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert!(ran.status.code() != Some(2) && other.join("report.html").exists(), "{arguments:?}: {said}");
            assert!(said.contains(path(&other)), "it is said where the report is: {said}");
        }
        let left: Vec<_> = std::fs::read_dir(&out).expect("it can be read").collect();
        assert!(left.len() == 1 && std::fs::read(&kept).is_ok_and(|text| text == b"mine"), "{left:?}");
    }
}

#[tokio::test]
async fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    std::fs::write(&journal, journals::text(&journals::alone())).expect("it can be written");
    for name in ["report.html", "report.json", "journal.jsonl"] {
        let out = folder.path().join(format!("with-{name}"));
        std::fs::create_dir(&out).expect("a folder");
        let elsewhere = folder.path().join("elsewhere");
        symlink(&elsewhere, out.join(name)).expect("a link");
        let ran = loadtest(&["merge", path(&journal), "--out", path(&out)]).await;
        let other = folder.path().join(format!("with-{name}-2"));
        assert!(ran.status.code() != Some(2) && other.join("report.html").exists(), "{ran:?}");
        assert!(!elsewhere.exists());
    }
    // An empty folder is one to write to.
    let out = folder.path().join("empty");
    std::fs::create_dir(&out).expect("a folder");
    let ran = loadtest(&["merge", path(&journal), "--out", path(&out)]).await;
    assert!(ran.status.code() != Some(2) && out.join("report.html").exists(), "{ran:?}");
}
