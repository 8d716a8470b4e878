//! Nothing that is there is overwritten.

use std::os::unix::fs::symlink;

use super::{journals, loadtest, path, refused};

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
        let expected = [path(&kept), "choose another folder"];
        refused(&["merge", path(&journal), "--out", path(&out)], &expected).await;
        let load = ["--url", "http://127.0.0.1:1/", "--hpa", "none", "--stage", "1rps:1s", "--out", path(&out)];
        refused(&[&["run"][..], &load].concat(), &expected).await;
        let k8s = concat!(env!("CARGO_MANIFEST_DIR"), "/../k8s");
        refused(&["rehearse", "--manifests", k8s, "--stage", "1rps:1s", "--out", path(&out)], &expected).await;
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
        refused(&["merge", path(&journal), "--out", path(&out)], &["choose another folder"]).await;
        assert!(!elsewhere.exists());
    }
    // An empty folder is one to write to.
    let out = folder.path().join("empty");
    std::fs::create_dir(&out).expect("a folder");
    let ran = loadtest(&["merge", path(&journal), "--out", path(&out)]).await;
    assert!(ran.status.code() != Some(2) && out.join("report.html").exists(), "{ran:?}");
}
