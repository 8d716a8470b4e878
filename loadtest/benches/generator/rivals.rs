//! The other generators: oha, wrk and k6.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Load, Result, measure};

/// What k6 runs.
const SCRIPT: &str = "
import http from 'k6/http';
const duration = `${__ENV.SECONDS}s`, vus = Number(__ENV.AT_ONCE);
const paced = { executor: 'constant-arrival-rate', rate: Number(__ENV.RATE), timeUnit: '1s', preAllocatedVUs: vus, duration };
export const options = {
  discardResponseBodies: true,
  insecureSkipTLSVerify: true,
  noConnectionReuse: __ENV.KEEP_ALIVE === 'false',
  scenarios: { load: __ENV.RATE ? paced : { executor: 'constant-vus', vus, duration } },
};
export default function () { http.get(__ENV.URL); }
";

/// Another generator, by its program.
pub enum Rival {
    Oha(String),
    Wrk,
    K6,
}

fn works(program: &str, argument: &str) -> bool {
    let ran = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok()
}

impl Rival {
    /// oha, which is installed if it is missing, and those of the others that are there.
    pub fn found(target: &Path) -> Vec<Self> {
        let mut found = vec![Self::Oha(oha(target))];
        if works("wrk", "--version") {
            found.push(Self::Wrk);
        } else {
            eprintln!("without wrk (Debian: apt-get install wrk)");
        }
        if works("k6", "version") {
            found.push(Self::K6);
        } else {
            eprintln!("without k6 (go install go.k6.io/k6@latest, and $(go env GOPATH)/bin in the PATH)");
        }
        found
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Oha(_) => "oha",
            Self::Wrk => "wrk",
            Self::K6 => "k6",
        }
    }

    /// Runs it; none if it has no such load.
    pub fn run(&self, url: &str, load: Load) -> Option<Result> {
        match self {
            Self::Oha(program) => Some(run_oha(program, url, load)),
            Self::Wrk => load.rate.is_none().then(|| run_wrk(url, load)),
            Self::K6 => Some(run_k6(url, load)),
        }
    }
}

fn run_oha(program: &str, url: &str, load: Load) -> Result {
    let mut command = Command::new(program);
    command.args(["--no-tui", "--insecure", "--output-format", "json", "-z", &format!("{}s", load.seconds)]);
    command.args(["-c", &load.at_once.to_string()]);
    if let Some(rate) = load.rate {
        command.args(["-q", &rate.to_string(), "--latency-correction"]);
    }
    if !load.keep_alive {
        command.arg("--disable-keepalive");
    }
    let (output, cpu) = measure(command.arg(url));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("oha writes JSON");
    let count = |counts: &Value| counts.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum::<u64>();
    Result { answered: count(&summary["statusCodeDistribution"]), ..Result::default() }.with_cpu(cpu)
}

fn run_wrk(url: &str, load: Load) -> Result {
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", &load.at_once.to_string(), "-d", &format!("{}s", load.seconds)]);
    if !load.keep_alive {
        command.args(["-H", "Connection: close"]);
    }
    let (output, cpu) = measure(command.arg(url));
    // 312345 requests in 3.00s, 272.22MB read
    let text = String::from_utf8_lossy(&output.stdout);
    let answered = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    Result { answered: answered.expect("wrk says how many"), ..Result::default() }.with_cpu(cpu)
}

fn run_k6(url: &str, load: Load) -> Result {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, summary) = (folder.path().join("load.js"), folder.path().join("summary.json"));
    std::fs::write(&script, SCRIPT).expect("a file can be written");
    let mut command = Command::new("k6");
    command.args(["run", "--quiet", "--no-usage-report", "--summary-export"]).arg(&summary);
    let variables = [
        ("URL", url.to_owned()),
        ("SECONDS", load.seconds.to_string()),
        ("AT_ONCE", load.at_once.to_string()),
        ("KEEP_ALIVE", load.keep_alive.to_string()),
        ("RATE", load.rate.map(|rate| rate.to_string()).unwrap_or_default()),
    ];
    for (name, value) in variables {
        command.args(["--env", &format!("{name}={value}")]);
    }
    let (_, cpu) = measure(command.arg(&script));
    let summary = std::fs::read(summary).expect("k6 writes it");
    let summary: Value = serde_json::from_slice(&summary).expect("it is JSON");
    let answered = summary["metrics"]["http_reqs"]["count"].as_u64().expect("k6 counts its requests");
    Result { answered, ..Result::default() }.with_cpu(cpu)
}

/// `oha` from the `PATH`, or installed beside what cargo builds.
fn oha(target: &Path) -> String {
    let root = target.join("oha");
    let own = root.join("bin/oha").to_str().expect("the path is UTF-8").to_owned();
    if let Some(found) = ["oha", &own].into_iter().find(|program| works(program, "--version")) {
        return found.to_owned();
    }
    eprintln!("installing oha from crates.io, once …");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let installed = Command::new(cargo).args(["install", "--quiet", "--locked", "oha", "--root"]).arg(&root).status();
    assert!(installed.is_ok_and(|status| status.success()), "oha is installed from crates.io");
    own
}
