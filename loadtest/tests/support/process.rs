//! Finds and signals the processes of a rehearsal's replicas.

use rustix::process::{Pid, Signal, kill_process};

/// A replica's process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    pub pid: u32,
    /// The name of its pod.
    pub pod: String,
}

/// The replicas of the tool with this process id.
pub fn replicas(tool: u32) -> Vec<Replica> {
    let all = std::fs::read_dir("/proc").expect("Linux has /proc").filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        if stat(pid)?.get(1)?.parse() != Ok(tool) {
            return None;
        }
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
        let pod = environment.split('\0').find_map(|variable| variable.strip_prefix("HOSTNAME="))?;
        Some(Replica { pid, pod: pod.to_owned() })
    });
    all.collect()
}

/// The fields of `/proc/PID/stat` from the state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Whether the process exists and is not a zombie.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z")
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("it is a process'");
    kill_process(pid, signal).expect("it is ours");
}

/// A process that is stopped until this is dropped, and so does not notice that its tool has ended.
pub struct Stopped(u32);

impl Stopped {
    pub fn new(pid: u32) -> Self {
        signal(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if is_running(self.0) {
            signal(self.0, Signal::CONT);
        }
    }
}
