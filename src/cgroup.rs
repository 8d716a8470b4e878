//! The memory limit of the process's control group (cgroup v2 or v1).

use std::fs;
use std::path::{Path, PathBuf};

/// Where the hierarchies are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// The lowest limit of the process's group and of those above it, in bytes.
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit(Path::new(MOUNT), &groups)
}

/// The lowest limit for a process whose `/proc/self/cgroup` contains `groups` (cgroups(7)).
fn limit(mount: &Path, groups: &str) -> Option<u64> {
    groups.lines().filter_map(|line| limit_in_hierarchy(mount, line)).min()
}

fn limit_in_hierarchy(mount: &Path, line: &str) -> Option<u64> {
    // hierarchy:controllers:path
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, file) = if hierarchy == "0" && controllers.is_empty() {
        (mount.to_owned(), "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (mount.join("memory"), "memory.limit_in_bytes")
    } else {
        return None;
    };
    // A container may see the path of its group on the host, but its own group mounted as the root. So the root is read, too,
    // and missing files are skipped.
    let relative: PathBuf = group.trim_start_matches('/').into();
    relative.ancestors().filter_map(|group| parse_limit(&fs::read_to_string(root.join(group).join(file)).ok()?)).min()
}

/// A limit in bytes. "max", or in v1 a number beyond any machine's memory, means that there is none.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    /// A mount with these files.
    fn mount(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = mount.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        mount
    }

    #[test]
    fn lowest_limit_of_the_group_and_its_ancestors_applies_in_v2() {
        let mount = mount(&[
            ("kubepods/memory.max", "max\n"),
            ("kubepods/pod1/memory.max", "268435456\n"),
            ("kubepods/pod1/c1/memory.max", "536870912\n"),
        ]);
        assert_eq!(limit(mount.path(), "0::/kubepods/pod1/c1\n"), Some(256 * MEBIBYTE));
        assert_eq!(limit(mount.path(), "0::/kubepods\n"), None);
    }

    #[test]
    fn group_mounted_as_the_root_applies() {
        let own = mount(&[("memory.max", "67108864\n")]);
        assert_eq!(limit(own.path(), "0::/\n"), Some(64 * MEBIBYTE));
        assert_eq!(limit(own.path(), "0::/kubepods/pod1/c1\n"), Some(64 * MEBIBYTE));
        let none = mount(&[("memory.max", "max\n")]);
        assert_eq!(limit(none.path(), "0::/\n"), None);
    }

    #[test]
    fn memory_controller_applies_in_v1() {
        let mount = mount(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/docker/c1/memory.limit_in_bytes", "268435456\n"),
            ("cpu/docker/c1/memory.limit_in_bytes", "1\n"),
        ]);
        let groups = "9:name=systemd:/\n4:memory:/docker/c1\n1:cpu,cpuacct:/docker/c1\n0::/\n";
        assert_eq!(limit(mount.path(), groups), Some(256 * MEBIBYTE));
        assert_eq!(limit(mount.path(), "4:memory:/\n"), None);
    }

    #[test]
    fn invalid_content_is_no_limit() {
        let mount = mount(&[("memory.max", "lots\n")]);
        for groups in ["", "0\n", "0::\n", "x:y\n", "0::/../../etc\n"] {
            assert_eq!(limit(mount.path(), groups), None, "{groups:?}");
        }
    }
}
