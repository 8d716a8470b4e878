//! `process_*`, with the names and help texts of Prometheus' client libraries.
//!
//! The prometheus crate's own collector counts CPU time in whole seconds, so a pod on a tenth of a core would show none for ten
//! seconds. Systems other than Linux have no `/proc`, and do not get these series.

use std::fs;
use std::sync::Mutex;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Reads the process's figures at each scrape.
pub(super) struct ProcessCollector {
    /// Prevents two concurrent scrapes from adding the same CPU time twice.
    scrape: Mutex<()>,
    cpu_seconds: Counter,
    open_fds: Gauge,
    max_fds: Gauge,
    resident: Gauge,
    virtual_memory: Gauge,
    start_time: Gauge,
}

impl ProcessCollector {
    pub(super) fn new() -> Self {
        let gauge = |name: &str, help: &str| Gauge::new(name, help).expect("names are valid");
        let cpu_seconds = Counter::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
        Self {
            scrape: Mutex::new(()),
            cpu_seconds: cpu_seconds.expect("names are valid"),
            open_fds: gauge("process_open_fds", "Number of open file descriptors."),
            max_fds: gauge("process_max_fds", "Maximum number of open file descriptors."),
            resident: gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
            start_time: gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
        }
    }

    fn collectors(&self) -> [&dyn Collector; 6] {
        let Self { cpu_seconds, open_fds, max_fds, resident, virtual_memory, start_time, .. } = self;
        [cpu_seconds, open_fds, max_fds, resident, virtual_memory, start_time]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes, ticks and descriptors stay far below 2^53")]
    fn collect(&self) -> Vec<MetricFamily> {
        let _one_at_a_time = self.scrape.lock().expect("no scrape panics");
        let Some(stat) = Stat::read() else {
            return Vec::new();
        };
        let ticks_per_second = clock_ticks_per_second() as f64;
        self.cpu_seconds.inc_by((stat.cpu_ticks as f64 / ticks_per_second - self.cpu_seconds.get()).max(0.0));
        self.virtual_memory.set(stat.virtual_bytes as f64);
        self.resident.set((stat.resident_pages * page_size() as u64) as f64);
        if self.start_time.get() == 0.0 {
            self.start_time.set(boot_time().unwrap_or_default() as f64 + stat.start_ticks as f64 / ticks_per_second);
        }
        self.open_fds.set(open_descriptors().unwrap_or_default() as f64);
        self.max_fds.set(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as f64);
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}

/// The fields of `/proc/self/stat` that are needed (proc(5)).
struct Stat {
    /// User and system time.
    cpu_ticks: u64,
    /// Since the machine's boot.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in brackets, which may itself contain brackets and spaces.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // proc(5) counts from 1, and two fields precede the split.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// The number of open descriptors. Since Linux 6.2, it is the folder's size. Before, that is 0, and counting them takes
/// longer the more there are.
fn open_descriptors() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        0 => Some(fs::read_dir(FOLDER).ok()?.count() as u64),
        size => Some(size),
    }
}

/// The time of the machine's boot, in seconds since the Unix epoch.
fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_name_with_brackets_and_spaces_is_parsed() {
        let text =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 3 0 4711 145244160 1315 18446744073709551615 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            (stat.cpu_ticks, stat.start_ticks, stat.virtual_bytes, stat.resident_pages),
            (42, 4711, 145_244_160, 1315)
        );
    }
}
