//! A collector that is dead, slow or wrong, clients that leave, secrets, and no traces at all.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::started;
use crate::support::{Server, Signal, eventually};

/// How long the process may take to end after a signal: the last export has a second.
const END: Duration = Duration::from_secs(5);

async fn ends_soon(server: &mut Server) {
    let signalled = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    assert!(signalled.elapsed() < END, "it took {:?}", signalled.elapsed());
}

async fn with_endpoint(endpoint: &str) -> Server {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    Server::start_with(&["--drain-delay", "0s"], &variables).await
}

#[tokio::test]
async fn dead_collector_costs_one_line_and_no_request() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut server = with_endpoint(&format!("http://{unused}")).await;
    for _ in 0..20 {
        let asked = Instant::now();
        assert!(server.try_get("/version").await.is_some());
        assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let line = server.logged("cannot export spans").await;
    assert!(line["message"].as_str().unwrap().contains("check OTEL_EXPORTER_OTLP_ENDPOINT"), "{line}");
    ends_soon(&mut server).await;
    let rest = server.rest_of_log().await;
    assert!(!rest.iter().any(|line| line.contains("cannot export spans")), "one line a minute: {rest:?}");
}

#[tokio::test]
async fn silent_collector_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = with_endpoint(&format!("http://{}", silent.local_addr().unwrap())).await;
    assert!(server.try_get("/version").await.is_some());
    let _held = silent.accept().await.unwrap();
    assert!(server.try_get("/version").await.is_some());
    ends_soon(&mut server).await;
}

#[tokio::test]
async fn collectors_error_is_logged_with_its_status() {
    let routes = axum::Router::new().fallback(async || http::StatusCode::UNAUTHORIZED);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut server = with_endpoint(&endpoint).await;
    assert!(server.try_get("/version").await.is_some());
    let line = server.logged("cannot export spans").await;
    assert!(line["message"].as_str().unwrap().contains("the collector answered 401"), "{line}");
}

#[tokio::test]
async fn last_spans_are_exported_before_the_process_ends() {
    let (mut server, mut collector) = started(&[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]).await;
    assert!(server.try_get("/version").await.is_some());
    ends_soon(&mut server).await;
    assert_eq!(collector.span().await.otlp.name, "GET /version");
}

#[tokio::test]
async fn client_that_leaves_ends_its_span() {
    let (server, mut collector) = started(&[]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /delay/5 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    eventually("the request is in flight", async || {
        (server.metric("http_open_connections").await? >= 1.0).then_some(())
    })
    .await;
    stream.shutdown().await.unwrap();
    drop(stream);
    let span = collector.span().await;
    assert_eq!(span.otlp.name, "GET /delay/{seconds}");
    assert!(["client_disconnected", ""].contains(&span.attribute("error.type")), "{span:?}");
}

#[tokio::test]
async fn values_of_the_headers_are_sent_and_never_shown() {
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2");
    let collector = crate::Collector::start().await;
    let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint));
    let variables = [headers, (endpoint.0, endpoint.1.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let flags = ["--drain-delay", "0s", "--log-level", "debug", "--environment-show", "OTEL_*"];
    let (mut server, mut collector) = (Server::start_with(&flags, &variables).await, collector);
    for path in ["/", "/env"] {
        let shown = server.get(path).await;
        assert!(shown.contains("OTEL_EXPORTER_OTLP_HEADERS") && !shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(collector.span().await.headers["authorization"], "Bearer hunter2");
    let line = server.logged("spans are exported").await;
    assert!(!line.to_string().contains("hunter2"), "{line}");
    ends_soon(&mut server).await;
    let rest = server.rest_of_log().await;
    assert!(!rest.iter().any(|line| line.contains("hunter2")), "{rest:?}");
}

#[tokio::test]
async fn without_the_variables_no_thread_runs() {
    let server = Server::start_with(&[], &[("OTEL_SERVICE_NAME", "shop")]).await;
    // The ops address, which starts last, has its thread by then.
    server.scrape().await;
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names: Vec<_> =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap()).collect();
    assert!(!names.iter().any(|name| name.starts_with("OpenTelemetry")), "{names:?}");
}

#[tokio::test]
async fn bad_variable_is_one_line_and_exit_code_2() {
    for (name, value, expected) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "expected a URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318", "begins with http://"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected http/protobuf or grpc"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "expected otlp or none"),
        ("OTEL_TRACES_SAMPLER", "xray", "expected always_on"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopfront"));
        command.args(["--address", "127.0.0.1:0"]).env_clear();
        command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318").env(name, value);
        if name.ends_with("ENDPOINT") {
            command.env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        }
        let output = command.stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("error: {name}: ")) && said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
