//! A command of the tool, with what it took of memory.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

pub const MIB: u64 = 1 << 20;

/// What came of a command.
pub struct Measured {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub said: String,
    /// The most bytes that it had in memory at once.
    pub peak: u64,
}

/// Runs it to its end, which comes in time.
pub async fn run(arguments: &[&str], variables: &[(&str, &Path)], patience: Duration) -> Measured {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments).envs(variables.iter().copied());
    measured(command, patience).await
}

/// The same of any command.
pub async fn measured(mut command: Command, patience: Duration) -> Measured {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.expect("it runs");
    let status = format!("/proc/{}/status", child.id().expect("it runs"));
    let mut ended = Box::pin(tokio::time::timeout(patience, child.wait_with_output()));
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let mut peak = 0;
    let output = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            _ = looks.tick() => {
                let status = std::fs::read_to_string(&status).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
                peak = peak.max(kib.unwrap_or_default() << 10);
            }
        }
    };
    let output = output.expect("it ends").expect("it can be read");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Measured { code: output.status.code(), out: text(output.stdout), said: text(output.stderr), peak }
}
