//! Results of requests: totals, and times as histograms that journals contain and that can be added exactly.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::journal::{Bytes, Second, is_success};

/// Times longer than this count as this long: 20 minutes, in microseconds.
const LONGEST: u64 = 20 * 60 * 1_000_000;

/// A histogram of times with three significant digits, from a microsecond to twenty minutes. It takes some kilobytes,
/// and at most 200.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are within what a histogram can do"))
    }
}

impl Times {
    /// Counts a time.
    pub fn record(&mut self, time: Duration) {
        self.record_micros(u64::try_from(time.as_micros()).unwrap_or(LONGEST), 1);
    }

    /// The sum of the buckets of several seconds or generators, as [`Times::buckets`] returns them.
    pub fn joined<'a>(parts: impl IntoIterator<Item = &'a Vec<(u64, u64)>>) -> Self {
        let mut times = Self::default();
        parts.into_iter().for_each(|buckets| times.add(buckets));
        times
    }

    /// Adds buckets, as [`Times::buckets`] returns them.
    pub fn add(&mut self, buckets: &[(u64, u64)]) {
        for (micros, count) in buckets {
            self.record_micros(*micros, *count);
        }
    }

    fn record_micros(&mut self, micros: u64, count: u64) {
        self.0.record_n(micros.min(LONGEST), count).expect("the histogram grows up to the longest time");
    }

    /// The buckets that are not empty: the longest time of each in microseconds, and its count.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
    }

    /// The mean of all times in seconds; none without times.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.mean() / 1e6)
    }

    /// The number of times.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The seconds that this quantile, from 0 to 1, of all times does not exceed, to three digits and rounded up; none
    /// without times.
    #[expect(clippy::cast_precision_loss, reason = "no time is longer than twenty minutes")]
    pub fn seconds(&self, quantile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile) as f64 / 1e6)
    }

    /// Removes all times.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

/// A sum of seconds: those of a whole run, or one second of several generators.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// Requests due.
    pub due: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests that were due while the maximum was in flight.
    pub dropped: u64,
    /// Answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that got no answer, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Answers, by the pod that gave them.
    pub pods: BTreeMap<String, u64>,
    /// From when a request was due to the end of its answer.
    pub latency: Times,
    /// From when a request was due to when it was sent.
    pub lateness: Times,
    /// Answers that are a success.
    pub succeeded: u64,
    /// Whether the user has said what a success is.
    told: bool,
    /// Bytes of HTTP that were sent.
    pub bytes_out: u64,
    /// Bytes of HTTP that were received.
    pub bytes_in: u64,
    /// Bytes of answers and their requests, by status.
    pub status_bytes: BTreeMap<u16, Bytes>,
    /// The same by pod.
    pub pod_bytes: BTreeMap<String, Bytes>,
    /// Requests, by the address that they were sent to.
    pub addresses: BTreeMap<String, u64>,
    /// Connections that were opened.
    pub connections: u64,
    /// How long TLS handshakes took.
    pub handshakes: Times,
}

impl Total {
    /// Adds a second.
    pub fn add(&mut self, second: &Second) {
        self.due += second.due;
        self.sent += second.sent;
        self.dropped += second.dropped;
        join(&mut self.statuses, &second.statuses);
        join(&mut self.failures, &second.failures);
        join(&mut self.pods, &second.pods);
        join(&mut self.status_bytes, &second.status_bytes);
        join(&mut self.pod_bytes, &second.pod_bytes);
        join(&mut self.addresses, &second.addresses);
        self.latency.add(&second.latency);
        self.lateness.add(&second.lateness);
        self.succeeded += succeeded(second);
        self.told |= second.succeeded.is_some();
        self.bytes_out += second.bytes_out;
        self.bytes_in += second.bytes_in;
        self.connections += second.connections;
        self.handshakes.add(&second.handshakes);
    }

    /// Answers, whatever their status.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests that got no answer.
    pub fn unanswered(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Requests that failed: without an answer, or with one that is not a success.
    pub fn failed(&self) -> u64 {
        self.unanswered() + self.answered().saturating_sub(self.succeeded)
    }
}

/// The sum of one second of several generators; `at` is the first one's.
pub fn join_seconds<'a>(seconds: impl IntoIterator<Item = &'a Second>) -> Second {
    let mut seconds = seconds.into_iter().peekable();
    let Some(first) = seconds.next() else { return Second::default() };
    // The common case; adding histograms costs much more.
    if seconds.peek().is_none() {
        return first.clone();
    }
    let mut total = Total::default();
    let mut joined = Second { at: first.at, ..Second::default() };
    for second in std::iter::once(first).chain(seconds) {
        joined.in_flight += second.in_flight;
        total.add(second);
    }
    Second {
        latency: total.latency.buckets(),
        lateness: total.lateness.buckets(),
        handshakes: total.handshakes.buckets(),
        succeeded: total.told.then_some(total.succeeded),
        due: total.due,
        sent: total.sent,
        dropped: total.dropped,
        statuses: total.statuses,
        failures: total.failures,
        pods: total.pods,
        status_bytes: total.status_bytes,
        pod_bytes: total.pod_bytes,
        addresses: total.addresses,
        bytes_out: total.bytes_out,
        bytes_in: total.bytes_in,
        connections: total.connections,
        ..joined
    }
}

