//! `.github/workflows` runs only commands that README.md and CONTRIBUTING.md give, so anybody can run them by hand.
//! actionlint and zizmor check the workflows in `.ci/workflows`.

mod scripts;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// What each step of each job runs, and every command line of README.md and CONTRIBUTING.md.
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
    let pages = text("README.md") + &text("CONTRIBUTING.md");
    let mut documented: BTreeSet<_> =
        pages.lines().filter_map(|line| Some(line.strip_prefix("    ")?.to_owned())).collect();
    // A sentence names the gates.
    documented.extend(pages.contains("`.ci/gates`").then(|| ".ci/gates".to_owned()));
    (run, documented)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn each_command_of_a_workflow_is_documented() {
    let (run, documented) = commands();
    let own: Vec<_> = run.iter().filter(|command| !documented.contains(*command)).collect();
    assert_eq!(own, Vec::<&String>::new(), "neither README.md nor CONTRIBUTING.md has these");
}

#[test]
fn release_tests_builds_attests_and_signs_each_image() {
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

#[test]
fn release_needs_approval_and_replaces_no_image() {
    let release: Value = serde_saphyr::from_str(&text(".github/workflows/release.yml")).expect("it is YAML");
    let images = &release["jobs"]["images"];
    assert_eq!(images["environment"], "release");
    let steps: Vec<_> = images["steps"].as_array().expect("it has steps").iter().map(ToString::to_string).collect();
    let at = |part: &str| steps.iter().position(|step| step.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    assert!(at("docker/login-action@") < at(".ci/new-tags") && at(".ci/new-tags") < at("--push"));
    for image in ["shopfront", "loadtest", "charts/shopfront"] {
        let named = steps[at(".ci/new-tags")].contains(&format!("$registry/{image}:$version"));
        assert!(named, "{image}");
    }
    // Whatever registry is pushed to; GitHub's own token stays at GitHub's own.
    let login = &steps[at("docker/login-action@")];
    assert!(images["env"]["registry"].as_str().is_some_and(|registry| registry.contains("vars.REGISTRY")), "{images}");
    assert!(login.contains(r#""registry":"${{ env.registry }}""#), "{login}");
    assert!(login.contains("startsWith(env.registry, 'ghcr.io/') && secrets.GITHUB_TOKEN ||"), "{login}");
    assert!(at("upload-artifact@") > at("k8s/shopfront.yml"), "the manifests name the images by digest");
}

/// The chart after its images, by their digests; the binaries only once the images are approved.
#[test]
fn release_signs_the_chart_and_attests_the_binaries() {
    let release: Value = serde_saphyr::from_str(&text(".github/workflows/release.yml")).expect("it is YAML");
    let steps = |job: &str| -> Vec<String> {
        release["jobs"][job]["steps"].as_array().expect("it has steps").iter().map(ToString::to_string).collect()
    };
    let images = steps("images");
    let at = |part: &str| images.iter().position(|step| step.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    let order = ["$registry/loadtest@", ".ci/package-chart", "helm push", "$registry/charts/shopfront@"].map(at);
    assert!(order.is_sorted(), "{order:?}");

    let jobs = &release["jobs"];
    assert_eq!(jobs["publish"]["needs"], serde_json::json!(["images", "binaries"]));
    assert_eq!(jobs["binaries"]["needs"], "test");
    let publish = steps("publish");
    let at = |part: &str| publish.iter().position(|step| step.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    let order = ["sha256sum", ".ci/krew", "attest-build-provenance@", "gh release create"].map(at);
    assert!(order.is_sorted(), "{order:?}");
    assert!(publish[order[2]].contains("dist/*.tar.gz"));
}

fn is_pinned(image: &str) -> bool {
    image.split_once("@sha256:").is_some_and(|(name, digest)| {
        name.contains(':') && digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// Every image that is built from or run: a tag may be pushed again.
#[test]
fn external_images_are_pinned_by_digest() {
    let dockerfile = text("Dockerfile");
    // The Dockerfile's own base is a tag, for builds without a registry; a release takes the same by its digest.
    let base = dockerfile.lines().find_map(|line| line.strip_prefix("ARG RUST_IMAGE=")).expect("it names its base");
    let pinned = text(".github/base-image");
    let pinned = pinned.trim_end();
    assert!(is_pinned(pinned) && pinned.strip_prefix(base).is_some_and(|rest| rest.starts_with('@')), "{pinned}");
    for file in [".github/workflows/release.yml", "CONTRIBUTING.md"] {
        let text = text(file);
        let mut releases = text.lines().filter(|line| line.contains("buildx build ")).peekable();
        let base = r#"--build-arg RUST_IMAGE="$(cat .github/base-image)""#;
        assert!(releases.peek().is_some() && releases.all(|line| line.contains(base)), "{file}");
    }
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let from = line.split(' ').next().unwrap_or_default();
        assert!(["${RUST_IMAGE}", "sources", "scratch"].contains(&from), "{line}");
    }
    for file in [".github/workflows/test.yml", "CONTRIBUTING.md"] {
        let text = text(file);
        let mut named = text.split_whitespace().filter(|word| word.starts_with("docker.io/")).peekable();
        assert!(named.peek().is_some() && named.all(is_pinned), "{file}");
    }
    let installer = text("infra/ssm-agent-installer.yaml");
    let mut named = installer.lines().filter_map(|line| line.trim().strip_prefix("image: ")).peekable();
    assert!(named.peek().is_some() && named.all(is_pinned));
}
