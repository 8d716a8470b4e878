//! What the allocator keeps after a crowd has gone.
//!
//! glibc returns freed memory from the top of its heap alone: one connection that stays above thousands that have ended
//! keeps all of their memory resident, and a pod near its limit for the rest of its life. The allocators that return
//! pages by themselves do so when their threads next allocate, which idle ones do not; they were tried, and kept more.

/// Where more than `bytes` are resident, returns the memory that is free, wherever it lies, to the system; elsewhere than
/// with glibc, does nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe form")]
pub fn trim_above(bytes: u64) {
    if resident_bytes().is_none_or(|resident| resident > bytes) {
        // SAFETY: it takes no pointer, and locks each arena while it looks at it (malloc_trim(3)).
        unsafe { libc::malloc_trim(0) };
    }
}

/// `VmRSS` of `proc_pid_status(5)`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Does nothing: there is no such call.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn trim_above(_bytes: u64) {}
