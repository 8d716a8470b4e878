//! What the TLS address answers.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::client::{TlsServer, connector, get, read_to_end};
use super::support::garbage::PREFACE;
use super::support::read_to_end as read_plain;

#[tokio::test]
async fn http1_is_served_and_counted_as_on_the_plain_port() {
    let server = TlsServer::start(&[]).await;
    let answer = server.exchange(&get("/version")).await;
    let plain = server.server.exchange(get("/version")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // But for its time: the security headers are the same, and none makes a browser insist on https.
    let without_date = |answer: &str| {
        let lines = answer.lines().filter(|line| !line.starts_with("date: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_date(&answer), without_date(&plain));
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "{answer}");
    let counted = server.server.metric("http_requests_total{method=\"GET\",path=\"version\",status=\"200\"}").await;
    assert_eq!(counted, Some(2.0));
}

#[tokio::test]
async fn http2_is_served_by_alpn() {
    let server = TlsServer::start(&[]).await;
    let stream = server.connect(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for path in ["/healthz", "/metrics", "/"] {
        let request = Request::get(format!("https://localhost:{}{path}", server.address.port()));
        let response = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2), "{path}");
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn alpn_decides_the_version() {
    let server = TlsServer::start(&[]).await;
    // Without ALPN, a client speaks HTTP/1.1.
    let mut stream = server.connect(&[]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    stream.write_all(get("/healthz").as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    for alpn in [&[][..], &["http/1.1"]] {
        let mut stream = server.connect(alpn).await;
        stream.write_all(PREFACE).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{alpn:?}: {answer}");
    }
    let mut stream = server.connect(&["h2"]).await;
    stream.write_all(get("/healthz").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(String::from_utf8_lossy(&answer), "", "HTTP/2 was agreed on");
    let refused = connector(&server.pair, &["gopher"], &[&TLS13]);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let error = refused.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_served() {
    let server = TlsServer::start(&[]).await;
    for version in [&TLS12, &TLS13] {
        let connector = connector(&server.pair, &["http/1.1"], &[version]);
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        stream.write_all(get("/healthz").as_bytes()).await.unwrap();
        assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"), "{version:?}");
    }
}

#[tokio::test]
async fn plain_http_at_the_tls_address_gets_400_with_the_reason() {
    let server = TlsServer::start(&[]).await;
    for request in [get("/").as_bytes(), PREFACE, b"\n", b"\x80\x2e\x01\x00\x02"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let answer = read_plain(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains("this port speaks TLS; use https://, not http://"), "{answer}");
    }
    let counted = server.server.metric("http_requests_total{method=\"OTHER\",path=\"unmatched\",status=\"400\"}").await;
    assert_eq!(counted, Some(4.0), "{}", server.server.scrape().await);
}

#[tokio::test]
async fn each_address_has_its_own_rule_for_hosts() {
    let evil = "GET /healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let local = TlsServer::start(&[]).await;
    assert!(local.exchange(evil).await.starts_with("HTTP/1.1 421 "));
    let public = TlsServer::start(&["--tls-address", "0.0.0.0:0"]).await;
    assert!(public.exchange(evil).await.starts_with("HTTP/1.1 200 "));
    assert!(public.server.exchange(evil).await.starts_with("HTTP/1.1 421 "));
}

#[tokio::test]
async fn websocket_is_served() {
    let server = TlsServer::start(&[]).await;
    let mut stream = server.connect(&["http/1.1"]).await;
    let request = format!(
        "GET /ws/echo HTTP/1.1\r\nhost: localhost:{0}\r\norigin: https://localhost:{0}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address.port()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    socket.send(Message::text("hello")).await.unwrap();
    let echo = loop {
        let message = socket.next().await.unwrap().unwrap().into_text().unwrap();
        if message.contains("\"msg\"") {
            break message;
        }
    };
    assert!(echo.contains("\"msg\":\"hello\""), "{echo}");
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn long_bodies_and_heads_arrive_whole() {
    let server = TlsServer::start(&[]).await;
    let body = "0123456789abcdef".repeat(4096);
    let request = format!(
        "POST /echo HTTP/1.1\r\nhost: localhost\r\nx: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        "x".repeat(15_000),
        body.len()
    );
    let answer = server.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.ends_with(&body), "{} bytes", answer.len());
}

/// Many clients close the connection, or its sending side, without TLS's own close.
#[tokio::test]
async fn client_that_half_closes_without_close_notify_gets_its_response() {
    let server = TlsServer::start(&[]).await;
    let mut stream = server.connect(&["http/1.1"]).await;
    stream.write_all(b"GET /delay/250ms HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stream.get_mut().0.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn prefix_applies() {
    let server = TlsServer::start(&["--url-prefix", "/shop"]).await;
    assert!(server.exchange(&get("/shop/version")).await.starts_with("HTTP/1.1 200 "));
    assert!(server.exchange(&get("/version")).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn default_address_is_beside_the_plain_one() {
    use shopfront::config::Config;

    let parse = |flags: &[&str]| {
        let flags = ["shopfront", "--tls-cert", "c", "--tls-key", "k"].iter().chain(flags).map(Into::into);
        let config = Config::from_args(flags).unwrap();
        config.tls.addresses(&config.address).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(parse(&["--address", "0.0.0.0:9898,[::]:9898"]), ["0.0.0.0:9899", "[::]:9899"]);
    assert_eq!(parse(&["--address", "0.0.0.0:9898,0.0.0.0:8080"]), ["0.0.0.0:9899"]);
    assert_eq!(parse(&["--address", "127.0.0.1:0"]), ["127.0.0.1:0"]);
    assert_eq!(parse(&["--address", "127.0.0.1:0", "--tls-address", "[::1]:443"]), ["[::1]:443"]);
}
