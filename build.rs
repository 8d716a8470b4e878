//! Passes the compiler's version to the code, for `version` in the document and a label of `shopfront_build_info`.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8(output.stdout).expect("rustc prints UTF-8");
    // "rustc 1.95.0 (59807616e 2026-04-14)" → "rustc 1.95.0"
    let short: Vec<&str> = version.split_whitespace().take(2).collect();
    println!("cargo::rustc-env=SHOPFRONT_RUSTC={}", short.join(" "));
    println!("cargo::rerun-if-changed=build.rs");
}
