//! Servers in Go: its own `net/http`, and podinfo.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use loadtest::generator::Settings;
use loadtest::journal::{Clients, UNLIMITED};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::nginx::free;
use crate::{Outcome, PATIENCE, run, settings, trust};

/// podinfo 6.9.2, as Go names it.
const PODINFO: &str = "github.com/stefanprodan/podinfo/cmd/podinfo@v1.8.1-0.20250910200901-e86405a8674e";

/// How often a port that was free may be taken by another process before podinfo has it.
const TRIES: u32 = 5;

/// One build at a time: Go shares its cache, and takes all cores.
static BUILDING: Mutex<()> = Mutex::new(());

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("go")
}

fn go(arguments: &[&str], place: &Path) {
    let _building = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut command = Command::new("go");
    command.args(arguments).env("GOBIN", folder()).env("CGO_ENABLED", "0").current_dir(place).stdin(Stdio::null());
    let built = command.output().expect(
        "this test needs Go 1.21 or newer in the PATH (https://go.dev/dl); tests/run --without-go leaves it out",
    );
    assert!(built.status.success(), "go {arguments:?}: {}", String::from_utf8_lossy(&built.stderr));
}

static NET_HTTP: LazyLock<PathBuf> = LazyLock::new(|| {
    go(&["install", "."], &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/nethttp"));
    folder().join("nethttp")
});

/// A server's process. Ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Go's own server, and what it logged.
struct NetHttp {
    _server: Server,
    http: SocketAddr,
    https: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl NetHttp {
    fn start(authority: &Authority) -> Self {
        let pair = authority.issue("nethttp", "IP:127.0.0.1", 2);
        let mut command = Command::new(&*NET_HTTP);
        command.args([&pair.certificate, &pair.key]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it was built");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().expect("it says where it listens");
        let (http, https) = first.split_once(' ').expect("two addresses");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let written = Arc::clone(&log);
        std::thread::spawn(move || lines.for_each(|line| written.lock().unwrap().push(line)));
        Self { _server: Server(child), http: http.parse().unwrap(), https: https.parse().unwrap(), log }
    }

    /// The requests that it has logged, once there are so many.
    async fn logged(&self, least: u64) -> Vec<String> {
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        let all = async {
            loop {
                turns.tick().await;
                let log = self.log.lock().unwrap().clone();
                if log.len() as u64 >= least {
                    return log;
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("each request is logged")
    }
}

#[tokio::test]
async fn net_http_logs_each_request_that_is_reported() {
    let authority = Authority::new();
    let server = NetHttp::start(&authority);
    let (http, https) = (format!("http://{}", server.http), format!("https://{}", server.https));
    let clients = Some(Clients { count: 4, think_time: 0.0 });
    let mut before = 0;
    for (url, http2, requests_per_connection, clients, protocol, status) in [
        (format!("{http}/200"), false, 1, None, "HTTP/1.1", 200),
        (format!("{https}/503"), false, 1, None, "HTTP/1.1", 503),
        (format!("{https}/200"), false, 7, None, "HTTP/1.1", 200),
        (format!("{https}/200"), true, 1, None, "HTTP/2.0", 200),
        (format!("{https}/404"), true, UNLIMITED, None, "HTTP/2.0", 404),
        (format!("{http}/200"), false, UNLIMITED, clients, "HTTP/1.1", 200),
        (format!("{https}/200"), true, UNLIMITED, clients, "HTTP/2.0", 200),
    ] {
        let profile = if clients.is_some() { "0:300ms" } else { "100rps:500ms" };
        let trust = trust(&authority);
        let load = Settings { http2, requests_per_connection, clients, trust, ..settings(&url, profile) };
        let Outcome { total, events } = run(load).await;
        let logged = server.logged(before as u64 + total.sent).await;
        let logged = &logged[before..];
        before += logged.len();
        let expected = format!("{protocol} {status} ");
        assert!(logged.iter().all(|line| line.contains(&expected)), "{url}: {logged:#?}");
        assert_eq!(total.statuses, [(status, logged.len() as u64)].into(), "{url}: {events:?}");
        let connections: BTreeSet<&str> = logged.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(total.connections, connections.len() as u64, "{url}");
        if clients.is_some() {
            assert_eq!(connections.len(), 4, "{url}: one a client");
        }
    }
}

/// podinfo, and where it listens.
async fn podinfo() -> (Server, SocketAddr) {
    go(&["install", PODINFO], Path::new(env!("CARGO_MANIFEST_DIR")));
    for _ in 0..TRIES {
        let address = free();
        let mut command = Command::new(folder().join("podinfo"));
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--level", "panic"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server = Server(child.expect("it was built"));
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        while server.0.try_wait().unwrap().is_none() {
            turns.tick().await;
            if TcpStream::connect(address).await.is_ok() {
                return (server, address);
            }
        }
    }
    panic!("podinfo did not start {TRIES} times");
}

/// The requests for `/` that podinfo has counted.
async fn counted(address: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let root = |line: &&str| line.starts_with("http_request_duration_seconds_count{") && line.contains("path=\"root\"");
    text.lines().filter(root).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn podinfo_counts_each_request_that_is_reported_and_names_its_pod() {
    let (_server, address) = podinfo().await;
    let url = format!("http://{address}/");
    let clients = Some(Clients { count: 4, think_time: 0.0 });
    for (requests_per_connection, clients) in [(1, None), (UNLIMITED, None), (UNLIMITED, clients)] {
        let before = counted(address).await;
        let profile = if clients.is_some() { "0:300ms" } else { "100rps:500ms" };
        let outcome = run(Settings { requests_per_connection, clients, ..settings(&url, profile) }).await;
        let total = outcome.total;
        assert_eq!(total.statuses, [(200, total.sent)].into(), "{:?}", outcome.events);
        assert_eq!(counted(address).await - before, total.sent);
        assert_eq!(total.pods.len(), 1, "by its document: {:?}", total.pods);
        assert_eq!(total.pods.values().sum::<u64>(), total.sent);
    }
}
