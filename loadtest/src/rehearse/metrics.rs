//! Prometheus: scrapes each pod at its own phase, and answers with a rate.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use shopfront::metrics::REQUESTS_TOTAL;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::autoscaling::exposition::sum_of;
use crate::autoscaling::predict::Pipeline;
use crate::autoscaling::rate::{Function, Series};
use crate::autoscaling::timing;
use crate::rehearse::replica::scrape;
use crate::session::clock::Clock;

/// The series of all pods.
pub struct Metrics {
    clock: Clock,
    interval: f64,
    window: f64,
    function: Function,
    series: BTreeMap<String, Series>,
    /// Where each pod is scraped. A restarted container has another address, and its series goes on.
    scraping: BTreeMap<String, (SocketAddr, AbortHandle)>,
    scraped: (UnboundedSender<Scrape>, UnboundedReceiver<Scrape>),
}

struct Scrape {
    pod: String,
    at: i64,
    value: f64,
}

impl Metrics {
    /// Interval and window in the clock's seconds.
    pub fn new(clock: Clock, pipeline: &Pipeline) -> Self {
        let Pipeline { scrape: interval, window, function, .. } = *pipeline;
        let (series, scraping) = (BTreeMap::new(), BTreeMap::new());
        Self { clock, interval, window, function, series, scraping, scraped: unbounded_channel() }
    }

    /// From now on these pods are scraped.
    pub fn discover<'a>(&mut self, pods: impl Iterator<Item = (&'a str, SocketAddr)>) {
        let pods: BTreeMap<_, _> = pods.collect();
        self.scraping.retain(|name, (address, task)| {
            let stays = pods.get(name.as_str()) == Some(address);
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, address) in pods {
            if !self.scraping.contains_key(name) {
                let task = tokio::spawn(keep_scraping(
                    self.clock,
                    self.interval,
                    (name.to_owned(), address),
                    self.scraped.0.clone(),
                ));
                self.scraping.insert(name.to_owned(), (address, task.abort_handle()));
            }
        }
    }

    /// The rate of each pod that has one at this moment.
    pub fn rates(&mut self) -> BTreeMap<String, f64> {
        while let Ok(Scrape { pod, at, value }) = self.scraped.1.try_recv() {
            self.series.entry(pod).or_default().push(at, value);
        }
        let (now, window) = (milliseconds(self.clock.now()), milliseconds(self.window));
        for series in self.series.values_mut() {
            series.forget_until(now - window);
        }
        let value = |series: &Series| series.value(self.function, now, window);
        self.series.iter().filter_map(|(pod, series)| Some((pod.clone(), value(series)?))).collect()
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        for (_, task) in self.scraping.values() {
            task.abort();
        }
    }
}

/// Scrapes a pod at the phase that its name gives it, as Prometheus spreads its targets.
async fn keep_scraping(
    clock: Clock,
    interval: f64,
    (pod, address): (String, SocketAddr),
    scraped: UnboundedSender<Scrape>,
) {
    let mut hasher = DefaultHasher::new();
    pod.hash(&mut hasher);
    let phase = f64::from(u32::try_from(hasher.finish() % 1000).unwrap_or(0)) / 1000.0;
    let patience = clock.pace().real(Duration::from_secs_f64(interval.min(timing::SCRAPE_TIMEOUT)));
    let mut turn = (clock.now() / interval - phase).ceil();
    loop {
        clock.reaches((turn + phase) * interval).await;
        let at = clock.now();
        if let Some(text) = scrape(address, patience).await {
            let value = sum_of(&text, REQUESTS_TOTAL);
            if scraped.send(Scrape { pod: pod.clone(), at: milliseconds(at), value }).is_err() {
                return;
            }
        }
        // After a scrape that took longer than the interval, the missed ones are skipped.
        turn = (turn + 1.0).max((clock.now() / interval - phase).ceil());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a rehearsal lasts days at most")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
