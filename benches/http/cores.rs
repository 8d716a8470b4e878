//! Runs the server and the load on different cores.

use std::fmt;
use std::process::{Command, Stdio};

/// Two cores, or why there are not two.
#[derive(Clone)]
pub enum Cores {
    /// The load has this thread's core, and the server has the core `server`, of `of` cores.
    Split { server: String, of: usize },
    /// The server and the load share all cores, for this reason.
    Shared(&'static str),
}

impl Cores {
    /// Reserves one core for the server, and moves this thread and all that it spawns to another.
    pub fn split() -> Self {
        let allowed = allowed();
        let [server, load, ..] = allowed.as_slice() else {
            return Self::Shared("there is only one core");
        };
        if !pin(load) {
            return Self::Shared("there is no `taskset` (Debian: apt-get install util-linux)");
        }
        Self::Split { server: server.clone(), of: allowed.len() }
    }

    /// Moves this thread to the server's core: what it spawns from now on stays there.
    pub fn move_to_server(&self) {
        if let Self::Split { server, .. } = self {
            assert!(pin(server), "taskset has worked before");
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = format_args!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        match self {
            Self::Split { of, .. } => write!(f, "{of} cores, {system}; server and load each on a core of its own"),
            Self::Shared(why) => write!(f, "{system}; SERVER AND LOAD ON THE SAME CORES, since {why}: compare nothing"),
        }
    }
}

/// The cores that this process may use, such as 0, 2 and 3 from `0,2-3`.
fn allowed() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list of cores");
    let ranges = list.trim().split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    let number = |text: &str| text.parse::<u32>().expect("a core has a number");
    ranges.flat_map(|(first, last)| number(first)..=number(last)).map(|core| core.to_string()).collect()
}

/// Moves the calling thread to a core, whether that works or not.
fn pin(core: &str) -> bool {
    let path = std::fs::read_link("/proc/thread-self").expect("Linux has /proc");
    let thread = path.file_name().expect("a thread has a number");
    let taskset =
        Command::new("taskset").args(["--cpu-list", "--pid", core]).arg(thread).stdout(Stdio::null()).status();
    taskset.is_ok_and(|status| status.success())
}
