//! Every instrument, once: its name, its help text, its labels, its buckets.

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

pub use layer::{Counted, CountedFuture};

use crate::app::Endpoint;
use crate::facts::COMPILER;

/// The counter that the autoscaler lives on: the adapter's rule turns it into `http_requests_per_second`.
pub const REQUESTS_TOTAL: &str = "http_requests_total";

/// The histogram of all requests, scrapes and probes included.
pub const REQUESTS: &str = "http_requests";

/// Seconds. The Prometheus clients' default buckets, which the reference has too: a service that answers in
/// microseconds fills the first, and one that is in trouble on a tenth of a core spreads over the rest.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The value of `path` for a request that no route answered: an unknown path, a method that its route does not know, or
/// whatever else is the client's fault.
pub const UNMATCHED: &str = "unmatched";

/// The closed set of `method` values; every other method is the last.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"];

/// The label of a method that has none of its own.
const OTHER: &str = METHODS[METHODS.len() - 1];

/// A method's label. The method itself may be as long as a head.
fn known(method: &Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

/// The closed set of `status` values: what the service can answer, and nginx' code for a client that left before its
/// answer. A status that is not here would be counted as the first, which is an error of ours.
const STATUSES: [u16; 13] = [500, 200, 400, 404, 405, 408, 413, 414, 421, 431, 499, 501, 503];

/// `path` values: one an endpoint, and one for what no route answered.
const PATHS: usize = Endpoint::ALL.len() + 1;

/// The two instruments of one combination of labels.
struct Series {
    /// Absent for scrapes, probes and the page's own polling.
    requests: Option<IntCounter>,
    /// Absent for what no route answered: a refusal has no latency worth eleven buckets, and strangers are not to add
    /// series by the dozen.
    seconds: Option<prometheus::Histogram>,
}

/// How old a text that strangers are given may become before the series are rendered again.
pub const RENDER_INTERVAL: Duration = Duration::from_secs(1);

/// The service's instruments and the registry that `/metrics` reads.
pub struct Metrics {
    registry: Registry,
    requests_total: IntCounterVec,
    requests: HistogramVec,
    connections: IntGauge,
    /// One cell a combination of labels, filled at its first request: the request itself looks nothing up by text.
    series: Vec<OnceLock<Series>>,
    /// The latest text, and when it was rendered.
    rendered: Mutex<Option<(Instant, Bytes)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every instrument. To be called inside a tokio runtime, whose own metrics it reads.
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
            series: (0..PATHS * METHODS.len() * STATUSES.len()).map(|_| OnceLock::new()).collect(),
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

    /// The series that must be there before their first request. The root's: an autoscaler that finds no series says
    /// `<unknown>`. The usual refusals': so that no random path or method adds one.
    fn create_idle_series(&self) {
        self.series(Some(Endpoint::Root), "GET", StatusCode::OK);
        for method in METHODS {
            self.series(None, method, StatusCode::NOT_FOUND);
        }
        // GET and HEAD are allowed everywhere.
        for method in &METHODS[2..] {
            self.series(None, method, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    fn series(&self, endpoint: Option<Endpoint>, method: &str, status: StatusCode) -> &Series {
        let path = endpoint.map_or(Endpoint::ALL.len(), |endpoint| endpoint as usize);
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(0);
        let cell = &self.series[(path * METHODS.len() + method) * STATUSES.len() + status];
        cell.get_or_init(|| {
            let status = STATUSES[status].to_string();
            let labels = [METHODS[method], endpoint.map_or(UNMATCHED, Endpoint::name), &status];
            Series {
                requests: endpoint
                    .is_none_or(Endpoint::is_for_clients)
                    .then(|| self.requests_total.with_label_values(&labels)),
                seconds: endpoint.is_some().then(|| self.requests.with_label_values(&labels)),
            }
        })
    }

    /// Counts a request whose head was never whole, or no head: nobody knows what it asked for.
    pub fn observe_broken_head(&self, status: StatusCode) {
        self.observe(None, OTHER, status, Duration::ZERO);
    }

    /// Counts a request that has been answered, or given up.
    fn observe(&self, endpoint: Option<Endpoint>, method: &str, status: StatusCode, elapsed: Duration) {
        let endpoint = endpoint.filter(|_| !status.is_client_error());
        let series = self.series(endpoint, method, status);
        if let Some(requests) = &series.requests {
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

    /// The same, as of now or at most one [`RENDER_INTERVAL`] ago: whatever strangers ask for, it costs no more than that.
    pub fn render_at_intervals(&self) -> Bytes {
        // Whoever comes while another renders waits for that, and has the same.
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
    use crate::error::Refusal;

    #[test]
    fn every_status_that_the_service_can_answer_has_its_label() {
        for status in Refusal::ALL.map(Refusal::status) {
            assert!(STATUSES.contains(&status.as_u16()), "{status}");
        }
    }
}
