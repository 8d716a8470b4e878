//! A run as it happens: a view that is redrawn in place, or lines if the output is not a terminal.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are drawn and read by people: counts are far below 2^52, and no time is negative where it counts"
)]

use std::collections::{BTreeMap, VecDeque};

use super::events;
use crate::journal::{Entry, Event, ObservedEvent, Scaling, Second, Start};
use crate::output::text::{clock, count, fit, rate, seconds};
use crate::profile::Profile;
use crate::stats::{Times, dropped, failed, succeeded};

mod lines;
pub use lines::Lines;

/// The maximum number of lines in a frame.
pub const LINES: usize = 22;

/// The maximum number of pods in a frame.
const PODS: usize = 5;

/// The seconds over which rates, percentiles and shares are calculated: long enough to be readable, short enough to
/// follow.
const WINDOW: usize = 10;

/// The maximum number of seconds in a sparkline.
const HISTORY: usize = 240;

/// The state of the view.
#[derive(Clone, Debug, Default)]
pub struct Live {
    start: Option<Start>,
    history: VecDeque<Second>,
    scaling: Option<Scaling>,
    /// The latest event, in words.
    event: Option<LatestEvent>,
    /// The processes of a rehearsal's replicas, by pod.
    pids: BTreeMap<String, u32>,
    /// The time of the latest entry.
    now: f64,
    ended: bool,
    sent: u64,
    failed: u64,
    dropped: u64,
}

