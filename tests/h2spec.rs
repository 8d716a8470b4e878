//! HTTP/2 by h2spec, which tests a server against RFC 9113 and RFC 7541 case by case.

#[allow(dead_code, reason = "the tests of the TLS address use the rest")]
#[path = "tls/client.rs"]
mod client;
mod support;

use std::net::SocketAddr;
use std::path::PathBuf;

use client::TlsServer;
use tokio::process::Command;

/// What h2spec said.
struct Report {
    /// The cases that failed, with their numbers.
    failed: Vec<String>,
    /// The line with the numbers of cases.
    summary: String,
}

async fn h2spec(address: SocketAddr, flags: &[&str]) -> Report {
    let program = std::env::var_os("SHOPFRONT_TEST_H2SPEC").map_or_else(|| PathBuf::from("h2spec"), PathBuf::from);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(&program);
    command.args(["--host", &host, "--port", &port]).args(flags).kill_on_drop(true);
    let ran = tokio::time::timeout(support::PATIENCE, command.output()).await.expect("h2spec ends");
    let output = ran.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; let tests/h2spec build it, which needs Go: SHOPFRONT_TEST_H2SPEC=$(tests/h2spec) cargo test --test h2spec",
            program.display()
        )
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, failures) = text.split_once("Failures:").unwrap_or_default();
    let failed = failures.lines().filter_map(|line| line.trim().strip_prefix("× ")).map(str::to_owned).collect();
    let summary = text.lines().last().unwrap_or_default().to_owned();
    Report { failed, summary }
}

/// The plain port serves HTTP/1 as well, so it answers what does not begin with HTTP/2's preface as such.
#[tokio::test]
async fn plain_port_passes_all_but_the_case_of_http1() {
    let server = support::Server::start(&[]).await;
    let Report { failed, summary } = h2spec(server.address, &[]).await;
    assert_eq!(failed, ["2: Sends invalid connection preface"], "{summary}");
    assert_eq!(summary, "145 tests, 144 passed, 0 skipped, 1 failed");
}

#[tokio::test]
async fn tls_address_passes_all() {
    let server = TlsServer::start(&[]).await;
    let Report { failed, summary } = h2spec(server.address, &["--tls", "--insecure"]).await;
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(summary, "145 tests, 145 passed, 0 skipped, 0 failed");
}
