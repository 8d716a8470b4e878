//! Crowds of 6,000 in the limits that a pod has: the service lives, its probes are answered, its memory comes back.

mod cgroup;
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
use kinds::{Kind, kinds};
use support::{PATIENCE, Server, eventually, raise_descriptors};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MEBIBYTE: u64 = 1 << 20;

/// How many come at once.
const CROWD: usize = 6000;

/// How many times the kubelet asks meanwhile.
const PROBES: usize = 20;

/// How often it asks: the crowd has six seconds to do its worst.
const PROBE_PERIOD: Duration = Duration::from_millis(300);

/// How long it waits for an answer: the default of a readiness probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The binary as the image has it: on a tenth of a core, an unoptimised one would keep most of the crowd out by being slow.
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
async fn no_crowd_kills_the_service_within_a_pod_s_limits() {
    let chosen = std::env::var("SHOPFRONT_TEST_CROWD").ok();
    let chosen = kinds().into_iter().filter(|kind| chosen.as_deref().is_none_or(|name| name == kind.name));
    let binary = release_binary();
    for kind in chosen {
        withstands(&kind, &binary).await;
    }
}

/// One crowd against a service of its own.
async fn withstands(kind: &Kind, binary: &Path) {
    let group = Cgroup::new(kind.name);
    let mut server = Server::start_in(&group.entering(), binary).await;
    raise_descriptors(CROWD);
    let ops = server.ops_address;
    eventually("the service is ready", async || probe(ops)).await;
    let began = Instant::now();
    let crowd = Crowd::gather(server.address, kind);
    let mut probes = Vec::new();
    let mut turns = tokio::time::interval(PROBE_PERIOD);
    for _ in 0..PROBES {
        turns.tick().await;
        probes.push(tokio::task::spawn_blocking(move || probe(ops)).await.expect("a probe does not panic"));
    }
    let tried = eventually("each member has been there", async || {
        let tried = crowd.tried();
        (tried >= CROWD || server.has_ended()).then_some(tried)
    })
    .await;
    let lasted = began.elapsed();
    drop(crowd);

    let name = kind.name;
    assert!(!server.has_ended(), "{name}: the service has ended after {tried} connections, {lasted:?}");
    assert_eq!(group.oom_kills(), 0, "{name}: killed for its memory");
    let late: Vec<_> = probes.iter().filter(|took| took.is_none_or(|took| took > PROBE_TIMEOUT)).collect();
    let slowest = probes.iter().flatten().max().copied().unwrap_or_default();
    let peak = server.peak_bytes() / MEBIBYTE;
    eprintln!("{name}: {tried} connections in {lasted:.1?}, peak {peak} MiB, slowest probe {slowest:.0?}");
    assert!(late.is_empty(), "{name}: {} of {PROBES} probes were late: {probes:?}", late.len());
    eventually(&format!("{name}: the memory has come back"), async || {
        // As a scrape or a probe would, it asks for something.
        let _ = tokio::task::spawn_blocking(move || probe(ops)).await;
        (server.resident_bytes() < 20 * 1000 * 1000).then_some(())
    })
    .await;
    let asked = eventually("clients are served again", async || server.try_get("/version").await).await;
    assert!(asked.contains("compiler: "), "{name}: {asked}");
    eprintln!("{name}: all over after {:.1?}", began.elapsed());
    server.signal(support::Signal::KILL);
    server.ended().await;
}

/// What the kubelet does: a new connection, one request. None where it is not answered with a 200.
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
    tried: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Crowd {
    fn gather(address: SocketAddr, kind: &Kind) -> Self {
        let (tried, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let words: Arc<[u8]> = kind.words.clone().into();
        let mut members = JoinSet::new();
        for _ in 0..CROWD {
            let (tried, is_over, words, comes_back) =
                (Arc::clone(&tried), Arc::clone(&is_over), Arc::clone(&words), kind.comes_back);
            members.spawn(async move {
                let mut has_tried = false;
                while !is_over.load(SeqCst) {
                    let stream = speak(address, &words).await;
                    if !std::mem::replace(&mut has_tried, true) {
                        tried.fetch_add(1, SeqCst);
                    }
                    match stream {
                        Some(mut stream) if comes_back => drop(stream.read_to_end(&mut Vec::new()).await),
                        // It stays, and takes no answer: those are a part of what it costs.
                        Some(_stream) => std::future::pending().await,
                        None => {}
                    }
                }
            });
        }
        Self { members, tried, is_over }
    }

    /// How many have connected and said what they had to say, as far as the service let them.
    fn tried(&self) -> usize {
        self.tried.load(SeqCst)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        self.members.abort_all();
    }
}

/// Connects and says what it has to say, as far as the service lets it.
async fn speak(address: SocketAddr, words: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // What the kernel's buffers do not take is of no use to the member: it waits for the service, not the service for it.
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(words)).await;
    Some(stream)
}
