//! gRPC health checks and reflection, over real sockets.

mod client;
mod hostile;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::{Client, Health, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, grpc_address, text_field};
use support::{Server, Signal, eventually};
use tokio::net::TcpStream;
use tokio::process::Command;

const GRPC: [&str; 2] = ["--grpc-address", "127.0.0.1:0"];

/// A server with these flags, and its gRPC address. It is ready, unless a flag delays that.
async fn started(flags: &[&str]) -> (Server, SocketAddr) {
    let mut server = Server::start(&[&GRPC, flags].concat()).await;
    let address = grpc_address(&mut server).await;
    if !flags.contains(&"--ready-after") {
        eventually("the service is ready", async || server.try_get("/readyz").await).await;
    }
    (server, address)
}

#[tokio::test]
async fn check_answers_for_the_names_of_the_service_and_for_no_other() {
    let (_server, address) = started(&[]).await;
    let mut client = Client::connect(address).await;
    for service in ["", "shopfront", "podinfo"] {
        assert_eq!(client.check(service).await, Ok(Health::Serving), "{service:?}");
    }
    for service in ["Podinfo", "grpc.health.v1.Health", "else"] {
        assert_eq!(client.check(service).await, Err(NOT_FOUND), "{service:?}");
    }
}

#[tokio::test]
async fn unknown_method_is_unimplemented() {
    let (_server, address) = started(&[]).await;
    let mut client = Client::connect(address).await;
    for method in ["grpc.health.v1.Health/List", "status.StatusService/Status", "metrics"] {
        let mut call = client.call(method, &[], b"").await.unwrap();
        assert_eq!((call.message().await, call.status()), (None, UNIMPLEMENTED), "{method}");
    }
}

#[tokio::test]
async fn watch_of_an_unknown_service_says_so_and_goes_on() {
    let (_server, address) = started(&[]).await;
    let mut watch = Client::connect(address).await.watch("else").await.unwrap();
    assert_eq!(watch.health().await, Some(Health::ServiceUnknown));
    assert!(watch.is_silent_for(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn watch_follows_the_readiness_toggles() {
    let (server, address) = started(&["--lab"]).await;
    let mut client = Client::connect(address).await;
    let mut watch = client.watch("podinfo").await.unwrap();
    assert_eq!(watch.health().await, Some(Health::Serving));
    for (toggle, health) in [("disable", Health::NotServing), ("enable", Health::Serving)] {
        let toggled = reqwest::Client::new().post(server.url(&format!("/readyz/{toggle}"))).send().await.unwrap();
        assert_eq!(toggled.status().as_u16(), 202);
        assert_eq!(watch.health().await, Some(health));
        assert_eq!(client.check("").await, Ok(health));
    }
}

#[tokio::test]
async fn watch_follows_the_time_until_the_service_is_ready() {
    let (_server, address) = started(&["--ready-after", "2s"]).await;
    let mut client = Client::connect(address).await;
    let mut watch = client.watch("").await.unwrap();
    assert_eq!(watch.health().await, Some(Health::NotServing));
    assert_eq!(watch.health().await, Some(Health::Serving));
    assert_eq!(client.check("").await, Ok(Health::Serving));
}

#[tokio::test]
async fn watch_sees_the_drain_at_once_and_ends_before_the_process() {
    let (mut server, address) = started(&["--drain-delay", "2s"]).await;
    let mut client = Client::connect(address).await;
    let mut watches = [client.watch("").await.unwrap(), client.watch("else").await.unwrap()];
    assert_eq!(watches[0].health().await, Some(Health::Serving));
    assert_eq!(watches[1].health().await, Some(Health::ServiceUnknown));
    let signalled = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(watches[0].health().await, Some(Health::NotServing));
    assert!(signalled.elapsed() < Duration::from_secs(1), "it took {:?}", signalled.elapsed());
    // Probes are still answered.
    assert_eq!(Client::connect(address).await.check("").await, Ok(Health::NotServing));
    for watch in &mut watches {
        assert_eq!((watch.health().await, watch.status()), (None, UNAVAILABLE));
    }
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn drain_does_not_wait_for_a_watch_that_is_not_read() {
    let (mut server, address) = started(&["--drain-delay", "0s"]).await;
    // It sends a preface, settings with a window of 0, and a head, and reads nothing.
    let silent = hostile::unread_watch(address).await;
    let signalled = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    assert!(signalled.elapsed() < Duration::from_secs(5), "it took {:?}", signalled.elapsed());
    drop(silent);
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let (_server, address) = started(&[]).await;
    for version in ["v1", "v1alpha"] {
        let mut client = Client::connect(address).await;
        let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // Field 7: list_services. Field 4: file_containing_symbol.
        let mut list = client.call(&method, &[], &text_field(7, "")).await.unwrap();
        let listed = list.message().await.unwrap();
        for name in [&b"grpc.health.v1.Health"[..], format!("grpc.reflection.{version}.ServerReflection").as_bytes()] {
            assert!(listed.windows(name.len()).any(|part| part == name), "{version}: {listed:?}");
        }
        let mut file = client.call(&method, &[], &text_field(4, "grpc.health.v1.Health")).await.unwrap();
        let file = file.message().await.unwrap();
        assert!(file.windows(18).any(|part| part == b"HealthCheckRequest"), "{version}: {file:?}");
    }
}

#[tokio::test]
async fn without_the_setting_nothing_listens_and_no_thread_runs() {
    let server = Server::start(&[]).await;
    // The ops address has its thread by then.
    server.scrape().await;
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names: Vec<_> =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap()).collect();
    assert!(names.iter().any(|name| name == "ops\n") && !names.iter().any(|name| name == "grpc\n"), "{names:?}");
}

#[tokio::test]
async fn bad_address_is_one_line() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap();
    for (address, expected) in [
        ("9999", "--grpc-address (or the variable SHOPFRONT_GRPC_ADDRESS): invalid value \"9999\": expected IP:PORT"),
        ("localhost:9999", "expected IP:PORT, such as"),
        (&taken.to_string(), "the port is in use (Address already in use (os error 98)); set --grpc-address or"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopfront"));
        command.args(["--address", "127.0.0.1:0", "--grpc-address", address]).env_clear();
        let output = command.stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected) && said.lines().count() == 1, "{said}");
    }
    TcpStream::connect(taken).await.unwrap();
}