/// Requests that failed in this second: without an answer, or with one that is not a success.
pub fn failed(second: &Second) -> u64 {
    let answered: u64 = second.statuses.values().sum();
    second.failures.values().sum::<u64>() + answered.saturating_sub(succeeded(second))
}

/// Requests that were due in this second and never sent.
pub fn dropped(second: &Second) -> u64 {
    second.dropped.max(second.due.saturating_sub(second.sent))
}

/// Answers that are a success.
pub fn succeeded(second: &Second) -> u64 {
    if let Some(succeeded) = second.succeeded {
        return succeeded;
    }
    second.statuses.iter().filter(|(status, _)| is_success(**status)).map(|(_, count)| count).sum()
}

fn join<K: Clone + Ord, V: AddAssign + Copy + Default>(into: &mut BTreeMap<K, V>, counts: &BTreeMap<K, V>) {
    for (key, count) in counts {
        *into.entry(key.clone()).or_default() += *count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_parts_equal_the_whole() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut whole = Times::default();
        let mut joined = Times::default();
        for _ in 0..20 {
            let mut part = Times::default();
            for _ in 0..1_000 {
                let bits = random.u32(1..32);
                let time = Duration::from_micros(random.u64(0..1 << bits));
                part.record(time);
                whole.record(time);
            }
            joined.add(&part.buckets());
        }
        assert_eq!(joined.buckets(), whole.buckets());
        assert_eq!(joined.count(), 20_000);
        for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            assert_eq!(joined.seconds(quantile), whole.seconds(quantile), "{quantile}");
        }
    }

    #[test]
    fn a_quantile_has_three_digits_and_is_rounded_up() {
        let mut times = Times::default();
        (1..=1_000).for_each(|millis| times.record(Duration::from_millis(millis)));
        for (quantile, seconds) in [(0.5, 0.5), (0.99, 0.99), (1.0, 1.0)] {
            let found = times.seconds(quantile).unwrap();
            assert!((seconds..seconds * 1.001).contains(&found), "{quantile}: {found} s");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_quantile_and_times_are_bounded() {
        let mut times = Times::default();
        assert_eq!((times.seconds(0.5), times.seconds(1.0)), (None, None));
        times.record(Duration::MAX);
        assert!(times.seconds(1.0).unwrap() < 1_202.0);
        times.clear();
        assert_eq!(times.count(), 0);
    }

    #[test]
    fn seconds_of_generators_add_up() {
        let second = Second {
            at: 4.0,
            due: 3,
            sent: 2,
            dropped: 1,
            statuses: [(200, 1)].into(),
            failures: [("connection refused".to_owned(), 1)].into(),
            pods: [("a".to_owned(), 1)].into(),
            latency: vec![(250, 1)],
            lateness: vec![(20, 2)],
            in_flight: 5,
            succeeded: None,
            bytes_out: 100,
            bytes_in: 200,
            status_bytes: [(200, Bytes { sent: 90, received: 190 })].into(),
            pod_bytes: [("a".to_owned(), Bytes { sent: 90, received: 190 })].into(),
            addresses: [("10.0.0.1:80".to_owned(), 2)].into(),
            connections: 2,
            handshakes: vec![(700, 2)],
        };
        let joined = join_seconds([&second, &second]);
        assert_eq!((joined.at, joined.due, joined.sent, joined.dropped, joined.in_flight), (4.0, 6, 4, 2, 10));
        assert_eq!((joined.statuses[&200], joined.failures["connection refused"], joined.pods["a"]), (2, 2, 2));
        assert_eq!((joined.latency, joined.lateness), (vec![(250, 2)], vec![(20, 4)]));
        assert_eq!((joined.bytes_out, joined.bytes_in, joined.connections), (200, 400, 4));
        let twice = Bytes { sent: 180, received: 380 };
        assert_eq!((joined.status_bytes[&200], joined.pod_bytes["a"]), (twice, twice));
        assert_eq!(joined.addresses["10.0.0.1:80"], 4);
        assert_eq!((joined.handshakes, joined.succeeded), (vec![(700, 4)], None));
        let told = Second { succeeded: Some(0), ..second.clone() };
        assert_eq!((failed(&second), failed(&told), join_seconds([&second, &told]).succeeded), (1, 2, Some(1)));
        let mut total = Total::default();
        total.add(&second);
        assert_eq!((total.answered(), total.unanswered()), (1, 1));
    }
}
