//! One run of this load generator in a process of its own, and what it cost.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use loadtest::generator::{Generator, Settings, Trust};
use loadtest::journal::{Clients, Entry, UNLIMITED};
use loadtest::stats::{Times, Total};
use serde::{Deserialize, Serialize};

/// The hidden argument that makes this program the generator's process.
pub const CHILD: &str = "--child";

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Load {
    /// Requests per second; none is as many as possible.
    pub rate: Option<u32>,
    pub keep_alive: bool,
    pub seconds: u32,
    /// Connections of the others, requests in flight here.
    pub at_once: u32,
    /// As clients of a closed loop, which the others always have without a rate.
    pub closed: bool,
    /// This generator's threads.
    pub threads: u32,
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

    pub fn with_cpu(mut self, micros: f64) -> Self {
        self.cpu_micros_a_request = micros / self.answers();
        self
    }
}

/// Runs this generator on the load's core.
pub fn ours(url: &str, load: Load) -> Result {
    run(Command::new(program()), url, load)
}

/// The same on these cores.
pub fn ours_on(cores: &str, url: &str, load: Load) -> Result {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program());
    run(command, url, load)
}

fn program() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}

fn run(mut command: Command, url: &str, load: Load) -> Result {
    let per_connection = if load.keep_alive { UNLIMITED } else { 1 };
    let rate = if load.closed { 0 } else { load.rate.unwrap_or(BEYOND) };
    let profile = format!("{rate}rps:{}s", load.seconds);
    let clients = if load.closed { load.at_once } else { 0 };
    command.args([CHILD, url, &profile]);
    command.args(
        [per_connection, load.at_once.into(), clients.into(), load.threads.into()].map(|number| number.to_string()),
    );
    let (output, cpu) = measure(command);
    let result: Result = serde_json::from_slice(&output.stdout).expect("the child tells its result");
    result.with_cpu(cpu)
}

/// The generator's process.
pub fn child(arguments: &[String]) {
    let [url, profile, numbers @ ..] = arguments else { panic!("a URL and a profile") };
    let numbers: Vec<u64> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
    let [per_connection, at_once, clients, threads] = *numbers else { panic!("four numbers") };
    let mut settings = Settings::new(url.parse().expect("a URL"), profile.parse().expect("a profile"));
    settings.requests_per_connection = per_connection;
    settings.max_in_flight = at_once;
    let count = u32::try_from(clients).expect("some clients");
    settings.clients = (count > 0).then_some(Clients { count, think_time: 0.0 });
    settings.threads = u32::try_from(threads).expect("some threads");
    // The benchmark's own authority is as good as any; verifying a certificate costs each generator the same.
    settings.trust = Trust::Anybody;
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

/// The cores that this process may use, as `taskset` has them.
pub fn cores() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list of cores");
    list.trim().to_owned()
}

/// Runs a process to its end. Also tells its user and system time in microseconds.
pub fn measure(mut command: impl std::borrow::BorrowMut<Command>) -> (Output, f64) {
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
