//! Counts what happens in the current second, which becomes a [`Second`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::journal::{Bytes, ObservedEvent, Second, Statuses, is_success};
use crate::stats::Times;

use crate::generator::client::Exchange;
use crate::generator::failure::{Detail, Failed, Failure};
use crate::generator::pod_name::{Pod, Pods};
use crate::generator::request::Request;
use crate::generator::secrets;

/// Statuses have three digits.
const STATUSES: usize = 1_000;

/// How many addresses of a second are counted separately, and the name under which all others are.
const ADDRESSES: usize = 1_000;
const OTHERS: &str = "(others)";

/// The maximum number of statuses of which there is an example.
const EXAMPLES: usize = 20;

/// How many bodies of a second all threads match, and how much of each.
const SAMPLES: u32 = 100;
pub(super) const SAMPLED_BYTES: usize = 64 * 1024;

/// How much of a text of others is an example, in characters.
const EXCERPT: usize = 200;

/// A complete answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// Below 1,000, as HTTP has it.
    pub status: u16,
    /// The pod that its document or a header names.
    pub pod: Option<Pod>,
    /// Where a redirect points.
    pub location: Option<Box<[u8]>>,
    /// The body's start, if it is to be matched.
    pub sample: Option<Vec<u8>>,
}

/// What makes an answer a success.
#[derive(Clone, Debug, Default)]
pub struct Success {
    /// The statuses; by default 2xx.
    pub statuses: Option<Statuses>,
    /// What bodies must match: a hundred of each second, shared by the threads.
    pub body: Option<regex::bytes::Regex>,
}

impl Success {
    fn has(&self, status: u16) -> bool {
        self.statuses.as_ref().map_or_else(|| is_success(status), |statuses| statuses.contains(status))
    }
}

/// Counts since the last [`Window::close`]. Counting allocates nothing but a new pod's name and examples of failures.
pub(super) struct Window {
    pub due: u64,
    pub sent: u64,
    pub dropped: u64,
    pub pods: Pods,
    pub lateness: Times,
    pub handshakes: Times,
    pub connections: u64,
    pub bytes_out: u64,
    pub bytes_in: u64,
    latency: Times,
    statuses: Box<[u64; STATUSES]>,
    status_bytes: BTreeMap<u16, Bytes>,
    addresses: BTreeMap<SocketAddr, u64>,
    other_addresses: u64,
    failures: [u64; Failure::ALL.len()],
    succeeded: u64,
    sampled: u32,
    success: Success,
    /// How many bodies of a second are matched here.
    samples: u32,
    examples: Examples,
}

/// The first of each kind of failure.
#[derive(Default)]
struct Examples {
    failures: [bool; Failure::ALL.len()],
    statuses: Vec<u16>,
    mismatch: bool,
    /// Those that were not reported yet.
    new: Vec<ObservedEvent>,
}

impl Window {
    /// The window of one of so many threads.
    pub fn new(success: Success, threads: u32) -> Self {
        Self {
            due: 0,
            sent: 0,
            dropped: 0,
            pods: Pods::default(),
            lateness: Times::default(),
            handshakes: Times::default(),
            connections: 0,
            bytes_out: 0,
            bytes_in: 0,
            latency: Times::default(),
            statuses: Box::new([0; STATUSES]),
            status_bytes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            other_addresses: 0,
            failures: [0; _],
            succeeded: 0,
            sampled: 0,
            success,
            samples: (SAMPLES / threads.max(1)).max(1),
            examples: Examples::default(),
        }
    }

    /// Whether the next answer's body is kept, to be matched.
    pub fn takes_sample(&mut self) -> bool {
        let takes = self.success.body.is_some() && self.sampled < self.samples;
        self.sampled += u32::from(takes);
        takes
    }

