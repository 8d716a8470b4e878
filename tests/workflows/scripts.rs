//! What the workflows run of `.ci`, with stand-ins for the programs that ask a registry or a database.

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
fn advisories_are_fetched_where_no_database_is_beside_the_checkout() {
    let checkout = advisories("exit 0");
    assert!(checkout.run(ADVISORIES, &[]).status.success());
    assert_eq!(checkout.asked(), ["cargo deny check advisories"]);
}

#[test]
fn advisories_that_cannot_be_fetched_and_those_that_are_found_fail() {
    let checkout = advisories("exit 1");
    assert!(!checkout.run(ADVISORIES, &[]).status.success());
    checkout.write("shared/advisory-db/crates/a/RUSTSEC-0000-0000.md", "");
    assert!(!checkout.run(ADVISORIES, &[]).status.success());
}

#[test]
fn advisories_are_read_from_the_database_beside_the_checkout_unless_it_is_empty() {
    let checkout = advisories("exit 0");
    checkout.write("shared/advisory-db/ABOUT.md", "");
    assert!(!checkout.run(ADVISORIES, &[]).status.success(), "there is nothing in it");
    assert_eq!(checkout.asked(), Vec::<String>::new());
    checkout.write("shared/advisory-db/crates/a/RUSTSEC-0000-0000.md", "");
    assert!(checkout.run(ADVISORIES, &[]).status.success());
    assert_eq!(checkout.asked(), ["cargo audit --no-fetch --stale --db ../shared/advisory-db"]);
}

#[test]
fn the_gates_hold_the_dependencies_against_advisories() {
    assert!(text(".ci/gates").lines().any(|line| line == ADVISORIES));
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
fn a_tag_that_the_registry_does_not_have_is_new() {
    assert_eq!(new_tags("ERROR: host/two:1.0: not found", 1), (true, String::new()));
}

#[test]
fn a_tag_that_the_registry_has_is_refused_in_one_line() {
    let (new, said) = new_tags("Name: host/two:1.0", 0);
    assert!(!new && said.contains("host/two:1.0 already exists") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_registry_that_does_not_say_is_not_pushed_to() {
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
