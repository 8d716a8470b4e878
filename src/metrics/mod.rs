//! Every instrument, with its name, help text, labels and buckets.

mod layer;
mod process;
mod tokio_runtime;

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

pub use layer::{HealthCheck, RequestMetrics, RequestMetricsFuture};

use crate::document::COMPILER;
use crate::endpoints::Endpoint;

/// The counter that the autoscaler uses: the adapter's rule turns it into `http_requests_per_second`.
pub const REQUESTS_TOTAL: &str = "http_requests_total";

/// The histogram of all requests, including scrapes and probes.
pub const REQUESTS: &str = "http_requests";

/// Seconds. These are the default buckets of Prometheus' client libraries, and the reference's. Normally, all requests are in
/// the first one; under overload on a tenth of a core, they spread over the rest.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The value of `path` for a request that no route served: an unknown path, an unsupported method, or any other client
/// error.
pub const UNMATCHED: &str = "unmatched";

/// The closed set of `method` values. Every other method is counted as the last.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"];

/// The label of all other methods.
const OTHER: &str = METHODS[METHODS.len() - 1];

/// The label of a method. The method itself may be as long as a head.
fn method_label(method: &Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

/// The statuses that are counted by themselves: those that the service sends, the usual ones that clients ask `/status` for,
/// and nginx' code for a client that left.
const STATUSES: [u16; 27] = [
    200, 101, 201, 202, 204, 301, 302, 304, 400, 401, 403, 404, 405, 408, 409, 413, 414, 421, 426, 429, 431, 499, 500,
    501, 502, 503, 504,
];

/// The labels of all other statuses: their classes.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The number of `status` values, which are a closed set.
const STATUS_LABELS: usize = STATUSES.len() + CLASSES.len();

/// The place of a status among the labels: first [`STATUSES`], then [`CLASSES`].
fn status_index(status: StatusCode) -> usize {
    let class = || STATUSES.len() + usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
    STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or_else(class)
}

fn status_label(index: usize) -> String {
    STATUSES.get(index).map_or_else(|| CLASSES[index - STATUSES.len()].to_owned(), u16::to_string)
}

/// The number of `path` values: one for each endpoint, and [`UNMATCHED`].
const PATHS: usize = Endpoint::ALL.len() + 1;

/// The two instruments of one combination of labels.
struct Series {
    /// Absent for scrapes, probes and the page's own polling.
    requests: Option<IntCounter>,
    /// Absent for [`UNMATCHED`], for client errors, and for failures that a client asked `/status` for: their latency is not
    /// worth eleven buckets, and clients must not be able to add that many series.
    seconds: Option<prometheus::Histogram>,
}

/// How long clients get the same rendering.
pub const RENDER_INTERVAL: Duration = Duration::from_secs(1);

/// The service's instruments and the registry that `/metrics` reads.
pub struct Metrics {
    registry: Registry,
    requests_total: IntCounterVec,
    requests: HistogramVec,
    connections: IntGauge,
    /// A cell for each combination of labels, which the first request fills. Requests look up nothing by text.
    series: Vec<OnceLock<Series>>,
    /// How the `User-Agent` of a health check begins.
    probe_user_agents: Vec<String>,
    /// The latest rendering, and its time.
    rendered: Mutex<Option<(Instant, Bytes)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every instrument. Must be called inside the tokio runtime whose metrics it exposes.
    pub fn new() -> Self {
        let labels = ["method", "path", "status"];
        let registry = Registry::new();
        let metrics = Self {
            requests_total: register(
                &registry,
                IntCounterVec::new(Opts::new(REQUESTS_TOTAL, "The total number of HTTP requests."), &labels),
            ),
            requests: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(REQUESTS, "Seconds spent serving HTTP requests.").buckets(BUCKETS.to_vec()),
                    &labels,
                ),
            ),
            connections: register(
                &registry,
                IntGauge::new("http_open_connections", "The number of open client connections."),
            ),
            series: (0..PATHS * METHODS.len() * STATUS_LABELS).map(|_| OnceLock::new()).collect(),
            probe_user_agents: Vec::new(),
            rendered: Mutex::new(None),
            registry,
        };
        let build = Opts::new("shopfront_build_info", "The service's version and compiler; always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("rustc", COMPILER);
        register(&metrics.registry, IntGauge::with_opts(build)).set(1);
        let collectors: [Box<dyn prometheus::core::Collector>; 2] =
            [Box::new(process::ProcessCollector::new()), Box::new(tokio_runtime::RuntimeCollector::new())];
        for collector in collectors {
            metrics.registry.register(collector).expect("each instrument is declared once");
        }
        metrics.create_idle_series();
        metrics
    }

    /// The same with health checks whose `User-Agent` begins with one of these.
    #[must_use]
    pub fn with_probes(self, probe_user_agents: Vec<String>) -> Self {
        Self { probe_user_agents, ..self }
    }

    /// Whether a client's `User-Agent` is that of a health check.
    pub(crate) fn is_probe(&self, user_agent: &[u8]) -> bool {
        self.probe_user_agents.iter().any(|start| user_agent.starts_with(start.as_bytes()))
    }

    /// Creates series before their first request. Without the root's, the autoscaler would report `<unknown>`. Without those
    /// of the usual rejections, a random path or method would add one.
    fn create_idle_series(&self) {
        self.series(Some(Endpoint::Root), "GET", StatusCode::OK);
        for method in METHODS {
            self.series(None, method, StatusCode::NOT_FOUND);
        }
        // Most endpoints support GET and HEAD.
        for method in &METHODS[2..] {
            self.series(None, method, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    fn series(&self, endpoint: Option<Endpoint>, method: &str, status: StatusCode) -> &Series {
        let path = endpoint.map_or(Endpoint::ALL.len(), |endpoint| endpoint as usize);
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let index = status_index(status);
        let cell = &self.series[(path * METHODS.len() + method) * STATUS_LABELS + index];
        cell.get_or_init(|| {
            let label = status_label(index);
            let labels = [METHODS[method], endpoint.map_or(UNMATCHED, Endpoint::name), &label];
            let is_failure = status.is_client_error() || endpoint == Some(Endpoint::Status) && !status.is_success();
            Series {
                requests: endpoint
                    .is_none_or(Endpoint::is_for_clients)
                    .then(|| self.requests_total.with_label_values(&labels)),
                seconds: (endpoint.is_some() && !is_failure).then(|| self.requests.with_label_values(&labels)),
            }
        })
    }

    /// Counts a request whose head was rejected. Its path and method are unknown.
    pub fn observe_rejected_head(&self, status: StatusCode) {
        self.observe(None, OTHER, status, Duration::ZERO, false);
    }

    /// Counts a finished request.
    fn observe(&self, endpoint: Option<Endpoint>, method: &str, status: StatusCode, elapsed: Duration, is_probe: bool) {
        let series = self.series(endpoint, method, status);
        if let Some(requests) = series.requests.as_ref().filter(|_| !is_probe) {
            requests.inc();
        }
        if let Some(seconds) = &series.seconds {
            seconds.observe(elapsed.as_secs_f64());
        }
    }

    /// The sum of `http_requests_total` over all its labels.
    pub fn client_requests(&self) -> u64 {
        let counters = self.series.iter().filter_map(|cell| cell.get()?.requests.as_ref());
        counters.map(IntCounter::get).sum()
    }

    /// The gauge of open client connections.
    pub fn connections(&self) -> &IntGauge {
        &self.connections
    }

    /// All series in Prometheus' text format, version 0.0.4, as of now.
    pub fn render(&self) -> Bytes {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a vector takes any write");
        text.into()
    }

    /// The same, rendered at most once in each [`RENDER_INTERVAL`], however often clients request it.
    pub fn render_at_intervals(&self) -> Bytes {
        // Concurrent callers wait for one rendering, and share it.
        let mut latest = self.rendered.lock().expect("no rendering panics");
        match &*latest {
            Some((at, text)) if at.elapsed() < RENDER_INTERVAL => text.clone(),
            _ => {
                let at = Instant::now();
                let text = self.render();
                *latest = Some((at, text.clone()));
                text
            }
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    instrument: prometheus::Result<C>,
) -> C {
    let instrument = instrument.expect("names and labels are valid");
    registry.register(Box::new(instrument.clone())).expect("each instrument is declared once");
    instrument
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rejection;

    #[test]
    fn each_status_of_the_service_has_its_label() {
        for status in Rejection::ALL.map(Rejection::status) {
            assert!(STATUSES.contains(&status.as_u16()), "{status}");
        }
    }

    #[test]
    fn other_status_is_counted_by_its_class() {
        let label = |status| status_label(status_index(StatusCode::from_u16(status).unwrap()));
        for (status, expected) in [(200, "200"), (299, "2xx"), (307, "3xx"), (418, "4xx"), (599, "5xx"), (999, "5xx")] {
            assert_eq!(label(status), expected);
        }
    }
}
