//! Returns memory to the system after connections have ended.
//!
//! glibc returns freed memory only from the top of its heap: one connection above thousands that have ended keeps all of
//! their memory resident, and a pod near its limit for the rest of its life. Allocators that return pages by themselves do
//! so when their threads next allocate, which idle threads do not; mimalloc was tried, and kept more.

use std::time::Duration;

/// The interval between two checks for ended connections.
const INTERVAL: Duration = Duration::from_secs(2);

/// Resident bytes that are not worth a trim: the idle service has about 5 MB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const IDLE_BYTES: u64 = 8 << 20;

/// Trims the heap after connections have ended, for as long as it is polled. `take_ended` returns how many have ended since
/// its last call.
///
/// A few connections count too: one on HTTP/2 may have held megabytes. There is one more trim after the last of them: the
/// tasks of a connection's streams are woken when it ends, and drop what they hold after that.
pub async fn trim_after_connections(take_ended: impl Fn() -> usize) {
    let mut interval = tokio::time::interval(INTERVAL);
    let mut had_ended = false;
    loop {
        interval.tick().await;
        let have_ended = take_ended() > 0;
        if have_ended || had_ended {
            // It takes milliseconds for each hundred megabytes, so it does not run on a worker thread.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
        had_ended = have_ended;
    }
}

/// Returns all free memory to the system, wherever it is in the heap, if more than [`IDLE_BYTES`] are resident.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe form")]
pub(crate) fn trim() {
    if resident_bytes().is_none_or(|resident| resident > IDLE_BYTES) {
        // SAFETY: it takes no pointer, and locks each arena while it reads it (malloc_trim(3)).
        unsafe { libc::malloc_trim(0) };
    }
}

/// `VmRSS` of `proc_pid_status(5)`; none on systems other than Linux.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Does nothing: only glibc has `malloc_trim`.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn trim() {}
