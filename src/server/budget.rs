//! The connection limits, derived once at startup from the memory and the descriptors that the process may use.
//!
//! Each connection is charged with the maximum that its client can make the process and the kernel hold. `tests/hostile.rs`
//! and `tests/crowds/` check the figures. So the sum stays below the limit, and clients cannot get the process killed.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cgroup;
use crate::config::Limits;

/// An HTTP/1 connection: its task, its last accepted head, and the parser, whose buffer grows to twice the head's limit.
const HTTP1_BYTES: usize = 16 * 1024;

/// An HTTP/2 connection without its streams: frames, header tables, a header block.
const HTTP2_BYTES: usize = 64 * 1024;

/// An HTTP/2 stream without its response.
const STREAM_BYTES: usize = 4 * 1024;

/// A connection in the kernel: both of its buffers, whose size [`super::bind`] sets, and the socket itself. cgroup v2 counts
/// them as the process's memory.
const KERNEL_BYTES: usize = super::KERNEL_BUFFER_BYTES + 4 * 1024;

/// Reserved for the process itself: it needs about 6 MB idle, and more for threads, log lines and rendering.
const PROCESS_BYTES: u64 = 32 << 20;

/// Standard streams, listeners, the runtimes' descriptors, the files that a scrape opens, and connections to the ops address.
const RESERVED_DESCRIPTORS: u64 = 24 + super::OPS_CONNECTIONS as u64;

/// With fewer descriptors, a handful of silent clients could take all connections.
const MIN_DESCRIPTORS: u64 = 64;

/// The maximum number of rejected clients whose connections are still open.
const MAX_PENDING_REJECTIONS: usize = 256;

/// The connection limits, and the charge for each connection.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The memory limit in bytes.
    memory: Option<u64>,
    /// Concurrent connections.
    pub(super) connections: usize,
    /// Further connections, of clients that are being rejected.
    pub(super) pending_rejections: usize,
    /// KiB that all connections together may hold.
    pub(super) kibibytes: usize,
    /// KiB that an HTTP/1 connection is charged.
    pub(super) http1_kibibytes: u32,
    /// KiB that an HTTP/2 connection is charged.
    pub(super) http2_kibibytes: u32,
    /// KiB that either is charged in addition if it has TLS.
    pub(super) tls_kibibytes: u32,
}

impl Budget {
    /// The budget of this process, whose largest unshared response has `response_bytes`. Raises the soft limit of
    /// descriptors as far as necessary. Fails if there are too few descriptors.
    pub fn for_this_process(limits: &Limits, response_bytes: usize) -> io::Result<Self> {
        let descriptors = descriptors((limits.max_connections + MAX_PENDING_REJECTIONS) as u64 + RESERVED_DESCRIPTORS);
        if descriptors < MIN_DESCRIPTORS {
            return Err(io::Error::other(format!(
                "the limit of open files is {descriptors}; raise it to {MIN_DESCRIPTORS} or more (`ulimit -n`)"
            )));
        }
        Ok(Self::new(limits, response_bytes, cgroup::memory_limit(), descriptors))
    }

    /// Logs the limits and what they are derived from, in one line.
    pub fn log(&self, has_tls: bool) {
        let with_tls = |kibibytes| has_tls.then(|| self.max_connections(kibibytes + self.tls_kibibytes));
        tracing::info!(
            connections = self.connections,
            http1_connections = self.max_connections(self.http1_kibibytes),
            http2_connections = self.max_connections(self.http2_kibibytes),
            tls_http1_connections = with_tls(self.http1_kibibytes),
            tls_http2_connections = with_tls(self.http2_kibibytes),
            memory_limit_mib = self.memory.map(|bytes| bytes >> 20),
            open_files = getrlimit(Resource::Nofile).current,
            "connection limits"
        );
    }

    /// The budget of the ops address: few connections, and no limit on their memory.
    pub(super) const fn for_ops() -> Self {
        Self {
            memory: None,
            connections: super::OPS_CONNECTIONS,
            pending_rejections: 1,
            kibibytes: 1,
            http1_kibibytes: 0,
            http2_kibibytes: 0,
            tls_kibibytes: 0,
        }
    }

    fn new(limits: &Limits, response_bytes: usize, memory: Option<u64>, descriptors: u64) -> Self {
        let available = usize::try_from(descriptors - RESERVED_DESCRIPTORS).unwrap_or(usize::MAX);
        let pending_rejections = (available / 8).clamp(1, MAX_PENDING_REJECTIONS);
        let connections = limits.max_connections.min(available - pending_rejections);
        let in_kibibytes = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let http1 = KERNEL_BYTES + HTTP1_BYTES + 2 * limits.max_header_bytes.max(super::connection::MIN_BUFFER_BYTES);
        let streams = super::connection::MAX_STREAMS as usize * (STREAM_BYTES + response_bytes);
        let http2 = KERNEL_BYTES + HTTP2_BYTES + streams;
        let (http1_kibibytes, http2_kibibytes) = (in_kibibytes(http1), in_kibibytes(http2.max(http1)));
        let tls_kibibytes = in_kibibytes(super::tls::TLS_BYTES);
        let unlimited = connections * (http2_kibibytes + tls_kibibytes) as usize;
        // Half of a small limit is still reserved for the process.
        let kibibytes = memory.map_or(unlimited, |limit| {
            let for_clients = limit - PROCESS_BYTES.min(limit / 2);
            usize::try_from(for_clients / 1024).unwrap_or(unlimited).min(unlimited)
        });
        Self { memory, connections, pending_rejections, kibibytes, http1_kibibytes, http2_kibibytes, tls_kibibytes }
    }

    /// How many connections fit if each is charged this many KiB.
    fn max_connections(&self, kibibytes: u32) -> usize {
        self.connections.min(self.kibibytes / kibibytes as usize)
    }
}

/// How many of the `needed` descriptors the process may have. Systems start processes with a soft limit far below the hard
/// one, for programs that use select(2).
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
    fn memory_limit_of_the_manifest_allows_thousands_of_connections() {
        let budget = budget(Some(256 << 20), 20_000);
        let http1 = budget.max_connections(budget.http1_kibibytes);
        assert!((2_000..=6_000).contains(&http1), "{budget:?}");
        let sum = http1 as u64 * u64::from(budget.http1_kibibytes) * 1024;
        assert!(sum + PROCESS_BYTES <= 256 << 20, "{budget:?}");
        assert!(budget.max_connections(budget.http2_kibibytes) >= 500, "{budget:?}");
    }

    #[test]
    fn max_connections_applies_without_a_memory_limit() {
        assert_eq!(budget(None, 20_000).connections, 6000);
        assert_eq!(budget(None, 20_000).max_connections(budget(None, 20_000).http2_kibibytes), 6000);
        let few = budget(None, 1_000);
        assert_eq!((few.connections + few.pending_rejections) as u64, 1_000 - RESERVED_DESCRIPTORS);
    }

    #[test]
    fn tiny_memory_limit_allows_a_few_connections() {
        let budget = budget(Some(16 << 20), 20_000);
        assert!(budget.max_connections(budget.http2_kibibytes) >= 32, "{budget:?}");
    }
}
