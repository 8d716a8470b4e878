//! `process_*`, under the names and with the help texts that every Prometheus client library uses.
//!
//! The prometheus crate's own collector counts CPU time in whole seconds, so that a pod on a tenth of a core shows
//! nothing for ten seconds, and knows Linux alone. sysinfo counts milliseconds, and knows the systems that people
//! develop on.

use std::sync::Mutex;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads this process's figures when it is scraped.
pub(super) struct ProcessCollector {
    pid: Pid,
    /// Also keeps two scrapes at once from adding the same CPU time twice.
    system: Mutex<System>,
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
        Self {
            pid: Pid::from_u32(std::process::id()),
            system: Mutex::new(System::new().expect("sysinfo knows the systems that this service runs on")),
            cpu_seconds: Counter::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
                .expect("names are valid"),
            open_fds: gauge("process_open_fds", "Number of open file descriptors."),
            max_fds: gauge("process_max_fds", "Maximum number of open file descriptors."),
            resident: gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
            start_time: gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
        }
    }

    fn collectors(&self) -> [&dyn Collector; 6] {
        [&self.cpu_seconds, &self.open_fds, &self.max_fds, &self.resident, &self.virtual_memory, &self.start_time]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes and descriptors stay far below 2^53")]
    fn collect(&self) -> Vec<MetricFamily> {
        let mut system = self.system.lock().expect("no scrape panics");
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_cpu().with_memory(),
        );
        let Some(process) = system.process(self.pid) else {
            return Vec::new();
        };
        let seconds = process.accumulated_cpu_time() as f64 / 1000.0;
        self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        self.open_fds.set(process.open_files().unwrap_or_default() as f64);
        self.max_fds.set(process.open_files_limit().unwrap_or_default() as f64);
        self.resident.set(process.memory() as f64);
        self.virtual_memory.set(process.virtual_memory() as f64);
        self.start_time.set(process.start_time() as f64);
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}
