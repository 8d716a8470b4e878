//! How much strangers may hold: derived once, at the start, from what the process is allowed.
//!
//! A connection is charged with the most that its client can have the process and the kernel keep for it, however it
//! behaves; `tests/hostile.rs` holds the figures against crowds that try. So the sum is below the limit by construction,
//! and no crowd gets the process killed.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cgroup;
use crate::config::Limits;

/// What an HTTP/1 connection may hold: its task, the last head that passed, and the parser, whose buffer grows to the head's
/// limit twice over.
const HTTP1_BYTES: usize = 16 * 1024;

/// What an HTTP/2 connection may hold without its streams: frames, header tables, a header block.
const HTTP2_BYTES: usize = 64 * 1024;

/// What one HTTP/2 stream may hold besides its answer.
const STREAM_BYTES: usize = 4 * 1024;

/// What the kernel may hold of a connection: both of its buffers, which [`super::bind`] sets, and the socket itself.
/// cgroup v2 counts it with the process's memory.
const KERNEL_BYTES: usize = super::KERNEL_BUFFER_BYTES + 4 * 1024;

/// What the process needs for itself, at most: it stands at some 6 MB; threads, log lines and rendering come on top.
const OWN_BYTES: u64 = 32 << 20;

/// Standard streams, listeners, the runtimes' own, a scrape's open files, and the connections to the ops address.
const RESERVED_DESCRIPTORS: u64 = 24 + super::OPS_CONNECTIONS as u64;

/// Fewer descriptors than these leave so few connections that a handful of silent clients keep everybody out.
const LEAST_DESCRIPTORS: u64 = 64;

/// Clients at most that are being told that there is no room for them.
const MOST_FAREWELLS: usize = 256;

/// Room for connections, and what each is charged.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The memory limit that it follows from, in bytes.
    memory: Option<u64>,
    /// Connections at once.
    pub(super) connections: usize,
    /// Connections beyond those whose clients are being told that there is no room.
    pub(super) farewells: usize,
    /// KiB that all connections together may hold.
    pub(super) kibibytes: usize,
    /// KiB that an HTTP/1 connection is charged.
    pub(super) http1_kibibytes: u32,
    /// KiB that an HTTP/2 connection is charged.
    pub(super) http2_kibibytes: u32,
}

impl Budget {
    /// What this process may give to clients whose largest answer has `answer_bytes`. Raises the soft limit of descriptors as
    /// far as need be. Fails where there are too few descriptors to serve anybody.
    pub fn of_this_process(limits: &Limits, answer_bytes: usize) -> io::Result<Self> {
        let descriptors = descriptors((limits.max_connections + MOST_FAREWELLS) as u64 + RESERVED_DESCRIPTORS);
        if descriptors < LEAST_DESCRIPTORS {
            return Err(io::Error::other(format!(
                "the limit of open files is {descriptors}; raise it to {LEAST_DESCRIPTORS} or more (`ulimit -n`)"
            )));
        }
        Ok(Self::new(limits, answer_bytes, cgroup::memory_limit(), descriptors))
    }

    /// Logs it, with what it follows from, in one line.
    pub fn announce(&self) {
        tracing::info!(
            connections = self.connections,
            http1_connections = self.possible(self.http1_kibibytes),
            http2_connections = self.possible(self.http2_kibibytes),
            memory_limit_mib = self.memory.map(|bytes| bytes >> 20),
            open_files = getrlimit(Resource::Nofile).current,
            "limits on what clients may hold"
        );
    }

    /// The budget of a listener that is not the public one: few connections, whatever they hold.
    pub(super) const fn of_ops() -> Self {
        Self {
            memory: None,
            connections: super::OPS_CONNECTIONS,
            farewells: 1,
            kibibytes: 1,
            http1_kibibytes: 0,
            http2_kibibytes: 0,
        }
    }

    fn new(limits: &Limits, answer_bytes: usize, memory: Option<u64>, descriptors: u64) -> Self {
        let possible = usize::try_from(descriptors - RESERVED_DESCRIPTORS).unwrap_or(usize::MAX);
        let farewells = (possible / 8).clamp(1, MOST_FAREWELLS);
        let connections = limits.max_connections.min(possible - farewells);
        let in_kibibytes = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let http1 = KERNEL_BYTES + HTTP1_BYTES + 2 * limits.max_header_bytes.max(super::connection::LEAST_BUFFER_BYTES);
        let streams = super::connection::MAX_STREAMS as usize * (STREAM_BYTES + answer_bytes);
        let http2 = KERNEL_BYTES + HTTP2_BYTES + streams;
        let (http1_kibibytes, http2_kibibytes) = (in_kibibytes(http1), in_kibibytes(http2.max(http1)));
        let unbounded = connections * http2_kibibytes as usize;
        // A limit that is tighter than the process itself is small: half of it is still the process's own.
        let kibibytes = memory.map_or(unbounded, |limit| {
            let for_clients = limit - OWN_BYTES.min(limit / 2);
            usize::try_from(for_clients / 1024).unwrap_or(unbounded).min(unbounded)
        });
        Self { memory, connections, farewells, kibibytes, http1_kibibytes, http2_kibibytes }
    }

    /// How many connections of one kind fit.
    fn possible(&self, each: u32) -> usize {
        self.connections.min(self.kibibytes / each as usize)
    }
}

/// How many descriptors the process may have, up to those needed. Systems start processes with a soft limit far below
/// the hard one, for the sake of programs that predate poll.
fn descriptors(needed: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(needed, |hard| hard.min(needed));
    let raised = limit.current.is_none_or(|soft| soft >= allowed)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), ..limit }).is_ok();
    if raised { allowed } else { limit.current.unwrap_or(allowed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn budget(memory: Option<u64>, descriptors: u64) -> Budget {
        let limits = Config::from_args(["shopfront".into()].into_iter()).unwrap().limits;
        Budget::new(&limits, 4096, memory, descriptors)
    }

    #[test]
    fn the_memory_of_the_manifest_has_room_for_some_thousands() {
        let budget = budget(Some(256 << 20), 20_000);
        let http1 = budget.possible(budget.http1_kibibytes);
        assert!((2_000..=6_000).contains(&http1), "{budget:?}");
        let sum = http1 as u64 * u64::from(budget.http1_kibibytes) * 1024;
        assert!(sum + OWN_BYTES <= 256 << 20, "{budget:?}");
        assert!(budget.possible(budget.http2_kibibytes) >= 500, "{budget:?}");
    }

    #[test]
    fn without_a_memory_limit_the_setting_counts() {
        assert_eq!(budget(None, 20_000).connections, 6000);
        assert_eq!(budget(None, 20_000).possible(budget(None, 20_000).http2_kibibytes), 6000);
        let few = budget(None, 1_000);
        assert_eq!((few.connections + few.farewells) as u64, 1_000 - RESERVED_DESCRIPTORS);
    }

    #[test]
    fn a_tiny_limit_leaves_room_for_a_few() {
        let budget = budget(Some(16 << 20), 20_000);
        assert!(budget.possible(budget.http2_kibibytes) >= 32, "{budget:?}");
    }
}
