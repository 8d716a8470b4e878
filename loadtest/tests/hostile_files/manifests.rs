//! Manifests are input, too.

use std::path::Path;

use tempfile::TempDir;

use super::{loadtest, path, pipe, refused};

/// The project's own manifests, with one text in another's place.
fn with(from: &str, to: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let k8s = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s");
    let mut changed = 0;
    for name in ["shopfront.yml", "custom-metrics-config.yaml"] {
        let text = std::fs::read_to_string(k8s.join(name)).expect("it is there");
        changed += text.matches(from).count();
        std::fs::write(folder.path().join(name), text.replace(from, to)).expect("it can be written");
    }
    assert!(changed > 0, "there is no {from}");
    folder
}

#[tokio::test]
async fn an_out_of_bounds_manifest_is_refused_with_its_field() {
    for (from, to, expected) in [
        ("interval: 5s", "interval: 1us", "spec.endpoints[0].interval"),
        ("interval: 5s", "interval: 0s", "spec.endpoints[0].interval"),
        ("interval: 5s", "interval: -5s", "spec.endpoints[0].interval"),
        ("interval: 5s", "interval: 1000000000000h", "spec.endpoints[0].interval"),
        ("interval: 5s", "interval: 5", "spec.endpoints[0].interval"),
        ("maxReplicas: 3", "maxReplicas: 1000000000", "spec.maxReplicas"),
        ("maxReplicas: 3", "maxReplicas: -1", "spec.maxReplicas"),
        ("maxReplicas: 3", "maxReplicas: 1e300", "spec.maxReplicas"),
        ("averageValue: \"2\"", "averageValue: \"0\"", "averageValue"),
        ("averageValue: \"2\"", "averageValue: \"-2\"", "averageValue"),
        ("averageValue: \"2\"", "averageValue: \"1n\"", "averageValue"),
        ("averageValue: \"2\"", "averageValue: \"1e30\"", "averageValue"),
        ("averageValue: \"2\"", "averageValue: .nan", "shopfront.yml"),
        ("averageValue: \"2\"", "averageValue: .inf", "shopfront.yml"),
        ("[2m]", "[999999999w]", "metricsQuery"),
        ("[2m]", "[0s]", "metricsQuery"),
        ("[2m]", "[1e300]", "metricsQuery"),
        ("[2m]", "[1ms]", "metricsQuery"),
    ] {
        let folder = with(from, to);
        refused(&["predict", "--manifests", path(folder.path()), "--stage", "10rps:3m"], &[expected]).await;
    }
}

#[tokio::test]
async fn a_prediction_that_would_take_too_long_is_refused() {
    let folder = with("maxReplicas: 3", "maxReplicas: 10000");
    let manifests = path(folder.path());
    refused(&["predict", "--manifests", manifests, "--stage", "100000rps:24h"], &["too much to predict"]).await;
    refused(&["predict", "--manifests", manifests], &["too much to predict", "--stage"]).await;
    let folder = with("averageValue: \"2\"", "averageValue: \"1000000000\"");
    refused(&["predict", "--manifests", path(folder.path())], &["--stage"]).await;
    let day = ["--stage", "1rps:24h"].repeat(8);
    let folder = with("interval: 5s", "interval: 5s");
    refused(&[&["predict", "--manifests", path(folder.path())][..], &day].concat(), &["too long"]).await;
    // A day is none too much for a few.
    let ran = loadtest(&["predict", "--manifests", path(folder.path()), "--stage", "10rps:24h"]).await;
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn a_pipe_or_a_huge_file_is_refused() {
    let folder = with("interval: 5s", "interval: 5s");
    let pipe = pipe(&folder, "pipe.yaml");
    refused(
        &["predict", "--manifests", path(folder.path()), "--stage", "1rps:1s"],
        &["pipe.yaml", "not a regular file"],
    )
    .await;
    std::fs::remove_file(pipe).expect("it is there");
    std::fs::write(folder.path().join("huge.yml"), vec![b'#'; 5 << 20]).expect("it can be written");
    refused(&["rehearse", "--manifests", path(folder.path()), "--stage", "1rps:1s"], &["huge.yml", "longer than"])
        .await;
}
