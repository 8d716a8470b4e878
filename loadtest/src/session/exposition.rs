//! `--metrics-address`: the run as it goes on, for Prometheus.

#[cfg(test)]
mod dashboard;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use shopfront::metrics::BUCKETS;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::journal::Entry;
use crate::stats::Total;

/// Scrapes at the same time. One more waits.
const AT_ONCE: usize = 16;

/// How long a scrape may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves `/metrics` until it is dropped.
pub struct Exposition {
    so_far: Arc<Mutex<SoFar>>,
    // Ends with this.
    _serving: JoinSet<()>,
}

/// What has happened so far.
#[derive(Default)]
struct SoFar {
    total: Total,
    in_flight: u64,
}

impl Exposition {
    /// Listens. The error names the flag.
    pub async fn serve(address: SocketAddr) -> Result<Self, Error> {
        let failed = |error| Error::Usage(format!("--metrics-address {address}: cannot listen there: {error}"));
        Ok(Self::with(TcpListener::bind(address).await.map_err(failed)?))
    }

    fn with(listener: TcpListener) -> Self {
        let so_far = Arc::<Mutex<SoFar>>::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&so_far)));
        Self { so_far, _serving: serving }
    }

    /// Counts an entry of the journal.
    pub fn take(&self, entry: &Entry) {
        if let Entry::Second(second) = entry {
            let mut so_far = lock(&self.so_far);
            so_far.total.add(second);
            so_far.in_flight = second.in_flight;
        }
    }
}

fn lock(so_far: &Mutex<SoFar>) -> MutexGuard<'_, SoFar> {
    so_far.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, so_far: Arc<Mutex<SoFar>>) {
    let mut scrapes = JoinSet::new();
    loop {
        if scrapes.len() >= AT_ONCE {
            scrapes.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                scrapes.spawn(answer(stream, Arc::clone(&so_far)));
            }
            // Out of descriptors: the load itself may hold them for a while.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
        while scrapes.try_join_next().is_some() {}
    }
}

/// Answers one request; the connection is closed then.
async fn answer(stream: TcpStream, so_far: Arc<Mutex<SoFar>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &so_far);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let connection = http.keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // A scraper that is too slow, or has gone, is not an error of the run.
    drop(tokio::time::timeout(PATIENCE, connection).await);
}

fn respond(method: &Method, path: &str, so_far: &Mutex<SoFar>) -> Response<Full<Bytes>> {
    let plain = |status, text: String| {
        let response = Response::builder().status(status).header("content-type", "text/plain; version=0.0.4");
        response.body(Full::new(Bytes::from(text))).expect("the status and the header are valid")
    };
    match path {
        "/metrics" if [Method::GET, Method::HEAD].contains(method) => plain(StatusCode::OK, lock(so_far).text()),
        "/metrics" => plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => plain(StatusCode::NOT_FOUND, "there is only /metrics\n".to_owned()),
    }
}

impl SoFar {
    /// In Prometheus' text format.
    fn text(&self) -> String {
        let total = &self.total;
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            // A String takes any write.
            let _ = writeln!(text, "# HELP loadtest_{name} {help}\n# TYPE loadtest_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "loadtest_{name}{labels} {value}");
            }
        };
        let alone = |value: u64| vec![(String::new(), value)];
        one("requests_offered_total", "counter", "Requests that were due.", &alone(total.due));
        one("requests_sent_total", "counter", "Requests that were sent.", &alone(total.sent));
        let dropped = "Requests that were due while the maximum was in flight, and never sent.";
        one("requests_dropped_total", "counter", dropped, &alone(total.dropped));
        one("requests_succeeded_total", "counter", "Answers that are a success.", &alone(total.succeeded));
        let failed = "Requests without an answer, or with one that is not a success.";
        one("requests_failed_total", "counter", failed, &alone(total.failed()));
        let unanswered = total.failures.iter().map(|(cause, count)| (format!("{{cause=\"{cause}\"}}"), *count));
        let help = "Requests that got no answer, by cause.";
        one("requests_unanswered_total", "counter", help, &unanswered.collect::<Vec<_>>());
        let answers = total.statuses.iter().map(|(status, count)| (format!("{{status=\"{status}\"}}"), *count));
        one("answers_total", "counter", "Answers, by status.", &answers.collect::<Vec<_>>());
        one("requests_in_flight", "gauge", "Requests that wait for their answer.", &alone(self.in_flight));
        self.histogram(&mut text);
        text
    }

    /// The latency, in the form of a histogram.
    #[expect(clippy::cast_precision_loss, reason = "no time is longer than twenty minutes")]
    fn histogram(&self, text: &mut String) {
        const NAME: &str = "loadtest_request_duration_seconds";
        let help = "Seconds from the moment at which a request was due until its answer was complete.";
        let _ = writeln!(text, "# HELP {NAME} {help}\n# TYPE {NAME} histogram");
        let times = self.total.latency.buckets();
        let seconds = |micros: u64| micros as f64 / 1e6;
        for bound in BUCKETS {
            let within = times.iter().filter(|(micros, _)| seconds(*micros) <= bound).map(|(_, count)| count);
            let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {}", within.sum::<u64>());
        }
        let count = self.total.latency.count();
        let sum: f64 = times.iter().map(|(micros, count)| seconds(*micros) * *count as f64).sum();
        let _ = writeln!(text, "{NAME}_bucket{{le=\"+Inf\"}} {count}\n{NAME}_sum {sum}\n{NAME}_count {count}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::journal::Second;

    async fn asked(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn seconds_are_added_up_for_prometheus() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exposition = Exposition::with(listener);
        let second = Second {
            due: 12,
            sent: 11,
            dropped: 1,
            statuses: [(200, 8), (503, 1)].into(),
            failures: [("refused".to_owned(), 2)].into(),
            latency: vec![(4_000, 8), (60_000, 1)],
            in_flight: 3,
            ..Second::default()
        };
        for _ in 0..2 {
            exposition.take(&Entry::Second(second.clone()));
        }
        let text = asked(address, "/metrics").await;
        for line in [
            "loadtest_requests_offered_total 24",
            "loadtest_requests_sent_total 22",
            "loadtest_requests_dropped_total 2",
            "loadtest_requests_succeeded_total 16",
            "loadtest_requests_failed_total 6",
            "loadtest_requests_unanswered_total{cause=\"refused\"} 4",
            "loadtest_answers_total{status=\"503\"} 2",
            "loadtest_requests_in_flight 3",
            "loadtest_request_duration_seconds_bucket{le=\"0.005\"} 16",
            "loadtest_request_duration_seconds_bucket{le=\"0.1\"} 18",
            "loadtest_request_duration_seconds_count 18",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("text/plain; version=0.0.4"), "{text}");
        assert!(asked(address, "/").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_bad_usage() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = Exposition::serve(address).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("--metrics-address {address}: cannot listen there: ")), "{error}");
    }
}