    /// Counts the outcome of a request, and its latency.
    pub fn finished<'a>(
        &mut self,
        outcome: Result<Answer, Failed>,
        latency: Duration,
        timeout: Duration,
        Exchange { address, bytes }: Exchange,
        request: impl Fn() -> &'a Request,
    ) {
        if let Some(address) = address {
            self.count_address(address);
        }
        match outcome {
            Ok(answer) => {
                self.latency.record(latency);
                self.statuses[usize::from(answer.status) % STATUSES] += 1;
                *self.status_bytes.entry(answer.status).or_default() += bytes;
                if let Some(pod) = answer.pod {
                    self.pods.count(pod, bytes);
                }
                if !self.success.has(answer.status) {
                    self.examples.of_status(&answer, request);
                } else if self.matches(&answer) {
                    self.succeeded += 1;
                } else {
                    self.examples.of_body(&answer, request);
                }
            }
            Err(failed) => {
                self.failures[failed.class as usize] += 1;
                self.examples.of_failure(&failed, timeout, request);
            }
        }
    }

    fn count_address(&mut self, address: SocketAddr) {
        if let Some(count) = self.addresses.get_mut(&address) {
            *count += 1;
        } else if self.addresses.len() < ADDRESSES {
            self.addresses.insert(address, 1);
        } else {
            self.other_addresses += 1;
        }
    }

    /// Whether the body is as expected, or is not looked at.
    fn matches(&self, answer: &Answer) -> bool {
        match (&self.success.body, &answer.sample) {
            (Some(expected), Some(body)) => expected.is_match(body),
            _ => true,
        }
    }

    /// The examples since the last call.
    pub fn examples(&mut self) -> Vec<ObservedEvent> {
        std::mem::take(&mut self.examples.new)
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        let answered = self.latency.count() + self.failures.iter().sum::<u64>();
        self.due == 0 && answered == 0
    }

    /// The counts as the journal has them. The window is empty after that.
    pub fn close(&mut self, at: f64, in_flight: u64, timeout: Duration) -> Second {
        let statuses = (0u16..).zip(self.statuses.iter_mut()).map(|(status, count)| (status, std::mem::take(count)));
        let mut pods = BTreeMap::new();
        let mut pod_bytes = BTreeMap::new();
        for (name, answers, bytes) in self.pods.take() {
            pod_bytes.insert(name.clone(), bytes);
            pods.insert(name, answers);
        }
        let addresses =
            std::mem::take(&mut self.addresses).into_iter().map(|(address, count)| (address.to_string(), count));
        let others = (OTHERS.to_owned(), std::mem::take(&mut self.other_addresses));
        let failures = Failure::ALL.into_iter().zip(&mut self.failures);
        let succeeded = std::mem::take(&mut self.succeeded);
        // Without expectations of the user's own, the statuses say it.
        let is_told = self.success.statuses.is_some() || self.success.body.is_some();
        let second = Second {
            at,
            due: std::mem::take(&mut self.due),
            sent: std::mem::take(&mut self.sent),
            dropped: std::mem::take(&mut self.dropped),
            statuses: statuses.filter(|(_, count)| *count > 0).collect(),
            failures: failures
                .map(|(failure, count)| (failure, std::mem::take(count)))
                .filter(|(_, count)| *count > 0)
                .map(|(failure, count)| (failure.text(timeout), count))
                .collect(),
            pods,
            status_bytes: std::mem::take(&mut self.status_bytes),
            pod_bytes,
            addresses: addresses.chain([others]).filter(|(_, count)| *count > 0).collect(),
            latency: self.latency.buckets(),
            lateness: self.lateness.buckets(),
            in_flight,
            succeeded: is_told.then_some(succeeded),
            bytes_out: std::mem::take(&mut self.bytes_out),
            bytes_in: std::mem::take(&mut self.bytes_in),
            connections: std::mem::take(&mut self.connections),
            handshakes: self.handshakes.buckets(),
        };
        self.latency.clear();
        self.lateness.clear();
        self.handshakes.clear();
        self.sampled = 0;
        second
    }
}

/// The start of a text of others.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

impl Examples {
    fn of_failure<'a>(&mut self, failed: &Failed, timeout: Duration, request: impl Fn() -> &'a Request) {
        let Failed { class, detail } = failed;
        if std::mem::replace(&mut self.failures[*class as usize], true) {
            return;
        }
        let request = request().name();
        let example = match detail {
            Detail::Nothing => request,
            Detail::Io(error) => format!("{request}: {error}"),
            Detail::Http2(error) => format!("{request}: {error}"),
        };
        self.new.push(ObservedEvent::FirstFailure { failure: *class, cause: class.text(timeout), example });
    }

    fn of_status<'a>(&mut self, answer: &Answer, request: impl Fn() -> &'a Request) {
        let status = answer.status;
        if self.statuses.len() == EXAMPLES || self.statuses.contains(&status) {
            return;
        }
        self.statuses.push(status);
        let request = request();
        let location = answer.location.as_ref().map(|location| {
            let place = secrets::place(&String::from_utf8_lossy(location));
            excerpt(&secrets::hidden(request, place.as_bytes()))
        });
        self.new.push(ObservedEvent::FirstStatus { status, request: request.name(), location });
    }

    fn of_body<'a>(&mut self, answer: &Answer, request: impl Fn() -> &'a Request) {
        if !std::mem::replace(&mut self.mismatch, true) {
            let request = request();
            let body = excerpt(&secrets::hidden(request, answer.sample.as_deref().unwrap_or_default()));
            self.new.push(ObservedEvent::FirstMismatch { request: request.name(), body });
        }
    }
}
