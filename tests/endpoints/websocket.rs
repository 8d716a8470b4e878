//! `/ws/echo`, with a client that writes its frames by hand.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Server, Signal, eventually, read_to_end};

/// RFC 6455, section 1.3, has this key and the answer to it.
const HANDSHAKE: &str = "GET /ws/echo HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A frame of a client: masked, with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![0x80 | opcode];
    match u8::try_from(length) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The opcode and payload of the next frame of the server.
async fn next(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.expect("a frame arrives");
    let length = match head[1] {
        126 => usize::from(stream.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (head[0] & 0xf, payload)
}

/// A WebSocket after its handshake.
async fn connected(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the head arrives"));
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    stream
}

#[tokio::test]
async fn messages_come_back_and_pings_are_answered() {
    let server = Server::start(&[]).await;
    let mut stream = connected(&server).await;
    for text in ["shop", &"y".repeat(10_000)] {
        stream.write_all(&frame(1, text.as_bytes())).await.unwrap();
        let (opcode, payload) = next(&mut stream).await;
        let document: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((opcode, document["msg"].as_str()), (1, Some(text)));
        assert!(document["ts"].as_str().unwrap().ends_with('Z'), "{document}");
    }
    stream.write_all(&frame(9, b"now")).await.unwrap();
    assert_eq!(next(&mut stream).await, (10, b"now".to_vec()));
    // The service says by itself which pod it is.
    let (_, payload) = next(&mut stream).await;
    let document: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(document["server"].as_str(), hostname::get().unwrap().to_str());
    stream.write_all(&frame(8, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(next(&mut stream).await.0, 8);
    assert_eq!(read_to_end(&mut stream).await, "");
    eventually("the connection is free", async || (server.metric("http_open_connections").await? == 0.0).then_some(()))
        .await;
}

#[tokio::test]
async fn invalid_or_long_messages_close_the_websocket_with_the_reason() {
    let server = Server::start(&[]).await;
    let unmasked = b"\x81\x01x".to_vec();
    for (bytes, code) in [
        (frame(1, "x".repeat(20_000).as_bytes()), 1009_u16),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(3, b""), 1002),
        (unmasked, 1002),
        (HANDSHAKE.into(), 1002),
    ] {
        let mut stream = connected(&server).await;
        stream.write_all(&bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ =
            tokio::time::timeout(crate::support::PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
        assert_eq!(rest, [&[0x88, 2][..], &code.to_be_bytes()].concat(), "{code}: {}", rest.escape_ascii());
    }
}

#[tokio::test]
async fn pings_are_no_messages() {
    let server = Server::start(&["--idle-timeout", "1s"]).await;
    let mut stream = connected(&server).await;
    let mut turns = tokio::time::interval(std::time::Duration::from_millis(100));
    let closed = async {
        loop {
            turns.tick().await;
            stream.write_all(&frame(9, b"")).await.unwrap();
            match next(&mut stream).await {
                (8, payload) => break payload,
                (opcode, _) => assert!([1, 10].contains(&opcode), "{opcode}"),
            }
        }
    };
    let payload = tokio::time::timeout(crate::support::PATIENCE, closed).await.expect("it is closed");
    assert_eq!(payload, 1001_u16.to_be_bytes());
}

#[tokio::test]
async fn client_that_does_not_read_does_not_hold_the_exit() {
    let mut server = Server::start(&["--drain-delay", "0s", "--shutdown-timeout", "30s"]).await;
    let mut stream = connected(&server).await;
    let message = frame(1, &[1; 15_000]);
    let patience = std::time::Duration::from_millis(500);
    // Until neither side can send any more.
    while let Ok(sent) = tokio::time::timeout(patience, stream.write_all(&message)).await {
        sent.expect("the WebSocket is open");
    }
    server.signal(Signal::TERM);
    let started = std::time::Instant::now();
    assert!(server.ended().await.success());
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn websockets_have_a_limit_and_a_drain_closes_them() {
    let mut server = Server::start(&["--drain-delay", "0s"]).await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(connected(&server).await);
    }
    let refused = server.exchange(HANDSHAKE).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after"), "{refused}");
    server.signal(Signal::TERM);
    for stream in &mut open {
        let (opcode, payload) = next(stream).await;
        assert_eq!((opcode, payload), (8, 1001_u16.to_be_bytes().to_vec()), "going away");
        stream.write_all(&frame(8, &1001_u16.to_be_bytes())).await.unwrap();
    }
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn other_requests_are_told_to_upgrade_and_other_sites_are_refused() {
    let server = Server::start(&[]).await;
    let plain = server.exchange("GET /ws/echo HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 426 ") && plain.contains("upgrade: websocket\r\n"), "{plain}");
    assert!(plain.contains("sec-websocket-version: 13\r\n"), "{plain}");
    for (from, to) in [
        ("GET ", "HEAD "),
        ("HTTP/1.1", "HTTP/1.0"),
        ("upgrade: websocket", "content-length: 4\r\nupgrade: websocket"),
        ("upgrade: websocket", "transfer-encoding: chunked\r\nupgrade: websocket"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "x"),
        ("sec-websocket-version: 13", "sec-websocket-version: 8"),
    ] {
        let body = if to.starts_with("content") { "shop" } else { "0\r\n\r\n" };
        let body = if from.starts_with("upgrade") { body } else { "" };
        let answer = server.exchange(HANDSHAKE.replace(from, to) + body).await;
        assert!(answer.contains(" 426 ") && answer.contains("sec-websocket-version: 13\r\n"), "{to}: {answer}");
    }
    let foreign = HANDSHAKE.replace("upgrade: ", "origin: http://evil.example\r\nupgrade: ");
    assert!(server.exchange(foreign).await.starts_with("HTTP/1.1 403 "));
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(http2.get(server.url("/ws/echo")).send().await.unwrap().status(), 426);
}
