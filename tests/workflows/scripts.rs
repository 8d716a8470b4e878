//! What the workflows run of `.ci`, with stand-ins for the programs that ask a registry or a database.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::text;

/// A checkout that has this one script, beside it what a test puts there, and programs that do what a test says.
struct Checkout(TempDir);

impl Checkout {
    fn with(script: &str) -> Self {
        let checkout = Self(tempfile::tempdir().expect("a folder can be made"));
        checkout.write(&format!("checkout/{script}"), &text(script));
        checkout
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(&path, text).expect("it can be written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
    }

    /// A program that writes down its arguments, and does this.
    fn program(&self, name: &str, body: &str) {
        let asked = self.0.path().join("asked");
        let script = format!("#!/bin/sh\necho \"{name} $*\" >> '{}'\n{body}\n", asked.display());
        self.write(&format!("programs/{name}"), &script);
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let mut paths = vec![self.0.path().join("programs")];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").expect("there is a PATH")));
        let mut command = Command::new(Path::new(self.0.path()).join("checkout").join(script));
        command.args(arguments).env("PATH", std::env::join_paths(paths).expect("no path has a colon"));
        command.output().expect("it runs")
    }

    fn asked(&self) -> Vec<String> {
        let asked = std::fs::read_to_string(self.0.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }
}

/// With all that it needs installed, and a cargo that ends so.
fn advisories(end: &str) -> Checkout {
    let checkout = Checkout::with(".ci/advisories");
    checkout.program("cargo", end);
    checkout.program("cargo-deny", "");
    checkout.program("cargo-audit", "");
    checkout
}

const ADVISORIES: &str = ".ci/advisories";

#[test]
fn advisories_are_fetched_without_a_local_database() {
    let checkout = advisories("exit 0");
    assert!(checkout.run(ADVISORIES, &[]).status.success());
    assert_eq!(checkout.asked(), ["cargo deny check advisories"]);
}

#[test]
fn unreachable_or_found_advisories_fail() {
    let checkout = advisories("exit 1");
    assert!(!checkout.run(ADVISORIES, &[]).status.success());
    checkout.write("shared/advisory-db/crates/a/RUSTSEC-0000-0000.md", "");
    assert!(!checkout.run(ADVISORIES, &[]).status.success());
}

#[test]
fn local_advisory_database_is_used_unless_empty() {
    let checkout = advisories("exit 0");
    checkout.write("shared/advisory-db/ABOUT.md", "");
    assert!(!checkout.run(ADVISORIES, &[]).status.success(), "there is nothing in it");
    assert_eq!(checkout.asked(), Vec::<String>::new());
    checkout.write("shared/advisory-db/crates/a/RUSTSEC-0000-0000.md", "");
    assert!(checkout.run(ADVISORIES, &[]).status.success());
    assert_eq!(checkout.asked(), ["cargo audit --no-fetch --stale --db ../shared/advisory-db"]);
}

#[test]
fn gates_check_the_dependencies_for_advisories() {
    assert!(text(".ci/gates").lines().any(|line| line == ADVISORIES));
}

/// The folders of tests that have one which is ignored.
fn with_ignored_tests(package: &str) -> BTreeSet<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join("tests");
    let is_ignored =
        |file: &Path| std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("#[{}", "ignore")));
    let mut folders = vec![tests.clone()];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_ignored(&path) {
                let inside = path.strip_prefix(&tests).expect("it is in there");
                let test = inside.components().next().expect("it has a name").as_os_str();
                found.insert(test.to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[test]
fn cluster_gate_runs_every_ignored_test() {
    let gate = text(".ci/cluster");
    let run = gate.lines().filter_map(|line| line.trim().strip_prefix("needs_a_cluster "));
    let run: BTreeSet<_> = run.flat_map(str::split_whitespace).map(str::to_owned).collect();
    assert_eq!(run, with_ignored_tests("loadtest"));
    // It runs none of this package.
    assert_eq!(with_ignored_tests("."), BTreeSet::new());
}

/// `.ci/new-tags` for two images, where the registry says this of the second one.
fn new_tags(said: &str, code: u8) -> (bool, String) {
    let checkout = Checkout::with(".ci/new-tags");
    checkout.program(
        "docker",
        &format!("case $4 in *two:1.0) echo '{said}' >&2; exit {code} ;; *) echo \"ERROR: $4: not found\" >&2; exit 1 ;; esac"),
    );
    let output = checkout.run(".ci/new-tags", &["host/one:1.0", "host/two:1.0"]);
    let inspect = |image: &str| format!("docker buildx imagetools inspect host/{image}:1.0");
    assert_eq!(checkout.asked(), ["one", "two"].map(inspect));
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn missing_tag_is_new() {
    assert_eq!(new_tags("ERROR: host/two:1.0: not found", 1), (true, String::new()));
}

#[test]
fn existing_tag_is_rejected_in_one_line() {
    let (new, said) = new_tags("Name: host/two:1.0", 0);
    assert!(!new && said.contains("host/two:1.0 already exists") && said.lines().count() == 1, "{said}");
}

#[test]
fn failing_registry_query_stops_the_push() {
    for error in [
        "ERROR: failed to authorize: 403 Forbidden",
        "ERROR: dial tcp: lookup host: no such host",
        "ERROR: unexpected status: 503 Service Unavailable",
        "docker: unknown command: docker buildx",
    ] {
        let (new, said) = new_tags(error, 1);
        assert!(!new && said.contains(error) && said.lines().count() == 1, "{said}");
    }
}

/// `.ci/krew` for a release with the checksums of these archives.
fn krew(archives: &[&str]) -> (bool, String) {
    let checkout = Checkout::with(".ci/krew");
    checkout.write("checkout/loadtest/krew.yaml", &text("loadtest/krew.yaml"));
    checkout.write("checkout/Cargo.toml", "repository = \"https://host/owner/shop\"\n");
    let sums: Vec<_> = archives.iter().map(|archive| format!("{}  {archive}\n", "a".repeat(64))).collect();
    checkout.write("sums", &sums.concat());
    let output = checkout.run(".ci/krew", &["1.2.3", checkout.0.path().join("sums").to_str().expect("a path")]);
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).expect("text"))
}

const ARCHIVES: [&str; 4] = [
    "kubectl-hpa_doctor-darwin-amd64.tar.gz",
    "kubectl-hpa_doctor-darwin-arm64.tar.gz",
    "kubectl-hpa_doctor-linux-amd64.tar.gz",
    "kubectl-hpa_doctor-linux-arm64.tar.gz",
];

#[test]
fn krew_manifest_has_the_address_and_checksum_of_each_archive() {
    let (filled, said) = krew(&[&ARCHIVES[..], &["loadtest-linux-amd64.tar.gz"]].concat());
    assert!(filled, "{said}");
    let manifest: serde_json::Value = serde_saphyr::from_str(&said).expect("it is YAML");
    assert_eq!(manifest["spec"]["version"], "v1.2.3", "krew accepts no other form");
    let platforms = manifest["spec"]["platforms"].as_array().expect("a list");
    let mut addresses: Vec<_> =
        platforms.iter().map(|platform| platform["uri"].as_str().expect("an address")).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ARCHIVES.map(|archive| format!("https://host/owner/shop/releases/download/1.2.3/{archive}")));
    for platform in platforms {
        assert_eq!(platform["sha256"], "a".repeat(64));
        let labels = &platform["selector"]["matchLabels"];
        let name =
            format!("-{}-{}.tar.gz", labels["os"].as_str().expect("text"), labels["arch"].as_str().expect("text"));
        assert!(platform["uri"].as_str().is_some_and(|address| address.ends_with(&name)), "{platform}");
    }
}

#[test]
fn krew_manifest_without_a_checksum_fails_in_one_line() {
    let (filled, said) = krew(&ARCHIVES[1..]);
    assert!(!filled && said.contains(ARCHIVES[0]) && said.lines().count() == 1, "{said}");
}
