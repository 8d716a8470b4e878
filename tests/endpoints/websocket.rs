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
async fn invalid_or_long_messages_close_the_websocket() {
    let server = Server::start(&[]).await;
    let unmasked = b"\x81\x01x".to_vec();
    for bytes in
        [frame(1, "x".repeat(20_000).as_bytes()), frame(1, b"\xff\xfe"), frame(3, b""), unmasked, HANDSHAKE.into()]
    {
        let mut stream = connected(&server).await;
        stream.write_all(&bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ =
            tokio::time::timeout(crate::support::PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
        assert!(rest.len() < 200, "{}", rest.escape_ascii());
    }
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
    let foreign = HANDSHAKE.replace("upgrade: ", "origin: http://evil.example\r\nupgrade: ");
    assert!(server.exchange(foreign).await.starts_with("HTTP/1.1 403 "));
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(http2.get(server.url("/ws/echo")).send().await.unwrap().status(), 426);
}
