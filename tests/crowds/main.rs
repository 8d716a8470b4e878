//! Crowds of 6,000 clients within the limits of a pod: the service survives, probes get responses, and memory is returned.

mod cgroup;
#[allow(dead_code, reason = "the tests of the TLS address use the rest")]
#[path = "../tls/client.rs"]
mod client;
mod kinds;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cgroup::Cgroup;
use client::{Pair, connector};
use kinds::{Kind, Way, kinds};
use support::{PATIENCE, Server, eventually, raise_descriptors};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;

const MEBIBYTE: u64 = 1 << 20;

/// The number of concurrent clients.
const CROWD: usize = 6000;

/// The number of probes meanwhile.
const PROBES: usize = 20;

/// The interval of the probes, so the crowd lasts six seconds.
const PROBE_PERIOD: Duration = Duration::from_millis(300);

/// The timeout of a probe: the default of a readiness probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The release binary, as in the image: on a tenth of a core, a debug binary would be too slow to accept most of the crowd.
fn release_binary() -> PathBuf {
    let arguments = ["build", "--release", "--locked", "--package", "shopfront", "--bin", "shopfront"];
    let built =
        std::process::Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.expect("cargo runs").success(), "the release build fails");
    let debug = Path::new(env!("CARGO_BIN_EXE_shopfront"));
    let folder = debug.ancestors().nth(2).expect("cargo has a folder for each profile");
    folder.join("release/shopfront")
}

#[tokio::test]
async fn service_survives_each_crowd_within_the_limits_of_a_pod() {
    let chosen = std::env::var("SHOPFRONT_TEST_CROWD").ok();
    let chosen = kinds().into_iter().filter(|kind| chosen.as_deref().is_none_or(|name| name == kind.name));
    let binary = release_binary();
    for kind in chosen {
        run_crowd(&kind, &binary).await;
    }
}

/// Runs one crowd against a new service.
async fn run_crowd(kind: &Kind, binary: &Path) {
    let group = Cgroup::new(kind.name);
    let (pair, files) = (Pair::new(), tempfile::tempdir().unwrap());
    pair.write(files.path());
    let path = |name| files.path().join(name).to_str().expect("the path is UTF-8").to_owned();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let has_tls = kind.way != Way::Plain;
    let flags: &[&str] = if has_tls { &["--tls-cert", &certificate, "--tls-key", &key] } else { &[] };
    let mut server = Server::start_in(&group.entering(), binary, flags).await;
    let address = if has_tls {
        server.logged("https is served").await["address"].as_str().unwrap().parse().unwrap()
    } else {
        server.address
    };
    raise_descriptors(CROWD);
    let ops = server.ops_address;
    eventually("the service is ready", async || probe(ops)).await;
    let began = Instant::now();
    let crowd = Crowd::gather(address, kind, &pair);
    let mut probes = Vec::new();
    let mut turns = tokio::time::interval(PROBE_PERIOD);
    for _ in 0..PROBES {
        turns.tick().await;
        probes.push(tokio::task::spawn_blocking(move || probe(ops)).await.expect("a probe does not panic"));
    }
    let connected = eventually("each client has connected", async || {
        let connected = crowd.connected();
        (connected >= CROWD || server.has_ended()).then_some(connected)
    })
    .await;
    let lasted = began.elapsed();
    drop(crowd);

    let name = kind.name;
    assert!(!server.has_ended(), "{name}: the service has ended after {connected} connections, {lasted:?}");
    assert_eq!(group.oom_kills(), 0, "{name}: killed for its memory");
    let late: Vec<_> = probes.iter().filter(|took| took.is_none_or(|took| took > PROBE_TIMEOUT)).collect();
    let slowest = probes.iter().flatten().max().copied().unwrap_or_default();
    let peak = server.peak_bytes() / MEBIBYTE;
    eprintln!("{name}: {connected} connections in {lasted:.1?}, peak {peak} MiB, slowest probe {slowest:.0?}");
    assert!(late.is_empty(), "{name}: {} of {PROBES} probes were late: {probes:?}", late.len());
    eventually(&format!("{name}: the memory is returned"), async || {
        // Like a scrape or a probe, it sends a request.
        let _ = tokio::task::spawn_blocking(move || probe(ops)).await;
        (server.resident_bytes() < 20 * 1000 * 1000).then_some(())
    })
    .await;
    let asked = eventually("clients are served again", async || server.try_get("/version").await).await;
    assert!(asked.contains("\"compiler\": "), "{name}: {asked}");
    eprintln!("{name}: finished after {:.1?}", began.elapsed());
    server.signal(support::Signal::KILL);
    server.ended().await;
}

/// A probe as the kubelet sends it: a new connection, one request. None if the response is not a 200.
fn probe(address: SocketAddr) -> Option<Duration> {
    let asked = Instant::now();
    let answered = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let is_ready = answered().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "));
    is_ready.then(|| asked.elapsed())
}

/// A crowd that stays until it is dropped.
struct Crowd {
    members: JoinSet<()>,
    connected: Arc<AtomicUsize>,
    is_finished: Arc<AtomicBool>,
}

impl Crowd {
    fn gather(address: SocketAddr, kind: &Kind, pair: &Pair) -> Self {
        let connector = match kind.way {
            Way::Tls(protocol) => Some(connector(pair, &[protocol], &[&TLS13])),
            Way::Plain | Way::HalfTls => None,
        };
        let (connected, is_finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let bytes: Arc<[u8]> = kind.bytes.clone().into();
        let mut members = JoinSet::new();
        for _ in 0..CROWD {
            let (connected, is_finished, bytes, reconnects) =
                (Arc::clone(&connected), Arc::clone(&is_finished), Arc::clone(&bytes), kind.reconnects);
            let connector = connector.clone();
            members.spawn(async move {
                let mut has_connected = false;
                while !is_finished.load(SeqCst) {
                    let stream = connect_and_send(address, connector.as_ref(), &bytes).await;
                    if !std::mem::replace(&mut has_connected, true) {
                        connected.fetch_add(1, SeqCst);
                    }
                    match stream {
                        Some(mut stream) if reconnects => drop(stream.read_to_end(&mut Vec::new()).await),
                        // It stays connected and does not read: unread responses are part of its cost.
                        Some(_stream) => std::future::pending().await,
                        None => {}
                    }
                }
            });
        }
        Self { members, connected, is_finished }
    }

    /// How many have connected and sent their bytes, as far as the service reads them.
    fn connected(&self) -> usize {
        self.connected.load(SeqCst)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_finished.store(true, SeqCst);
        self.members.abort_all();
    }
}

/// A client's connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects and sends its bytes, as far as the service reads them.
async fn connect_and_send(address: SocketAddr, tls: Option<&TlsConnector>, bytes: &[u8]) -> Option<Box<dyn Stream>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let mut stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost").unwrap(), stream).await.ok()?),
    };
    // It does not wait for what does not fit into the kernel's buffers.
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(bytes)).await;
    Some(stream)
}
