//! What clients may do to the TLS address, and what it costs.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Pair, TlsServer, connect, get};
use super::support::crowd::starved_for;
use super::support::random::Random;
use super::support::{PATIENCE, Signal, eventually, raise_descriptors, read_to_end};

const MEBIBYTE: u64 = 1 << 20;

/// The number of concurrent clients.
const CROWD: usize = 1500;

/// A probe's limit.
const SOON: Duration = Duration::from_millis(100);

/// A record with the first bytes of a handshake message: one of `length` bytes, a `ClientHello` by its type.
fn half_hello(length: usize, sent: usize) -> Vec<u8> {
    let mut message = vec![1];
    message.extend(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
    message.resize(sent, 0);
    let records = message.chunks(16_384).map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    });
    records.collect::<Vec<_>>().concat()
}

/// Waits for `work` while probes are sent to the ops address. Each has an answer soon; time in which the service was ready to
/// run and got no CPU does not count. They run on a thread of their own, so the crowd's runtime does not delay them.
async fn while_probes_are_answered<T>(server: &TlsServer, work: impl Future<Output = T>) -> T {
    let (address, pid) = (server.server.ops_address, server.server.pid());
    let (done, is_done) = mpsc::channel::<()>();
    let probing = std::thread::spawn(move || {
        while is_done.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            let (asked, starved_before) = (Instant::now(), starved_for(pid));
            let answer = probe(address).expect("a probe is answered");
            let (waited, starved) = (asked.elapsed(), starved_for(pid).saturating_sub(starved_before));
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(waited < SOON + starved, "a probe waited for {waited:?}; there was no CPU for {starved:?}");
        }
    });
    let worked = work.await;
    drop(done);
    let probed = tokio::task::spawn_blocking(|| probing.join()).await.expect("joining is no work");
    probed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    worked
}

fn probe(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Connects a crowd whose clients send these bytes, and go on to send `more`, until the service closes.
async fn crowd(server: &TlsServer, bytes: &[u8], more: &[u8]) {
    join_all((0..CROWD).map(|_| async {
        let mut stream = TcpStream::connect(server.address).await.expect("the service accepts");
        let _ = stream.write_all(bytes).await;
        let (mut reading, mut writing) = stream.split();
        let trickle = async {
            let mut turns = tokio::time::interval(Duration::from_millis(500));
            for byte in more.iter().cycle() {
                turns.tick().await;
                if writing.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        tokio::select! {
            closed = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut answer)) => {
                let _ = closed.expect("the service closes the connection");
            }
            () = trickle => {}
        }
    }))
    .await;
}

#[tokio::test]
async fn crowds_of_half_handshakes_block_no_probe_and_leave_no_memory() {
    raise_descriptors(2 * CROWD);
    let server = TlsServer::start(&["--header-timeout", "3s"]).await;
    server.exchange(&get("/")).await;
    let before = server.server.resident_bytes();
    for (name, bytes, more) in [
        ("silent", Vec::new(), &b""[..]),
        ("one byte", vec![22], b""),
        ("trickle", half_hello(500, 4), b"\0"),
        // As much as rustls keeps of a handshake message.
        ("long", half_hello(65_000, 60_000), b""),
    ] {
        let began = Instant::now();
        while_probes_are_answered(&server, crowd(&server, &bytes, more)).await;
        let peak = server.server.peak_bytes().saturating_sub(before) / MEBIBYTE;
        eprintln!("{name}: {CROWD} connections for {:.1?}, {peak} MiB above the start", began.elapsed());
        // 196 KiB is what each is charged.
        assert!(peak < CROWD as u64 * 196 / 1024, "{name}: {peak} MiB");
        eventually("the memory is returned", async || {
            (server.server.resident_bytes() < before + 12 * MEBIBYTE).then_some(())
        })
        .await;
        assert!(server.exchange(&get("/version")).await.starts_with("HTTP/1.1 200 OK\r\n"), "{name}");
    }
}

/// Responses that are not read are kept to what the connection is charged.
#[tokio::test]
async fn responses_that_are_not_read_are_bounded_and_the_connection_ends() {
    const CLIENTS: usize = 200;
    let server = TlsServer::start(&["--idle-timeout", "1s", "--request-timeout", "1s"]).await;
    server.exchange(&get("/metrics")).await;
    let before = server.server.resident_bytes();
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(300);
    let clients = join_all((0..CLIENTS).map(|_| async {
        let mut stream = server.connect(&["http/1.1"]).await;
        // The service stops reading when its responses are not read.
        let _ = tokio::time::timeout(Duration::from_millis(500), stream.write_all(request.as_bytes())).await;
        stream
    }))
    .await;
    let open = async || (server.server.metric("http_open_connections").await == Some(0.0)).then_some(());
    eventually("the connections end", open).await;
    let peak = (server.server.peak_bytes() - before) / MEBIBYTE;
    assert!(peak < CLIENTS as u64 * 196 / 1024, "{peak} MiB");
    drop(clients);
}

#[tokio::test]
async fn random_records_end_in_an_alert_or_a_close() {
    let mut server = TlsServer::start(&["--header-timeout", "1s"]).await;
    let mut random = Random(0x715);
    let inputs = (0..300).map(|turn| {
        let count = random.below(600);
        let mut bytes = random.bytes(count);
        match turn % 3 {
            0 => bytes.insert(0, 22),
            1 => bytes = [&[22, 3, 3, 0, 40, 1, 0, 0, 36], &bytes[..]].concat(),
            _ => bytes = [&half_hello(bytes.len() + 4, 4)[..], &bytes].concat(),
        }
        bytes
    });
    let inputs: Vec<Vec<u8>> = inputs.collect();
    join_all(inputs.iter().map(async |bytes| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the service closes the connection");
        // An alert, if anything.
        assert!(answer.is_empty() || answer[0] == 21, "{bytes:?}: {answer:?}");
    }))
    .await;
    assert!(server.exchange(&get("/version")).await.starts_with("HTTP/1.1 200 OK\r\n"));
    server.server.logged("TLS handshakes failed").await;
    server.server.signal(Signal::INT);
    server.server.signal(Signal::INT);
    server.server.logged("stopped: every connection has ended").await;
    assert_eq!(server.server.passed("TLS handshakes failed"), 0, "one line, however many fail");
    assert!(server.server.ended().await.success());
}

/// A client that does not trust the certificate says so, and that is the line in the log.
#[tokio::test]
async fn distrust_is_logged() {
    let mut server = TlsServer::start(&[]).await;
    connect(server.address, &Pair::new(), &["h2"]).await.unwrap_err();
    let line = server.server.logged("TLS handshakes failed").await;
    assert_eq!(line["failed"], 1);
    assert!(line["latest"].as_str().unwrap().contains("UnknownCA"), "{line}");
}

#[tokio::test]
async fn client_beyond_the_limit_gets_an_alert() {
    let server = TlsServer::start(&["--max-connections", "2", "--idle-timeout", "1h", "--header-timeout", "1h"]).await;
    let _first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    third.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 80], "the alert internal_error");
    let error = connect(server.address, &server.pair, &["h2"]).await.unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    let mut plain = TcpStream::connect(server.server.address).await.unwrap();
    assert!(read_to_end(&mut plain).await.starts_with("HTTP/1.1 503 "));
}
