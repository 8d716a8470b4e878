//! Draining with TLS loses no request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;

use super::client::{TlsServer, connector, get, read_to_end};
use super::support::{Signal, eventually};

/// Sends a request on a kept connection. Returns the response's head; its body has the length that it says.
async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).expect("it has a length");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(head)
}

/// Clients that keep their connections, and clients with a connection for each request, until the load balancer would know that
/// the service is not ready. Each request that was sent has a response.
#[tokio::test]
async fn no_request_is_lost() {
    let mut server = TlsServer::start(&["--drain-delay", "1s"]).await;
    let (address, pair) = (server.address, &server.pair);
    let is_unready = &AtomicBool::new(false);
    let (connector, answered) = (&connector(pair, &["http/1.1"], &[&TLS13]), &AtomicUsize::new(0));
    let client = |keeps: bool| async move {
        while !is_unready.load(SeqCst) {
            let stream = TcpStream::connect(address).await.expect("the service accepts until it stops");
            let connecting = connector.connect(ServerName::try_from("localhost").unwrap(), stream);
            let mut stream = connecting.await.expect("a handshake is completed");
            loop {
                let head = ask(&mut stream).await.expect("a request has a response");
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                answered.fetch_add(1, SeqCst);
                if !keeps || head.contains("\r\nconnection: close\r\n") {
                    break;
                }
            }
        }
    };
    let clients = join_all([client(true), client(true), client(false), client(false)]);
    let signal = async {
        eventually("the clients are busy", async || (answered.load(SeqCst) >= 100).then_some(())).await;
        server.server.signal(Signal::TERM);
        let readyz = server.server.url("/readyz");
        let unready = async || (reqwest::get(&readyz).await.ok()?.status() == 503).then_some(());
        eventually("the service is not ready", unready).await;
        is_unready.store(true, SeqCst);
    };
    tokio::join!(clients, signal);
    server.server.logged("stopped: every connection has ended").await;
    assert!(server.server.ended().await.success());
}

/// The same with HTTP/2: streams that are open when the service stops are answered.
#[tokio::test]
async fn no_stream_is_lost() {
    let mut server = TlsServer::start(&["--drain-delay", "0s"]).await;
    let stream = server.connect(&["h2"]).await;
    let (mut requests, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut slow = Vec::new();
    // The service allows eight streams a connection.
    for _ in 0..7 {
        let request = Request::get("https://localhost/delay/500ms").body(Empty::new()).unwrap();
        slow.push(requests.send_request(request));
    }
    // A later stream that is answered shows that the earlier ones have arrived.
    let fast = requests.send_request(Request::get("https://localhost/healthz").body(Empty::new()).unwrap());
    let (slow, ()) = tokio::join!(join_all(slow), async {
        assert_eq!(fast.await.unwrap().status(), 200);
        server.server.signal(Signal::TERM);
    });
    for response in slow {
        let response = response.expect("a stream has a response");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("the body arrives whole");
    }
    drop(requests);
    connection.await.unwrap().expect("the connection is closed in order");
    assert!(server.server.ended().await.success());
}

/// A client in the middle of its handshake when the listener closes is served.
#[tokio::test]
async fn handshake_in_progress_is_finished() {
    let mut server = TlsServer::start(&["--drain-delay", "0s", "--header-timeout", "1m"]).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    let hello = client_hello(&server).await;
    half.write_all(&hello[..100]).await.unwrap();
    // Connections are accepted in order: when this one has its response, the first has been read.
    server.exchange(&get("/healthz")).await;
    let idle = server.connect(&["http/1.1"]).await;
    server.server.signal(Signal::TERM);
    eventually("the listener is closed", async || TcpStream::connect(server.address).await.err()).await;
    // One that is idle after its handshake, and has half a second, does not delay the end; one in the middle does.
    let stopped = tokio::time::timeout(Duration::from_secs(1), server.server.ended()).await;
    assert!(stopped.is_err(), "the service has stopped");
    half.write_all(&hello[100..]).await.unwrap();
    let mut answer = [0; 6];
    half.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], answer[5]), (22, 2), "a ServerHello");
    drop((half, idle));
    assert!(server.server.ended().await.success());
}

/// The first bytes of a client that connects.
async fn client_hello(server: &TlsServer) -> Vec<u8> {
    let (mut near, far) = tokio::io::duplex(16 * 1024);
    let connector = connector(&server.pair, &["http/1.1"], &[&TLS13]);
    let connecting = tokio::spawn(connector.connect(ServerName::try_from("localhost").unwrap(), far));
    let mut hello = vec![0; 16 * 1024];
    let count = near.read(&mut hello).await.unwrap();
    connecting.abort();
    hello.truncate(count);
    hello
}

#[tokio::test]
async fn idle_connections_are_closed_by_tls_and_do_not_delay_the_shutdown() {
    let mut server = TlsServer::start(&["--drain-delay", "0s", "--shutdown-timeout", "1h"]).await;
    let mut stream = server.connect(&["http/1.1"]).await;
    ask(&mut stream).await.unwrap();
    server.server.signal(Signal::TERM);
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(server.server.ended().await.success());
}
