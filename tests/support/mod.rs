//! What the tests share: the real binary on a free port, and a way to look at it from outside.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its part")]

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

/// How long anything may take that has no bound of its own.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The real binary, listening on a free port of the loopback. Ends with its owner.
pub struct Server {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the binary with these flags and an environment of its own.
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_with(flags, &[("HOME", "/home/shop"), ("REPLICA_SET", "7")]).await
    }

    /// Starts the binary with these flags and exactly these variables; on the loopback, unless a flag says otherwise.
    pub async fn start_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let address: &[&str] = if flags.contains(&"--address") { &[] } else { &["--address", "127.0.0.1:0"] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_shopfront"))
            .args(["--log-format", "json"])
            .args(address)
            .args(flags)
            .env_clear()
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("cargo has built the binary");
        let log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let mut server = Self { child, log, address: ([0, 0, 0, 0], 0).into() };
        let line = server.logged("serving").await;
        server.address =
            line["address"].as_str().and_then(|text| text.parse().ok()).expect("the log names the address");
        server
    }

    /// Waits for the log line with this message.
    pub async fn logged(&mut self, message: &str) -> Value {
        let found = async {
            while let Some(line) = self.log.next_line().await.expect("the log is UTF-8") {
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON line: {line}"));
                if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                    return line;
                }
            }
            panic!("the service ended without saying {message:?}")
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("the log never said {message:?}"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// GETs a path and returns its body.
    pub async fn get(&self, path: &str) -> String {
        reqwest::get(self.url(path)).await.expect("the service answers").text().await.expect("the body is text")
    }

    /// The value of one series of `/metrics`; `series` is its name with its labels, as it is written there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await;
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the service still runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a process has a number");
        kill_process(pid, signal).expect("the process is ours");
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

    /// The most that resident memory has been, in bytes.
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

    /// Sends bytes on a connection of their own, says that there are no more, and reads until the service closes.
    pub async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the service accepts");
        // Either side may find the other gone: the service closes on what it will not read.
        let _ = stream.write_all(bytes.as_ref()).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await
    }
}

/// Reads until the other side closes; what came before a reset counts too.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the service closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks again until the answer is there: for what other programs do in their own time.
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
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("never came to be: {what}"))
}

/// A program from outside the project, or a failure that says how to get it.
pub fn program(name: &str, debian_package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    assert!(found, "this test needs `{name}`: on Debian, apt-get install {debian_package}; ./tests/run does it");
    let mut command = Command::new(name);
    command.kill_on_drop(true);
    command
}