impl Live {
    /// Takes one more entry.
    pub fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Start(start) => self.start = Some(Start::clone(start)),
            Entry::Second(second) => {
                self.now = self.now.max(second.at + 1.0);
                self.sent += second.sent;
                self.failed += failed(second);
                self.dropped += dropped(second);
                self.history.push_back(second.clone());
                if self.history.len() > HISTORY {
                    self.history.pop_front();
                }
            }
            Entry::Scaling(scaling) => {
                self.now = self.now.max(scaling.at);
                self.scaling = Some(scaling.clone());
            }
            Entry::Event(event) => {
                self.now = self.now.max(event.at);
                self.observe(event);
            }
            Entry::End(end) => {
                self.now = self.now.max(end.at);
                self.ended = true;
            }
        }
    }

    fn observe(&mut self, event: &Event) {
        if let ObservedEvent::Object(event) = &event.what
            && let Some(pod) = event.object.strip_prefix("Pod/")
        {
            match event.pid {
                Some(pid) => drop(self.pids.insert(pod.to_owned(), pid)),
                None if matches!(event.reason.as_str(), "Killing" | "ContainerEnded") => drop(self.pids.remove(pod)),
                None => {}
            }
        }
        let sentence = events::text(event).sentence();
        match &mut self.event {
            Some(latest) if latest.sentence == sentence => (latest.at, latest.count) = (event.at, latest.count + 1),
            latest => *latest = Some(LatestEvent { at: event.at, sentence, count: 1 }),
        }
    }

    /// The view as it is now, in at most [`LINES`] lines no wider than `width`, each ended.
    pub fn frame(&self, width: usize) -> String {
        let mut lines = vec![self.title(), self.progress(width), String::new()];
        lines.extend(self.load(width));
        lines.extend(self.autoscaler(width));
        lines.extend(self.pods(width));
        lines.extend(self.faults());
        lines.extend(self.event.iter().map(LatestEvent::line));
        lines.truncate(LINES);
        lines.iter().map(|line| fit(line, width) + "\n").collect()
    }

    fn title(&self) -> String {
        let Some(start) = &self.start else {
            return "loadtest".to_owned();
        };
        let of = start.autoscaler.as_ref().map(|autoscaler| format!(", {}", autoscaler.scaled)).unwrap_or_default();
        let closed = start.clients.map(|clients| format!(", closed loop of {clients}")).unwrap_or_default();
        format!("loadtest → {}{of}{closed}", start.target.url)
    }

    fn progress(&self, width: usize) -> String {
        let stages = self.start.as_ref().map(|start| start.profile.clone()).unwrap_or_default();
        let profile = Profile { stages };
        let all = profile.seconds();
        let (done, left) = (self.now.clamp(0.0, all), (all - self.now).max(0.0));
        let mut begun = 0.0;
        let stage = profile.stages.iter().find(|stage| {
            begun += stage.seconds;
            self.now < begun
        });
        let stage = stage.filter(|_| !self.is_closed_loop());
        let stage = stage.map(|stage| format!(", stage {stage}")).unwrap_or_default();
        let left = if self.ended { "ended".to_owned() } else { format!("{} left{stage}", clock(left)) };
        let bar = bar(done / all.max(1.0), width.saturating_sub(60).clamp(10, 40));
        format!("{bar} {} of {}, {left}", clock(self.now), clock(all))
    }

    fn is_closed_loop(&self) -> bool {
        self.start.as_ref().is_some_and(|start| start.clients.is_some())
    }

    fn recent(&self) -> impl Iterator<Item = &Second> {
        let last = self.history.back().map_or(0.0, |second| second.at);
        self.history.iter().filter(move |second| second.at > last - WINDOW as f64)
    }

    fn load(&self, width: usize) -> Vec<String> {
        let Some(last) = self.history.back() else {
            return vec!["rate       waiting for the first second".to_owned()];
        };
        let seen = self.recent().count() as f64;
        let mean = |figure: &dyn Fn(&Second) -> u64| self.recent().map(figure).sum::<u64>() as f64 / seen;
        let latency = Times::joined(self.recent().map(|second| &second.latency));
        let quantile = |quantile| latency.seconds(quantile).map_or("–".to_owned(), seconds);
        let room = width.saturating_sub(24).min(HISTORY);
        let offered: Vec<u64> = self.history.iter().map(|second| second.due).collect();
        let highest = offered.iter().max().copied().unwrap_or_default();
        let spark = spark(&offered[offered.len().saturating_sub(room)..], highest);
        let (sent, of) = if self.is_closed_loop() { ("sent", ", service time only") } else { ("offered", "") };
        vec![
            format!(
                "rate       {sent} {}/s, succeeded {}/s, in flight {}",
                rate(mean(&|second| second.due)),
                rate(mean(&succeeded)),
                count(last.in_flight)
            ),
            format!("           {spark} peak {}/s", count(highest)),
            format!("latency    p50 {}, p90 {}, p99 {}{of}", quantile(0.5), quantile(0.9), quantile(0.99)),
            format!(
                "requests   {} sent, {} failed, {} dropped",
                count(self.sent),
                count(self.failed),
                count(self.dropped)
            ),
        ]
    }

    fn autoscaler(&self, width: usize) -> Vec<String> {
        let Some(scaling) = &self.scaling else {
            return Vec::new();
        };
        let autoscaler = self.start.as_ref().and_then(|start| start.autoscaler.as_ref());
        let marks = |count: u32, mark: &str| mark.repeat(count.min(20) as usize);
        let waiting = scaling.pods.saturating_sub(scaling.ready);
        let bounds = autoscaler.map(|of| format!(", limits {} to {}", of.min, of.max)).unwrap_or_default();
        let mut lines = vec![
            String::new(),
            format!(
                "replicas   {}{} {} ready of {}, {} desired{bounds}",
                marks(scaling.ready, "■"),
                marks(waiting, "□"),
                scaling.ready,
                scaling.pods,
                scaling.desired
            ),
        ];
        if let Some(autoscaler) = autoscaler {
            let value = scaling.value.map_or("<unknown>".to_owned(), rate);
            let part = scaling.value.unwrap_or_default() / (2.0 * autoscaler.target);
            let bar = bar(part, width.saturating_sub(60).clamp(10, 20));
            lines.push(format!("value      {bar} {value} per pod, target {}", rate(autoscaler.target)));
        }
        lines.extend(scaling.conditions.iter().take(3).map(|says| format!("hpa        {says}")));
        lines
    }

    /// How to break a replica of a rehearsal by hand.
    fn faults(&self) -> Option<String> {
        let pid = self.pids.values().next_back()?;
        Some(format!("break one  kill -9 {pid} | kill -STOP {pid} freezes it, kill -CONT {pid} ends that"))
    }

    fn pods(&self, width: usize) -> Vec<String> {
        let mut answers = BTreeMap::<&str, u64>::new();
        for (pod, count) in self.recent().flat_map(|second| &second.pods) {
            *answers.entry(pod).or_default() += count;
        }
        let all = answers.values().sum::<u64>().max(1) as f64;
        for pod in self.pids.keys() {
            answers.entry(pod).or_default();
        }
        let mut lines: Vec<String> = answers
            .iter()
            .take(PODS)
            .map(|(pod, count)| {
                let share = *count as f64 / all;
                // Pods of one deployment differ in the end of their names.
                let name: String = pod.chars().skip(pod.chars().count().saturating_sub(28)).collect();
                let pid = self.pids.get(*pod).map(|pid| format!("  pid {pid}")).unwrap_or_default();
                format!(
                    "pod        {name:<28} {} {:>3.0} %{pid}",
                    bar(share, width.saturating_sub(60).clamp(10, 30)),
                    100.0 * share
                )
            })
            .collect();
        if answers.len() > PODS {
            lines.push(format!("pod        and {} more", answers.len() - PODS));
        }
        if !lines.is_empty() {
            lines.insert(0, String::new());
        }
        lines
    }
}

/// The latest event.
#[derive(Clone, Debug)]
struct LatestEvent {
    at: f64,
    sentence: String,
    /// How often it happened without another in between.
    count: u64,
}

impl LatestEvent {
    fn line(&self) -> String {
        let times = if self.count > 1 { format!(" (×{})", count(self.count)) } else { String::new() };
        format!("event      {}{times} {}", clock(self.at), self.sentence)
    }
}

/// A bar that is full for this part, from 0 to 1, of its width.
fn bar(part: f64, width: usize) -> String {
    let full = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    "█".repeat(full) + &"░".repeat(width - full)
}

/// A bar for each of these, on a scale up to `highest`.
fn spark(values: &[u64], highest: u64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let index = |value: u64| (value * 7).div_ceil(highest.max(1)) as usize;
    values.iter().map(|value| BARS[index(*value).min(7)]).collect()
}
