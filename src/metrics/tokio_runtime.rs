//! The metrics of the tokio runtime, in place of the reference's for goroutines and garbage collection.

use std::sync::Mutex;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use tokio::runtime::{Handle, RuntimeMetrics};

/// Reads the runtime's figures at each scrape.
pub(super) struct RuntimeCollector {
    /// Locked during a scrape, so two concurrent ones do not add the same busy time twice.
    runtime: Mutex<RuntimeMetrics>,
    workers: Gauge,
    tasks: Gauge,
    queued: Gauge,
    busy_seconds: Counter,
    parks: Counter,
}

impl RuntimeCollector {
    pub(super) fn new() -> Self {
        let gauge = |name: &str, help: &str| Gauge::new(name, help).expect("names are valid");
        let counter = |name: &str, help: &str| Counter::new(name, help).expect("names are valid");
        Self {
            runtime: Mutex::new(Handle::current().metrics()),
            workers: gauge("tokio_workers", "Number of the tokio runtime's worker threads."),
            tasks: gauge("tokio_alive_tasks", "Number of live tokio tasks."),
            queued: gauge("tokio_global_queue_depth", "Number of tasks in the tokio runtime's global queue."),
            busy_seconds: counter(
                "tokio_worker_busy_seconds_total",
                "Total time that tokio worker threads were busy in seconds.",
            ),
            parks: counter(
                "tokio_worker_parks_total",
                "Total number of times that a tokio worker thread had nothing to do.",
            ),
        }
    }

    fn collectors(&self) -> [&dyn Collector; 5] {
        [&self.workers, &self.tasks, &self.queued, &self.busy_seconds, &self.parks]
    }
}

impl Collector for RuntimeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "threads, tasks and parks stay far below 2^53")]
    fn collect(&self) -> Vec<MetricFamily> {
        let runtime = self.runtime.lock().expect("no scrape panics");
        let workers = 0..runtime.num_workers();
        let busy: f64 = workers.clone().map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64()).sum();
        let parks: u64 = workers.map(|worker| runtime.worker_park_count(worker)).sum();
        self.workers.set(runtime.num_workers() as f64);
        self.tasks.set(runtime.num_alive_tasks() as f64);
        self.queued.set(runtime.global_queue_depth() as f64);
        self.busy_seconds.inc_by((busy - self.busy_seconds.get()).max(0.0));
        self.parks.inc_by((parks as f64 - self.parks.get()).max(0.0));
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}
