//! Folders of manifests.

use std::path::Path;

use loadtest::autoscaling::manifests::Manifests;
use loadtest::autoscaling::{manifests, predict};
use loadtest::error::Error;
use loadtest::profile::Profile;
use serde_json::Value;

use super::cases;

/// The maximum number of steps in a case's prediction.
const STEPS: f64 = 1e4;

const FILES: [&str; 2] = ["shopfront.yml", "custom-metrics-config.yaml"];

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s").join(file)).expect("it is there")
}

#[test]
fn any_objects_are_refused_or_predicted() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let good: Vec<Value> =
        FILES.iter().flat_map(|file| serde_saphyr::from_multiple::<Value>(&text(file)).expect("it is YAML")).collect();
    cases(2_000, |mutation| {
        let mut objects = good.clone();
        let object = mutation.0.usize(..objects.len());
        mutation.json(&mut objects[object]);
        // JSON is YAML.
        let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
        std::fs::write(folder.join("all.yaml"), documents.join("\n---\n")).expect("it can be written");
        check(manifests::read(&[&folder]));
    });
}

#[test]
fn any_files_are_refused_or_predicted() {
    let good = FILES.map(text);
    let folder = tempfile::tempdir().expect("a folder");
    cases(200, |mutation| {
        let changed = mutation.0.usize(..good.len());
        for (index, (file, text)) in FILES.iter().zip(&good).enumerate() {
            let text = if index == changed { mutation.bytes(text) } else { text.clone().into_bytes() };
            std::fs::write(folder.path().join(file), text).expect("it can be written");
        }
        check(manifests::read(&[folder.path()]));
    });
}

fn check(read: Result<Manifests, manifests::Error>) {
    match read {
        // As it is printed: a name may be of any length.
        Err(told) => {
            let told = Error::Usage(told.to_string()).to_string();
            assert!(told.len() < 20_000 && told.lines().count() == 1, "{told}");
        }
        Ok(Manifests { autoscaler, .. }) => {
            assert_eq!(autoscaler.check(), Ok(()));
            let profile: Profile = "0rps..50rps:1m 0rps:1m".parse().expect("it is a profile");
            if predict::steps(2, &autoscaler, autoscaler.min, 120.0) <= STEPS {
                let predicted = predict::predict(&profile, &autoscaler, autoscaler.min, 120.0);
                assert!(predicted.iter().all(|look| look.wanted <= autoscaler.max.max(1)), "{predicted:?}");
            }
        }
    }
}
