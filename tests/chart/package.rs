//! `.ci/package-chart`: the chart as a release pushes it.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::helm::{of_kind, program, release_of, root};

/// A checkout with this script and the chart.
struct Checkout(tempfile::TempDir);

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for name in [".ci", "charts", "programs"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        std::fs::copy(root().join(".ci/package-chart"), folder.path().join(".ci/package-chart"))
            .expect("it can be copied");
        symlink(root().join("charts/shopfront"), folder.path().join("charts/shopfront")).expect("a link can be made");
        let program = program();
        if program.components().count() > 1 {
            symlink(program, folder.path().join("programs/helm")).expect("a link can be made");
        }
        Self(folder)
    }

    fn package(&self, arguments: &[&str]) -> Output {
        let mut paths = vec![self.0.path().join("programs")];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").expect("there is a PATH")));
        let mut command = Command::new(self.0.path().join(".ci/package-chart"));
        command.args(arguments).env("PATH", std::env::join_paths(paths).expect("no path has a colon"));
        command.output().expect("it runs")
    }

    fn chart(&self) -> PathBuf {
        self.0.path().join("shopfront-1.2.3.tgz")
    }
}

#[test]
fn released_chart_names_both_images_by_digest() {
    let checkout = Checkout::new();
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let output = checkout.package(&["host.example/team", "1.2.3", &digest("a"), &digest("b")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = release_of(&checkout.chart(), "shopfront", &[]);
    let image = |kind: &str| {
        let object = of_kind(&objects, kind).next().unwrap_or_else(|| panic!("no {kind}"));
        object["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image("Deployment"), format!("host.example/team/shopfront@{}", digest("a")));
    assert_eq!(image("Job"), format!("host.example/team/loadtest@{}", digest("b")));
    let labels = &of_kind(&objects, "Deployment").next().expect("one")["metadata"]["labels"];
    assert_eq!(
        (&labels["app.kubernetes.io/version"], &labels["helm.sh/chart"]),
        (&"1.2.3".into(), &"shopfront-1.2.3".into())
    );
}

#[test]
fn chart_without_a_digest_is_not_packed() {
    let checkout = Checkout::new();
    let output = checkout.package(&["host.example/team", "1.2.3", "null", "null"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("'null' is no digest") && said.lines().count() == 1, "{said}");
    assert!(!checkout.chart().exists());
}
