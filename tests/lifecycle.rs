//! Starting, draining and stopping, with the real binary under signals.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{ACCEPT, CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use support::{Server, Signal, eventually, read_to_end};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

#[tokio::test]
async fn signal_fails_readiness_while_requests_are_served() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let mut server = Server::start(&["--drain-delay", "1h"]).await;
        assert_eq!(reqwest::get(server.url("/readyz")).await.unwrap().status(), StatusCode::OK);
        server.signal(signal);
        let line = server.logged("draining").await;
        assert_eq!(line["signal"], name);
        let unready = reqwest::Client::new().get(server.url("/readyz")).header(ACCEPT, "application/yaml");
        let unready = unready.send().await.unwrap();
        assert_eq!(unready.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(unready.text().await.unwrap().starts_with("error:\n  status: \"503\"\n"));
        for path in ["/", "/healthz", "/metrics"] {
            let response = reqwest::get(server.url(path)).await.unwrap();
            assert_eq!(
                (response.status(), &response.headers()[CONNECTION]),
                (StatusCode::OK, &"close".parse().unwrap())
            );
        }
        // A second signal ends the delay.
        server.signal(signal);
        server.logged("stopped: every connection has ended").await;
        assert!(server.ended().await.success());
        TcpStream::connect(server.address).await.unwrap_err();
    }
}

#[tokio::test]
async fn service_stops_after_the_drain_delay() {
    let mut server = Server::start(&["--drain-delay", "700ms"]).await;
    let signalled = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    assert!(signalled.elapsed() >= Duration::from_millis(700));
}

/// A client in the middle of its request: it has sent the head and half of the body, `12`.
async fn half_a_request(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"12").await.unwrap();
    stream
}

#[tokio::test]
async fn request_in_flight_is_finished() {
    let mut server = Server::start(&["--drain-delay", "0s"]).await;
    let mut stream = half_a_request(&server).await;
    server.signal(Signal::TERM);
    eventually("the listener is closed", async || TcpStream::connect(server.address).await.err()).await;
    stream.write_all(b"34").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    server.logged("stopped: every connection has ended").await;
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn partial_head_is_finished_during_shutdown() {
    let mut server = Server::start(&["--drain-delay", "0s", "--header-timeout", "1m"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /version HTTP/1.1\r\nho").await.unwrap();
    // Connections are accepted in order: when this one has its response, the first has been read.
    server.get("/healthz").await;
    server.signal(Signal::TERM);
    eventually("the listener is closed", async || TcpStream::connect(server.address).await.err()).await;
    // A silent client has half a second. This one has sent something.
    let waits = tokio::time::timeout(Duration::from_secs(1), stream.read_u8()).await;
    assert!(waits.is_err(), "the client was disconnected");
    stream.write_all(b"st: localhost\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn shutdown_timeout_ends_the_wait() {
    let mut server = Server::start(&["--drain-delay", "0s", "--shutdown-timeout", "200ms"]).await;
    let _stream = half_a_request(&server).await;
    server.signal(Signal::TERM);
    assert_eq!(server.logged("stopped: the shutdown timeout").await["connections"], 1);
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn idle_connection_does_not_delay_the_shutdown() {
    let mut server = Server::start(&["--drain-delay", "0s", "--shutdown-timeout", "1h"]).await;
    let mut client = KeepAlive::connect(server.address).await.unwrap();
    client.ask().await.unwrap();
    server.signal(Signal::TERM);
    server.logged("stopped: every connection has ended").await;
    assert!(server.ended().await.success());
}

/// The kernel completes a connection before the service accepts it. A service that closes its listener with such
/// connections in the queue resets them.
#[tokio::test]
async fn clients_in_the_accept_queue_get_responses_during_shutdown() {
    for clients in [1, 600] {
        let mut server = Server::start(&["--drain-delay", "0s"]).await;
        server.signal(Signal::STOP);
        let clients = (0..clients).map(|_| async {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            stream
        });
        let clients = join_all(clients).await;
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        for mut client in clients {
            let answer = read_to_end(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
        }
        assert!(server.ended().await.success());
    }
}

#[tokio::test]
async fn http2_clients_lose_no_request_during_shutdown() {
    let mut server = Server::start(&["--drain-delay", "1h"]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = server.url("/version");
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::OK);
    server.signal(Signal::TERM);
    server.logged("draining").await;
    for _ in 0..20 {
        for response in join_all((0..20).map(|_| client.get(&url).send())).await {
            assert_eq!(response.unwrap().status(), StatusCode::OK);
        }
    }
    server.signal(Signal::TERM);
    server.logged("stopped: every connection has ended").await;
    assert!(server.ended().await.success());
}

/// A client that keeps its connection until a `Connection: close`, and never retries a request.
struct KeepAlive(SendRequest<Empty<Bytes>>);

impl KeepAlive {
    async fn connect(address: SocketAddr) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (sender, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Whether the connection may be used again.
    async fn ask(&mut self) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.0.ready().await?;
        let request = Request::get("/").header(HOST, "shop.localhost").body(Empty::new())?;
        let response = self.0.send_request(request).await?;
        let stays = response.headers().get(CONNECTION).is_none_or(|value| value != "close");
        if response.status() != StatusCode::OK {
            return Err(format!("answered {}", response.status()).into());
        }
        response.into_body().collect().await?;
        Ok(stays)
    }
}

/// One client of a load balancer: each new connection goes to the next replica that is ready. Returns the number of responses.
/// A request without one fails the test.
async fn load(mut ready: watch::Receiver<Vec<SocketAddr>>, done: watch::Receiver<bool>, keep_alive: bool) -> u64 {
    let (mut answered, mut turn) = (0, 0);
    while !*done.borrow() {
        let replicas = ready.borrow_and_update().clone();
        turn += 1;
        let mut client = KeepAlive::connect(replicas[turn % replicas.len()]).await.expect("a ready replica accepts");
        let mut stays = true;
        while stays && !*done.borrow() {
            stays = client.ask().await.expect("no request is lost") && keep_alive;
            answered += 1;
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_loses_no_request() {
    // Longer than a load balancer needs to notice that readiness fails, as in a cluster.
    let flags = ["--drain-delay", "1s"];
    let mut replicas = vec![Server::start(&flags).await, Server::start(&flags).await];
    let addresses = |replicas: &[Server]| replicas.iter().map(|replica| replica.address).collect::<Vec<_>>();
    let (ready, endpoints) = watch::channel(addresses(&replicas));
    let (done, finished) = watch::channel(false);
    let clients: Vec<_> =
        (0..16).map(|number| tokio::spawn(load(endpoints.clone(), finished.clone(), number % 2 == 0))).collect();

    for _ in 0..3 {
        let mut old = replicas.remove(0);
        replicas.push(Server::start(&flags).await);
        old.signal(Signal::TERM);
        // The load balancer still has the old replica in its list when the drain begins.
        old.logged("draining").await;
        let unready = async || (reqwest::get(old.url("/readyz")).await.ok()?.status() == 503).then_some(());
        eventually("the old replica is not ready", unready).await;
        ready.send_replace(addresses(&replicas));
        old.logged("stopped: every connection has ended").await;
        assert!(old.ended().await.success());
    }

    done.send_replace(true);
    let mut answered = 0;
    for client in clients {
        answered += client.await.expect("no client saw a failure");
    }
    assert!(answered > 1000, "only {answered} requests tried it");
    println!("{answered} requests, none lost");
}
