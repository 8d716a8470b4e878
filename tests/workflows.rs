//! `.github/workflows` does what README.md says anybody can do, and nothing else. actionlint and zizmor have their own
//! say of them in `.ci/workflows`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// What each step of each job runs, and the whole of README.md's command lines.
fn commands() -> (Vec<String>, BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = Vec::new();
    for entry in std::fs::read_dir(root.join(".github/workflows")).expect("the workflows are there") {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("a workflow can be read");
        let workflow: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let jobs = workflow["jobs"].as_object().expect("it has jobs");
        let steps = jobs.values().filter_map(|job| job["steps"].as_array()).flatten();
        run.extend(steps.filter_map(|step| Some(step["run"].as_str()?.to_owned())));
    }
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md is there");
    let mut documented: BTreeSet<_> =
        readme.lines().filter_map(|line| Some(line.strip_prefix("    ")?.to_owned())).collect();
    // The gates are named in a sentence.
    documented.extend(readme.contains("`.ci/gates`").then(|| ".ci/gates".to_owned()));
    (run, documented)
}

#[test]
fn each_command_of_a_workflow_is_one_of_the_readme() {
    let (run, documented) = commands();
    let own: Vec<_> = run.iter().filter(|command| !documented.contains(*command)).collect();
    assert_eq!(own, Vec::<&String>::new(), "README.md does not have these");
}

#[test]
fn a_release_tests_builds_for_both_architectures_attests_and_signs_each_image() {
    let (run, _) = commands();
    let has = |parts: &[&str]| run.iter().any(|command| parts.iter().all(|part| command.contains(part)));
    for image in ["shopfront", "loadtest"] {
        let tag = format!("--tag \"$registry/{image}:$version\"");
        let built = ["linux/amd64,linux/arm64", "--sbom=true", "--provenance=mode=max", "--push", &tag];
        assert!(has(&built), "{image} is built, pushed and attested");
        assert!(has(&["cosign sign", &format!("$registry/{image}@")]), "{image} is signed by its digest");
    }
    assert!(has(&["tests/run"]) && has(&[".ci/gates"]), "and all is tested before");
}
