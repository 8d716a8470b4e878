//! Which core serves and which one asks, so that neither takes the other's time.

use std::fmt;
use std::process::{Command, Stdio};

/// Two cores, or why there are not two.
pub enum Cores {
    /// The server has the first of these, the load the second.
    Split([String; 2]),
    /// Both share whatever there is, and disturb each other.
    Shared(&'static str),
}

impl Cores {
    pub fn split() -> Self {
        let allowed = allowed();
        let [server, load, ..] = allowed.as_slice() else {
            return Self::Shared("there is only one core");
        };
        let version = Command::new("taskset").arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            return Self::Shared("there is no `taskset` (Debian: apt-get install util-linux)");
        }
        Self::Split([server.clone(), load.clone()])
    }

    /// A program on the server's core.
    pub fn server(&self, program: &str) -> Command {
        self.on(0, program)
    }

    /// A program on the load's core.
    pub fn load(&self, program: &str) -> Command {
        self.on(1, program)
    }

    fn on(&self, which: usize, program: &str) -> Command {
        match self {
            Self::Split(cores) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &cores[which], program]);
                command
            }
            Self::Shared(_) => Command::new(program),
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(_) => write!(f, "server and load each on a core of its own"),
            Self::Shared(why) => write!(f, "SERVER AND LOAD ON THE SAME CORES, since {why}: compare nothing"),
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
