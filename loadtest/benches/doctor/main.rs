//! `loadtest doctor -A` on a fake API server with 1,000 HPAs, 10,000 pods and 300 monitors: time, memory and requests.

#[path = "../../tests/support/fleet.rs"]
mod fleet;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fleet::{Fleet, Size};

const SIZE: Size = Size { hpas: 1_000, pods_of_each: 10, monitors: 300 };

#[tokio::main]
async fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("measures nothing in a test: run `cargo bench --profile release --package loadtest --bench doctor`");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fleet = Fleet::start(folder.path(), SIZE).await;
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    doctor.args(["doctor", "-A"]).env("KUBECONFIG", &fleet.kubeconfig).env_remove("KUBERNETES_SERVICE_HOST");
    let started = Instant::now();
    let mut doctor = doctor.stdout(Stdio::null()).spawn().expect("the doctor starts");
    let mut peak = 0;
    let status = loop {
        // The kernel keeps the highest; it is gone when the process is.
        peak = resident_kilobytes(doctor.id()).unwrap_or(peak);
        if let Some(status) = doctor.try_wait().expect("it can be waited for") {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(status.code(), Some(1), "some of the HPAs are broken");
    println!("| | measured | bound |\n|---|--:|--:|");
    println!("| time | {seconds:.1} s | 60 s |");
    println!("| peak resident memory | {} MB | 200 MB |", peak / 1_000);
    println!("| requests | {} | 1,500 |", fleet.requests());
}

/// The highest resident memory of a process so far.
fn resident_kilobytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
