//! A replica: the real service, in a process of its own.

use std::ffi::OsString;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shopfront::app::Endpoint;
use shopfront::config::Config;
use shopfront::{server, service, telemetry};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use crate::error::Error;
use crate::output::{Clean, say};
use crate::pace::Pace;

/// The service's own times in seconds, by default: a replica gets them in the rehearsal's time.
const TIMES: [(&str, u64); 5] = [
    ("--drain-delay", 5),
    ("--shutdown-timeout", 20),
    ("--header-timeout", 5),
    ("--request-timeout", 10),
    ("--idle-timeout", 75),
];

/// `loadtest replica`: shopfront itself, which also ends when the process that started it is gone.
pub fn main(flags: impl IntoIterator<Item = OsString>) -> ExitCode {
    let config = match Config::from_args(std::iter::once("shopfront".into()).chain(flags)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    // A stopped replica (`kill -STOP`) cannot notice the end of the tool. The signal follows the thread that started
    // it: the tool's main thread or one of its runtime's, which last as long as a rehearsal does.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        say(Clean::of(&format!("this replica may outlive its tool: {error}\n")));
    }
    std::thread::spawn(|| {
        // Nobody writes: reading ends when the other end of the pipe is closed, however its process ended.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    telemetry::init(config.log_level, config.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(service::run(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(Clean::of(&format!("{error}\n")));
            ExitCode::FAILURE
        }
    }
}

/// A running replica. Ends with its owner.
pub struct Replica {
    /// Where it serves clients.
    pub address: SocketAddr,
    /// Where it is scraped: on the clients' port, metrics may be a second old, which is long in a rehearsal.
    pub ops_address: SocketAddr,
    child: Child,
    _stdin: ChildStdin,
}

impl Replica {
    /// Starts it with this pod name, and waits until it listens.
    pub async fn start(pod: &str, pace: Pace) -> Result<Self, Error> {
        let failed = |what: &str| Error::Environment(format!("a replica cannot be started: {what}"));
        let program = std::env::current_exe().map_err(|error| failed(&error.to_string()))?;
        let mut child = Command::new(program)
            .args(["replica", "--address", "127.0.0.1:0", "--log-format", "json"])
            .args(TIMES.into_iter().flat_map(|(flag, seconds)| {
                let real = pace.real(Duration::from_secs(seconds));
                [flag.to_owned(), humantime::format_duration(real).to_string()]
            }))
            .env_clear()
            .env("HOSTNAME", pod)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let stdin = child.stdin.take().ok_or_else(|| failed("it has no stdin"))?;
        let mut lines = BufReader::new(child.stderr.take().ok_or_else(|| failed("it has no log"))?).lines();
        let (mut address, mut ops_address) = (None, None);
        while let Ok(Some(line)) = lines.next_line().await {
            let line: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            let named = || line["address"].as_str().and_then(|text| text.parse().ok());
            match line["message"].as_str() {
                Some(server::SERVING) => address = named(),
                Some(server::SERVING_OPS) => ops_address = named(),
                _ if line["level"] == "ERROR" => return Err(failed(line["message"].as_str().unwrap_or_default())),
                _ => {}
            }
            if let (Some(address), Some(ops_address)) = (address, ops_address) {
                // The rest of its log has no reader, and must not fill the pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self { address, ops_address, child, _stdin: stdin });
            }
        }
        Err(failed("it ended without listening"))
    }

    /// Terminates it, and waits until it has ended. After `grace`, it is killed.
    pub async fn stop(mut self, grace: Duration) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended by itself just now.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// The number of its process; none if it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How its process ended by itself; none while it runs.
    pub fn has_ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// The text of `/metrics`, as a scrape reads it; none if it does not arrive in time.
pub async fn scrape(address: SocketAddr, patience: Duration) -> Option<String> {
    let (_, body) = tokio::time::timeout(patience, get(address, Endpoint::Metrics.path())).await.ok()?.ok()?;
    String::from_utf8(body.into()).ok()
}

/// The answer to a GET request; an error says why there is none.
pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), String> {
    let request = Request::get(path).header(HOST, address.to_string()).header(CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer, or when nobody waits for it any more.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    exchange.await.map_err(|error: hyper::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_services_defaults() {
        let Ok(config) = Config::from_args(std::iter::once("shopfront".into())) else { panic!("there are defaults") };
        let (shutdown, limits) = (config.shutdown, config.limits);
        let defaults = [
            shutdown.drain_delay,
            shutdown.shutdown_timeout,
            limits.header_timeout,
            limits.request_timeout,
            limits.idle_timeout,
        ];
        assert_eq!(TIMES.map(|(_, seconds)| Duration::from_secs(seconds)), defaults);
    }
}
