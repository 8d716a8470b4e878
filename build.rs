//! Passes the compiler's version to the code, for `version` in the document and a label of `shopfront_build_info`, and the
//! commit that `SHOPFRONT_REVISION` names, for `/version`.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8(output.stdout).expect("rustc prints UTF-8");
    // "rustc 1.95.0 (59807616e 2026-04-14)" → "rustc 1.95.0"
    let short: Vec<&str> = version.split_whitespace().take(2).collect();
    println!("cargo::rustc-env=SHOPFRONT_RUSTC={}", short.join(" "));
    let revision = std::env::var("SHOPFRONT_REVISION").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-env=SHOPFRONT_REVISION={revision}");
    println!("cargo::rerun-if-env-changed=SHOPFRONT_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
}
