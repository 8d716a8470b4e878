//! Counts what happens in the current second, which becomes a [`Second`].

use std::time::Duration;

use crate::journal::Second;
use crate::stats::Times;

use crate::generator::failure::Failure;
use crate::generator::pod_name::{Pod, Pods};

/// Statuses have three digits.
const STATUSES: usize = 1_000;

/// A complete answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Below 1,000, as HTTP has it.
    pub status: u16,
    /// The pod that its document names.
    pub pod: Option<Pod>,
}

/// Counts since the last [`Window::close`]. Counting allocates nothing but a new pod's name.
pub(super) struct Window {
    pub due: u64,
    pub sent: u64,
    pub dropped: u64,
    pub pods: Pods,
    pub lateness: Times,
    latency: Times,
    statuses: Box<[u64; STATUSES]>,
    failures: [u64; Failure::ALL.len()],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            due: 0,
            sent: 0,
            dropped: 0,
            pods: Pods::default(),
            lateness: Times::default(),
            latency: Times::default(),
            statuses: Box::new([0; STATUSES]),
            failures: [0; _],
        }
    }
}

impl Window {
    /// Counts the outcome of a request, and its latency.
    pub fn finished(&mut self, outcome: Result<Answer, Failure>, latency: Duration) {
        match outcome {
            Ok(answer) => {
                self.latency.record(latency);
                self.statuses[usize::from(answer.status) % STATUSES] += 1;
                if let Some(pod) = answer.pod {
                    self.pods.count(pod);
                }
            }
            Err(failure) => self.failures[failure as usize] += 1,
        }
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        let answered = self.latency.count() + self.failures.iter().sum::<u64>();
        self.due == 0 && answered == 0
    }

    /// The counts as the journal has them. The window is empty after that.
    pub fn close(&mut self, at: f64, in_flight: u64, timeout: Duration) -> Second {
        let statuses = (0u16..).zip(self.statuses.iter_mut()).map(|(status, count)| (status, std::mem::take(count)));
        let failures = Failure::ALL.into_iter().zip(&mut self.failures);
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
            pods: self.pods.take().collect(),
            latency: self.latency.buckets(),
            lateness: self.lateness.buckets(),
            in_flight,
        };
        self.latency.clear();
        self.lateness.clear();
        second
    }
}
