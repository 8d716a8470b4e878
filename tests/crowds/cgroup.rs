//! A control group with the limits of the pod in `k8s/shopfront.yml`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::support::PATIENCE;

/// 256 MiB, as the manifest has it.
const MEMORY_BYTES: u64 = 256 << 20;

/// A tenth of a core, as the manifest has it: microseconds in each [`PERIOD`].
const QUOTA: &str = "10000";
const PERIOD: &str = "100000";

const MOUNT: &str = "/sys/fs/cgroup";

/// A control group with the manifest's limits. It is removed when this is dropped.
pub struct Cgroup {
    /// One folder in v2; in v1 one for memory and one for the CPU.
    folders: Vec<PathBuf>,
    is_v2: bool,
}

impl Cgroup {
    /// Creates the group. Fails the test with what it needs if that is not possible.
    pub fn new(name: &str) -> Self {
        Self::make(name).unwrap_or_else(|error| {
            panic!(
                "this test makes a control group below {MOUNT}, which needs root and a writable hierarchy ({error}); \
                 leave it out with `tests/run --without-cgroups`"
            )
        })
    }

    fn make(name: &str) -> io::Result<Self> {
        let mount = Path::new(MOUNT);
        let name = format!("shopfront-test-{name}-{}", std::process::id());
        let is_v2 = mount.join("cgroup.controllers").is_file();
        let parents = if is_v2 { vec![mount.to_owned()] } else { vec![mount.join("memory"), mount.join("cpu")] };
        let group = Self { folders: parents.iter().map(|parent| parent.join(&name)).collect(), is_v2 };
        for folder in &group.folders {
            fs::create_dir(folder)?;
        }
        if is_v2 {
            fs::write(mount.join("cgroup.subtree_control"), "+memory +cpu")?;
            fs::write(group.folders[0].join("memory.max"), MEMORY_BYTES.to_string())?;
            // Swap would hide a breach of the limit.
            let _ = fs::write(group.folders[0].join("memory.swap.max"), "0");
            fs::write(group.folders[0].join("cpu.max"), format!("{QUOTA} {PERIOD}"))?;
        } else {
            fs::write(group.folders[0].join("memory.limit_in_bytes"), MEMORY_BYTES.to_string())?;
            fs::write(group.folders[1].join("cpu.cfs_period_us"), PERIOD)?;
            fs::write(group.folders[1].join("cpu.cfs_quota_us"), QUOTA)?;
        }
        Ok(group)
    }

    /// A shell command that moves its own process into the group.
    pub fn entering(&self) -> String {
        let files = self.folders.iter().map(|folder| format!("echo $$ > '{}/cgroup.procs' && ", folder.display()));
        files.collect()
    }

    /// How many processes the kernel has killed for their memory.
    pub fn oom_kills(&self) -> u64 {
        let file = if self.is_v2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.folders[0].join(file)).expect("the group is there");
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        count.unwrap_or_else(|| panic!("no count of kills in {text}"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // The kernel takes a moment to forget the last process, which may have been killed just now.
            let began = Instant::now();
            while let Err(error) = fs::remove_dir(folder) {
                if began.elapsed() > PATIENCE {
                    eprintln!("{} is left behind: {error}", folder.display());
                    break;
                }
                std::thread::yield_now();
            }
        }
    }
}
