//! A real Prometheus over samples that promtool made a block of.

use std::process::Stdio;
use std::time::Duration;

use loadtest::autoscaling::rate::Sample;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Answer;

/// The longest that any step may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Prometheus {
    pub version: (u32, u32),
    port: u16,
    _child: Child,
    _folder: tempfile::TempDir,
}

fn program(name: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    assert!(found, "this test needs `{name}`: on Debian, apt-get install prometheus");
    let mut command = Command::new(name);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// What a program prints, which has to end well.
async fn output(mut command: Command) -> String {
    let done = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let (out, error) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {error}");
    format!("{out}{error}")
}

impl Prometheus {
    /// Starts one that holds these samples, in the `OpenMetrics` format, and scrapes nothing.
    pub async fn holding(samples: &str) -> Self {
        let mut command = program("prometheus");
        command.arg("--version");
        let said = output(command).await;
        let mut numbers =
            said.split("version ").nth(1).expect("a version").split('.').map(|part| part.parse().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());

        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (folder.path().join("samples"), folder.path().join("data"));
        std::fs::write(&file, samples).unwrap();
        let mut command = program("promtool");
        command.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(file).arg(&data);
        output(command).await;

        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "").unwrap();
        let mut command = program("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json", "--storage.tsdb.retention.time=100y"])
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut port = 0;
        let ready = async {
            // The port that the kernel gave it is in one of its first lines; another says that it answers.
            loop {
                let line = log.next_line().await.unwrap().expect("Prometheus runs on");
                let line: Value = serde_json::from_str(&line).unwrap();
                let address = line["address"].as_str().unwrap_or_default();
                if let Some(found) = address.strip_prefix("127.0.0.1:").filter(|port| *port != "0") {
                    port = found.parse().unwrap();
                }
                if line["msg"] == "Server is ready to receive web requests." {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("Prometheus is ready");
        assert_ne!(port, 0, "Prometheus says where it listens");
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { version, port, _child: child, _folder: folder }
    }

    /// The values at a moment in milliseconds, by the label `number`.
    pub async fn query(&self, query: &str, at: i64) -> Answer {
        let (query, seconds) = (query.replace('[', "%5B").replace(']', "%5D"), at / 1000);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let asked = format!("GET /api/v1/query?query={query}&time={seconds}.{:03} HTTP/1.0\r\n\r\n", at % 1000);
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(body["status"], "success", "{body}");
        let item = |item: &Value| {
            let number = item["metric"]["number"].as_str().unwrap().parse().unwrap();
            (number, item["value"][1].as_str().unwrap().parse().unwrap())
        };
        body["data"]["result"].as_array().unwrap().iter().map(item).collect()
    }

    /// Whether this Prometheus is old enough to see these samples otherwise than Prometheus 3: one on the window's left
    /// border counts in 2, and before 2.51 the distance to the zero point went first and the half interval after it.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds within a window, and samples in it")]
    pub fn differs_from_3(&self, samples: &[Sample], at: i64, window: i64) -> bool {
        if self.version < (3, 0) && samples.iter().any(|sample| sample.at == at - window) {
            return true;
        }
        let inside: Vec<_> = samples.iter().filter(|sample| sample.at > at - window && sample.at <= at).collect();
        let [first, .., last] = inside[..] else { return false };
        let dropped: f64 =
            inside.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
        let increase = last.value - first.value + dropped;
        let (span, distance) = ((last.at - first.at) as f64, (first.at - (at - window)) as f64);
        let between = span / (inside.len() - 1) as f64;
        let zero = if increase > 0.0 { span * first.value / increase } else { f64::INFINITY };
        self.version < (2, 51) && distance >= between * 1.1 && (between * 0.5..between * 1.1).contains(&zero)
    }
}
