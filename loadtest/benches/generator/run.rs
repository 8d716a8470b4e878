//! One run of a load generator in a process of its own, and what it cost.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use loadtest::generator::{Generator, Settings};
use loadtest::journal::Entry;
use loadtest::stats::{Times, Total};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The hidden argument that makes this program the generator's process.
pub const CHILD: &str = "--child";

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Load {
    /// Requests per second; none is as many as possible.
    pub rate: Option<u32>,
    pub keep_alive: bool,
    pub seconds: u32,
    /// Connections of oha, requests in flight here.
    pub at_once: u32,
}

/// What came of it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Result {
    pub answered: u64,
    pub failed: u64,
    pub dropped: u64,
    pub lateness_p99_micros: f64,
    pub cpu_micros_a_request: f64,
}

/// A rate that nothing reaches: what is beyond the requests in flight is dropped, which makes flat out of open loop.
const BEYOND: u32 = 1_000_000;

impl Result {
    /// Answers as a number to divide by.
    #[allow(clippy::cast_precision_loss, reason = "no run has 2^53 answers")]
    pub fn answers(&self) -> f64 {
        self.answered as f64
    }

    fn with_cpu(mut self, micros: f64) -> Self {
        self.cpu_micros_a_request = micros / self.answers();
        self
    }
}

/// Runs this generator.
pub fn ours(url: &str, load: Load) -> Result {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let per_connection = if load.keep_alive { u64::MAX } else { 1 };
    let profile = format!("{}rps:{}s", load.rate.unwrap_or(BEYOND), load.seconds);
    command.args([CHILD, url, &profile, &per_connection.to_string(), &load.at_once.to_string()]);
    let (output, cpu) = measure(command);
    let result: Result = serde_json::from_slice(&output.stdout).expect("the child tells its result");
    result.with_cpu(cpu)
}

/// The generator's process.
pub fn child(arguments: &[String]) {
    let [url, profile, per_connection, at_once] = arguments else { panic!("four arguments") };
    let mut settings = Settings::new(url.parse().expect("a URL"), profile.parse().expect("a profile"));
    settings.requests_per_connection = per_connection.parse().expect("a number");
    settings.max_in_flight = at_once.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut generator = Generator::start(settings, Instant::now() + Duration::from_millis(10)).expect("a load");
    let mut total = Total::default();
    runtime.block_on(async {
        while let Some(entry) = generator.next().await {
            if let Entry::Second(second) = entry {
                total.add(&second);
            }
        }
    });
    let result = Result {
        answered: total.answered(),
        failed: total.unanswered(),
        dropped: total.dropped,
        lateness_p99_micros: total.lateness.seconds(0.99).unwrap_or_default() * 1e6,
        cpu_micros_a_request: 0.0,
    };
    println!("{}", serde_json::to_string(&result).expect("numbers are JSON"));
}

/// The hidden argument for a process that only sleeps.
pub const SLEEP: &str = "--sleep";

/// How late a bare sleep is at this rate, on the load's core: the 99th percentile in microseconds. What a generator has
/// beyond that is its own.
pub fn bare_sleep(load: Load) -> f64 {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let rate = load.rate.expect("a rate");
    let output = command.args([SLEEP, &rate.to_string(), &load.seconds.to_string()]).output().expect("it starts");
    serde_json::from_slice(&output.stdout).expect("the child tells a number")
}

/// The process that only sleeps.
pub fn sleep(arguments: &[String]) {
    let [rate, seconds] = arguments else { panic!("two arguments") };
    let (rate, seconds): (u32, u32) = (rate.parse().expect("a number"), seconds.parse().expect("a number"));
    let start = Instant::now();
    let mut late = Times::default();
    for i in 0..rate * seconds {
        let due = start + Duration::from_secs(1) * i / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        late.record(due.elapsed());
    }
    println!("{}", late.seconds(0.99).unwrap_or_default() * 1e6);
}

/// Runs oha.
pub fn oha(program: &str, url: &str, load: Load) -> Result {
    let mut command = Command::new(program);
    command.args(["--no-tui", "--output-format", "json", "-z", &format!("{}s", load.seconds)]);
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
    let answered = count(&summary["statusCodeDistribution"]);
    Result { answered, ..Result::default() }.with_cpu(cpu)
}

/// Runs a process to its end. Also tells its user and system time in microseconds.
fn measure(mut command: impl std::borrow::BorrowMut<Command>) -> (Output, f64) {
    let before = children_micros();
    let output = command.borrow_mut().output().expect("the process starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (output, children_micros() - before)
}

/// User and system time of the child processes that have ended.
fn children_micros() -> f64 {
    /// Linux' user-space clock, whatever the kernel's own is.
    const MICROS_A_TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let (_, fields) = stat.rsplit_once(") ").expect("the name stands in brackets");
    let ticks = fields.split(' ').skip(13).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number of ticks") * MICROS_A_TICK).sum()
}
