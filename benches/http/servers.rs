//! The servers that are compared: the real binary, and this one under a hidden argument as its two references.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

use crate::cores::Cores;
use crate::load::Load;

/// The hidden arguments.
pub const BARE_AXUM: &str = "--serve-bare-axum";
pub const BARE_HYPER: &str = "--serve-bare-hyper";

/// What a small pod's processes have: every server gets the same.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/"),
    ("HOSTNAME", "shopfront-7d94b56f44-fblvd"),
    ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
    ("KUBERNETES_SERVICE_HOST", "172.20.0.1"),
    ("KUBERNETES_SERVICE_PORT", "443"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
];

/// The servers, in the order of the table's columns.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Kind {
    Shopfront,
    Axum,
    Hyper,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Shopfront, Self::Axum, Self::Hyper];

    pub fn name(self) -> &'static str {
        ["shopfront", "bare axum", "bare hyper"][self as usize]
    }
}

/// Starts servers, the references with the answer that shopfront gives.
pub struct Launcher {
    cores: Cores,
    answer: NamedTempFile,
}

impl Launcher {
    pub fn new(cores: Cores) -> Self {
        let launcher = Self { cores, answer: NamedTempFile::new().expect("a temporary file") };
        let (shopfront, _) = launcher.launch(Kind::Shopfront);
        let answer = Load::new(shopfront.address, "/", 1).open().first_answer();
        launcher.answer.as_file().write_all(&answer).expect("a temporary file takes a kilobyte");
        launcher
    }

    pub fn answer_bytes(&self) -> u64 {
        self.answer.as_file().metadata().expect("the file is open").len()
    }

    /// Starts a server on the server's core and asks it once. Also tells the time from exec to the first answer.
    pub fn launch(&self, kind: Kind) -> (Running, Duration) {
        let mut command = match kind {
            Kind::Shopfront => Command::new(env!("CARGO_BIN_EXE_shopfront")),
            Kind::Axum | Kind::Hyper => Command::new(std::env::current_exe().expect("this program has a path")),
        };
        match kind {
            Kind::Shopfront => command.args(["--address", "127.0.0.1:0"]),
            Kind::Axum => command.arg(BARE_AXUM),
            Kind::Hyper => command.arg(BARE_HYPER),
        };
        let answer = File::open(self.answer.path()).expect("the temporary file is there");
        command.env_clear().envs(ENVIRONMENT).stdin(answer).stdout(Stdio::null()).stderr(Stdio::piped());
        // A process inherits the core of the thread that starts it: `taskset` in between would count as its own time.
        let spawn = || {
            self.cores.move_to_server();
            (Instant::now(), command.spawn().expect("the server starts"))
        };
        let (started, mut child) =
            std::thread::scope(|scope| scope.spawn(spawn).join()).expect("the server starts on its core");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut running = Running { child, log: BufReader::new(stderr), address: ([0, 0, 0, 0], 0).into() };
        running.address = running.logged_address();
        Load::new(running.address, "/", 1).open().first_answer();
        (running, started.elapsed())
    }
}

/// A server's process. Ends with its owner.
pub struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    pub address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn logged_address(&mut self) -> SocketAddr {
        let mut log = String::new();
        while self.log.read_line(&mut log).expect("the log is UTF-8") > 0 {
            if let Some((_, address)) = log.trim_end().rsplit_once("address=") {
                return address.parse().expect("an address");
            }
        }
        panic!("the server ended without telling its address: {log}")
    }

    /// User and system time of all its threads so far, in steps of a clock tick.
    pub fn cpu_micros(&self) -> f64 {
        /// Linux' user-space clock, whatever the kernel's own is.
        const MICROS_A_TICK: f64 = 10_000.0;
        let stat = self.read_proc("stat");
        let (_, fields) = stat.rsplit_once(") ").expect("the name stands in brackets");
        let ticks = fields.split(' ').skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number of ticks") * MICROS_A_TICK).sum()
    }

    pub fn resident_megabytes(&self) -> f64 {
        let status = self.read_proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel counts memory");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number of kB") * 1024.0 / 1e6
    }

    fn read_proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the server still runs")
    }
}

/// `axum::serve` as its documentation has it, with one handler.
pub fn bare_axum() {
    serve(async |listener, answer| {
        let router = axum::Router::new().route("/", get(async || answer.response::<Body>()));
        axum::serve(listener, router).await.expect("axum serves on");
    });
}

/// hyper's own HTTP/1 server, as its documentation has it.
pub fn bare_hyper() {
    serve(async |listener, answer| {
        loop {
            let (stream, _) = listener.accept().await.expect("the listener accepts");
            tokio::spawn(async move {
                let service = service_fn(async |_| Ok::<_, Infallible>(answer.response::<Full<Bytes>>()));
                // A client that leaves ends its connection alone.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

/// Runs a reference on a runtime like shopfront's, and tells its address as shopfront does.
fn serve(server: impl AsyncFnOnce(TcpListener, &'static Answer)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let answer = Box::leak(Box::new(Answer::read()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        eprintln!("serving address={}", listener.local_addr().expect("the listener has an address"));
        server(listener, answer).await;
    });
}

/// What a reference answers, whatever it is asked.
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads an answer as it came over the wire from standard input.
    fn read() -> Self {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).expect("the answer is on standard input");
        let text = &*text.leak();
        let (head, body) = text.split_once("\r\n\r\n").expect("the head ends");
        let pairs = head.lines().skip(1).map(|line| line.split_once(": ").expect("a header has a value"));
        let mut headers: HeaderMap =
            pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        // hyper's to write, there as here.
        headers.remove(CONTENT_LENGTH);
        headers.remove(DATE);
        Self { headers, body: Bytes::from_static(body.as_bytes()) }
    }

    fn response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.body.clone()));
        response.headers_mut().extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        response
    }
}
