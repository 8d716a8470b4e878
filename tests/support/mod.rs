//! What the tests share: the real binary on a free port, and what can be observed of it from outside.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its part")]

pub mod crowd;
pub mod garbage;
pub mod random;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

/// The timeout of everything that has no limit of its own.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The real binary on a free port of loopback. It ends when this is dropped.
pub struct Server {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// The lines that were read while others were awaited.
    passed: Vec<Value>,
    pub address: SocketAddr,
    /// Its further addresses for clients.
    pub other_addresses: Vec<SocketAddr>,
    /// Its address for probes and scrapes.
    pub ops_address: SocketAddr,
}

impl Server {
    /// Starts the binary with these flags and two variables.
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_with(flags, &[("HOME", "/home/shop"), ("REPLICA_SET", "7")]).await
    }

    /// Starts the binary with these flags and only these variables; on loopback, unless a flag sets the address.
    pub async fn start_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopfront"));
        let address: &[&str] = if flags.contains(&"--address") { &[] } else { &["--address", "127.0.0.1:0"] };
        command.args(["--log-format", "json"]).args(address).args(flags);
        command.env_clear().envs(variables.iter().copied());
        Self::run(command).await
    }

    /// Starts another build of the binary, after a shell command in the same process.
    pub async fn start_in(prelude: &str, binary: &Path) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{prelude}exec \"$0\" \"$@\"")).arg(binary);
        command.args(["--address", "127.0.0.1:0", "--log-format", "json"]);
        command.env_clear();
        Self::run(command).await
    }

    async fn run(mut command: Command) -> Self {
        let child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.expect("cargo has built the binary");
        let log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let unknown: SocketAddr = ([0, 0, 0, 0], 0).into();
        let mut server = Self {
            child,
            log,
            passed: Vec::new(),
            address: unknown,
            other_addresses: Vec::new(),
            ops_address: unknown,
        };
        let address = |line: Value| line["address"].as_str().and_then(|text| text.parse().ok());
        server.address = address(server.logged("serving").await).expect("a line names it");
        server.ops_address = address(server.logged("probes and scrapes").await).expect("a line names it");
        let (further, other) =
            std::mem::take(&mut server.passed).into_iter().partition(|line| line["message"] == "serving");
        server.passed = other;
        let further: Vec<Value> = further;
        server.other_addresses = further.into_iter().map(|line| address(line).expect("a line names it")).collect();
        server
    }

    /// Waits for the next log line that begins with this message, in whatever order the service logs: each line is found
    /// once.
    pub async fn logged(&mut self, message: &str) -> Value {
        let is_it = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        if let Some(place) = self.passed.iter().position(is_it) {
            return self.passed.remove(place);
        }
        let found = async {
            while let Some(line) = self.log.next_line().await.expect("the log is UTF-8") {
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON line: {line}"));
                if is_it(&line) {
                    return line;
                }
                self.passed.push(line);
            }
            panic!("the service ended without logging {message:?}")
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("the service did not log {message:?}"))
    }

    /// How many of the lines that were read while others were awaited begin with this message.
    pub fn passed(&self, message: &str) -> usize {
        let is_it = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        self.passed.iter().filter(is_it).count()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// GETs a path and returns its body.
    pub async fn get(&self, path: &str) -> String {
        reqwest::get(self.url(path)).await.expect("the service answers").text().await.expect("the body is text")
    }

    /// GETs a path and returns its body; none if the response is not a 200.
    pub async fn try_get(&self, path: &str) -> Option<String> {
        reqwest::get(self.url(path)).await.ok()?.error_for_status().ok()?.text().await.ok()
    }

    /// All series as they are now. At the address for clients, they may be a second old.
    pub async fn scrape(&self) -> String {
        let url = format!("http://{}/metrics", self.ops_address);
        reqwest::get(url).await.expect("the service answers").text().await.expect("the body is text")
    }

    /// The value of one series, given by its name and labels as they are exposed.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.scrape().await;
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the service still runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process has a number");
        kill_process(pid, signal).expect("the process is ours");
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status can be read").is_some()
    }

    /// Waits for the process to end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the service ends").expect("its status can be read")
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The maximum of resident memory, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux has /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("the kernel counts memory");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("Linux has /proc").count()
    }

    /// Sends bytes on a new connection, closes the sending side, and reads until the service closes.
    pub async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the service accepts");
        // Writing may fail: the service closes the connection if it rejects the request.
        let _ = stream.write_all(bytes.as_ref()).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await
    }
}

/// Raises the limit of descriptors for this many sockets.
pub fn raise_descriptors(sockets: usize) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the soft limit may be raised");
    let enough = limit.maximum.is_none_or(|hard| hard > sockets as u64 + 500);
    assert!(enough, "this test opens {sockets} sockets; raise `ulimit -Hn`, which is {:?}", limit.maximum);
}

/// Reads until the other side closes. Returns what arrived before a reset, too.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the service closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Polls until there is a result: for what other programs do in their own time.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        let mut turns = tokio::time::interval(Duration::from_millis(50));
        loop {
            turns.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("timed out waiting until {what}"))
}

/// A program that is not part of the project. Fails with the command that installs it.
pub fn program(name: &str, debian_package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    assert!(found, "this test needs `{name}`: on Debian, apt-get install {debian_package}; ./tests/run does it");
    let mut command = Command::new(name);
    command.kill_on_drop(true);
    command
}
