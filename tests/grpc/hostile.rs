//! Hostile gRPC clients. Meanwhile, the kubelet's probes are answered on both addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, DEADLINE_EXCEEDED, Health, OUT_OF_RANGE, text_field};
use crate::started;
use crate::support::garbage::{PREFACE, frame};
use crate::support::{Server, eventually, read_to_end};

/// The connections that the service has room for.
const MAX_CONNECTIONS: usize = 64;

/// A probe of the ops address and one of the gRPC address, as the kubelet sends them: the longest time that one took.
async fn probes_are_answered(server: &Server, address: SocketAddr) -> Duration {
    let begun = Instant::now();
    let probed = reqwest::get(format!("http://{}/healthz", server.ops_address)).await.unwrap();
    assert_eq!(probed.status().as_u16(), 200);
    let http = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(Client::connect(address).await.check("").await, Ok(Health::Serving));
    http.max(begun.elapsed())
}

/// Probes that take at most 100 ms, but for a pause in which this machine had no processor for them.
async fn probes_are_quick(server: &Server, address: SocketAddr) {
    let mut times = Vec::new();
    for _ in 0..9 {
        times.push(probes_are_answered(server, address).await);
    }
    times.sort_unstable();
    assert!(times[4] < Duration::from_millis(100), "{times:?}");
}

/// A client that opens a `Watch` with a window of 0 and reads nothing.
pub async fn unread_watch(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &no_window));
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/grpc.health.v1.Health/Watch"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        head.push(0);
        for text in [name, value] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend(text.as_bytes());
        }
    }
    bytes.extend(frame(1, 4, 1, &head));
    bytes.extend(frame(0, 1, 1, &[0; 5]));
    stream.write_all(&bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn thousand_watches_do_not_keep_probes_out() {
    let (server, address) = started(&[]).await;
    let descriptors = server.descriptors();
    let watches = join_all((0..1000 / 8).map(|_| async move {
        let mut client = Client::try_connect(address).await?;
        let mut watches = Vec::new();
        for _ in 0..8 {
            // The place of an older connection may be taken in between.
            watches.push(client.watch("").await);
        }
        Some((client, watches))
    }));
    let held = watches.await;
    let opened: usize = held.iter().flatten().map(|(_, watches)| watches.iter().flatten().count()).sum();
    assert!(opened >= 8 * MAX_CONNECTIONS, "{opened} were opened");
    probes_are_quick(&server, address).await;
    let open = held.iter().flatten().filter(|(client, _)| !client.is_closed()).count();
    assert!(open <= MAX_CONNECTIONS, "{open} are open");
    assert!(server.descriptors() <= descriptors + MAX_CONNECTIONS + 2, "{} descriptors", server.descriptors());
    assert!(server.peak_bytes() < 32 << 20, "{} bytes of memory", server.peak_bytes());
    drop(held);
    eventually("the descriptors are free again", async || (server.descriptors() <= descriptors + 2).then_some(()))
        .await;
}

#[tokio::test]
async fn unread_watches_and_silence_do_not_keep_probes_out() {
    let (server, address) = started(&[]).await;
    let mut held = Vec::new();
    for turn in 0..4 * MAX_CONNECTIONS {
        held.push(match turn % 2 {
            0 => unread_watch(address).await,
            _ => TcpStream::connect(address).await.unwrap(),
        });
    }
    probes_are_quick(&server, address).await;
}

#[tokio::test]
async fn silent_client_is_closed_after_the_header_timeout() {
    let (_server, address) = started(&["--header-timeout", "500ms"]).await;
    for beginning in [&b""[..], b"PRI * HT", PREFACE, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let begun = Instant::now();
        read_to_end(&mut stream).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{beginning:?}: it took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn idle_client_is_closed_and_a_watch_is_not() {
    let (_server, address) = started(&["--idle-timeout", "500ms"]).await;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.check("").await, Ok(Health::Serving));
    let mut watching = Client::connect(address).await;
    let mut watch = watching.watch("").await.unwrap();
    assert_eq!(watch.health().await, Some(Health::Serving));
    eventually("the idle connection is closed", async || idle.is_closed().then_some(())).await;
    assert!(watch.is_silent_for(Duration::from_secs(1)).await && !watching.is_closed());
}

#[tokio::test]
async fn giant_header_list_and_giant_message_are_refused() {
    let (server, address) = started(&[]).await;
    let giant = "a".repeat(60_000);
    let mut client = Client::connect(address).await;
    let refused = client.call("grpc.health.v1.Health/Check", &[("x-giant", &giant)], &text_field(1, "")).await;
    // h2 answers with 431, or resets the stream.
    assert!(refused.is_none());
    let mut client = Client::connect(address).await;
    let mut call = client.call("grpc.health.v1.Health/Check", &[], &vec![0; 5000]).await.unwrap();
    assert_eq!((call.message().await, call.status()), (None, OUT_OF_RANGE));
    probes_are_quick(&server, address).await;
}

#[tokio::test]
async fn head_without_a_message_times_out() {
    let (_server, address) = started(&["--request-timeout", "500ms"]).await;
    let mut client = Client::connect(address).await;
    let mut call = client.call_without_message("grpc.health.v1.Health/Check").await.unwrap();
    assert_eq!((call.message().await, call.status()), (None, DEADLINE_EXCEEDED));
}
