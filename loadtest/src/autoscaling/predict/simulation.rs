//! One case of a prediction, event by event: scrapes, syncs, and pods that become ready.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{Phase, Pipeline, Predicted};
use crate::autoscaling::hpa::{self, Controller, Pod, Reading, Scale};
use crate::autoscaling::rate::Series;
use crate::autoscaling::{Autoscaler, Measured, timing};
use crate::profile::Profile;

/// The pods that one change of the replicas has added. They become ready and are scraped at the same moments, and share
/// the load evenly, so that they have one series.
struct Cohort {
    number: u64,
    names: Vec<String>,
    is_ready: bool,
    next_scrape: f64,
    /// What a pod had been given in all when these became ready.
    start: f64,
    series: Series,
}

/// When something next happens to a cohort: it becomes ready, or it is scraped.
#[derive(PartialEq)]
struct Event {
    at: f64,
    cohort: u64,
}

impl Eq for Event {}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then(self.cohort.cmp(&other.cohort))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The load before there is a pod, as Prometheus knows it: from a load balancer, say.
struct Entrance {
    next_scrape: f64,
    series: Series,
}

pub(super) struct Simulation<'a> {
    profile: &'a Profile,
    pipeline: &'a Pipeline,
    metrics: Vec<Measured>,
    controller: Controller,
    phase: Phase,
    next_sync: f64,
    now: f64,
    due: f64,
    /// What a pod that is ready has been given in all.
    share: f64,
    ready: u32,
    replicas: u32,
    cohorts: Vec<Cohort>,
    events: BinaryHeap<Reverse<Event>>,
    /// What Prometheus still has of pods that have gone.
    gone: Vec<Series>,
    entrance: Option<Entrance>,
    named: u64,
}

impl<'a> Simulation<'a> {
    pub fn new(profile: &'a Profile, autoscaler: &'a Autoscaler, replicas: u32, phase: Phase) -> Self {
        let pipeline = &autoscaler.pipeline;
        let next_sync = phase.look * pipeline.sync;
        let first_scrape = (next_sync - phase.age * pipeline.scrape).rem_euclid(pipeline.scrape);
        let metrics = autoscaler.all_measured();
        let window = metrics.iter().map(|metric| metric.window).fold(pipeline.window, f64::max);
        // Idle for as long as the longest window looks back.
        let mut idle = Series::default();
        let mut at = first_scrape - pipeline.scrape * (window / pipeline.scrape).ceil();
        while at < first_scrape {
            idle.push(milliseconds(at), 0.0);
            at += pipeline.scrape;
        }
        let controller =
            if replicas == 0 { Controller::scaled_to_zero(autoscaler) } else { Controller::new(autoscaler) };
        let entrance = (autoscaler.min == 0).then(|| Entrance { next_scrape: first_scrape, series: idle.clone() });
        let mut simulation = Self {
            profile,
            pipeline,
            metrics,
            controller,
            phase,
            next_sync,
            now: 0.0,
            due: 0.0,
            share: 0.0,
            ready: replicas,
            replicas: 0,
            cohorts: Vec::new(),
            events: BinaryHeap::new(),
            gone: Vec::new(),
            entrance,
            named: 0,
        };
        if replicas > 0 {
            simulation.add(replicas, first_scrape, first_scrape);
            simulation.cohorts[0].is_ready = true;
            simulation.cohorts[0].series = idle;
        }
        simulation
    }

    pub fn run(mut self, seconds: f64) -> Vec<Predicted> {
        let mut moments: Vec<Predicted> = Vec::new();
        loop {
            let entrance = self.entrance.as_ref().map_or(f64::INFINITY, |entrance| entrance.next_scrape);
            let event = self.events.peek().map_or(f64::INFINITY, |Reverse(event)| event.at);
            let next = self.next_sync.min(entrance).min(event);
            if next > seconds {
                return moments;
            }
            let before = self.ready;
            self.serve_until(next);
            self.pass();
            if next >= self.next_sync {
                moments.push(self.sync());
            } else if let Some(last) = moments.last().filter(|_| self.ready > before) {
                moments.push(Predicted { at: self.now, ready: self.ready, ..*last });
            }
        }
    }

    /// The requests until then go to the pods that are ready now; without one they are lost.
    fn serve_until(&mut self, at: f64) {
        let due = self.profile.due_by(at);
        if self.ready > 0 {
            self.share += (due - self.due) / f64::from(self.ready);
        }
        (self.now, self.due) = (at, due);
    }

    /// Everything that happens now.
    fn pass(&mut self) {
        let (now, scrape) = (self.now, self.pipeline.scrape);
        if let Some(entrance) = self.entrance.as_mut().filter(|entrance| entrance.next_scrape <= now) {
            entrance.series.push(milliseconds(now), self.due);
            entrance.next_scrape += scrape;
        }
        while self.events.peek().is_some_and(|Reverse(event)| event.at <= now) {
            let Some(Reverse(Event { cohort: number, .. })) = self.events.pop() else { return };
            // It may have gone since.
            let Ok(index) = self.cohorts.binary_search_by_key(&number, |cohort| cohort.number) else { continue };
            let cohort = &mut self.cohorts[index];
            if cohort.is_ready {
                cohort.series.push(milliseconds(now), self.share - cohort.start);
                cohort.next_scrape += scrape;
            } else {
                (cohort.is_ready, cohort.start) = (true, self.share);
                self.ready += count(cohort.names.len());
            }
            self.events.push(Reverse(Event { at: cohort.next_scrape, cohort: number }));
        }
    }

    fn sync(&mut self) -> Predicted {
        let longest = self.metrics.iter().map(|metric| metric.window).fold(self.pipeline.window, f64::max);
        let oldest = milliseconds(self.now) - milliseconds(longest);
        let series = self.cohorts.iter_mut().map(|cohort| &mut cohort.series).chain(&mut self.gone);
        let entrance = self.entrance.as_mut().map(|entrance| &mut entrance.series);
        series.chain(entrance).for_each(|series| series.forget_until(oldest));
        self.gone.retain(|series| !series.is_empty());

        let readings: Vec<_> = self.metrics.iter().map(|metric| self.reading(metric)).collect();
        let readings: Vec<_> = readings.iter().map(|reading| reading.as_ref().map_err(|why| *why)).collect();
        let of_cohort = |cohort: &Cohort| {
            let phase = if cohort.is_ready { hpa::Phase::Running } else { hpa::Phase::Pending };
            cohort.names.iter().map(move |name| Pod { name: name.clone(), phase, leaving: false }).collect::<Vec<_>>()
        };
        let pods: Vec<_> = self.cohorts.iter().flat_map(of_cohort).collect();
        let scale = Scale { replicas: self.replicas, status: self.replicas };
        let decision = self.controller.sync(self.now, scale, &pods, &readings);
        self.scale_to(decision.desired);
        self.next_sync += self.pipeline.sync;
        let (value, by) = (decision.value, decision.by);
        Predicted { at: self.now, value, by, wanted: decision.desired, ready: self.ready }
    }

    fn reading(&self, metric: &Measured) -> Result<Reading, &'static str> {
        let (now, window) = (milliseconds(self.now), milliseconds(metric.window));
        let rate = |series: &Series| series.value(metric.function, now, window);
        if !metric.metric.is_known_at_zero() {
            // The adapter asks for the pods that there are.
            let of_cohort = |cohort: &Cohort| {
                let value = rate(&cohort.series).map(milli);
                cohort.names.iter().filter_map(move |name| Some((name.clone(), value?))).collect::<Vec<_>>()
            };
            return Ok(Reading::Pods(self.cohorts.iter().flat_map(of_cohort).collect()));
        }
        if let Some(entrance) = &self.entrance {
            return rate(&entrance.series).map(|rate| Reading::Total(milli(rate))).ok_or("no series");
        }
        // A sum names no pods, and has those that went as well.
        let each = self.cohorts.iter().flat_map(|cohort| {
            let value = rate(&cohort.series);
            cohort.names.iter().filter_map(move |_| value)
        });
        let rates: Vec<f64> = each.chain(self.gone.iter().filter_map(rate)).collect();
        if rates.is_empty() { Err("no series") } else { Ok(Reading::Total(milli(rates.iter().sum()))) }
    }

    fn scale_to(&mut self, desired: u32) {
        while self.replicas > desired {
            // The newest go first.
            let Some(cohort) = self.cohorts.last_mut() else { return };
            cohort.names.pop();
            if !cohort.series.is_empty() {
                self.gone.push(cohort.series.clone());
            }
            self.ready -= u32::from(cohort.is_ready);
            self.replicas -= 1;
            if cohort.names.is_empty() {
                self.cohorts.pop();
            }
        }
        if self.replicas < desired {
            let ready = self.now + self.pipeline.startup;
            let first_scrape = ready + self.phase.age * (timing::DISCOVERY_AT_MOST + self.pipeline.scrape);
            self.add(desired - self.replicas, ready, first_scrape);
        }
    }

    /// Adds pods to which something happens at this moment.
    fn add(&mut self, replicas: u32, at: f64, next_scrape: f64) {
        let first = self.named;
        self.named += u64::from(replicas);
        self.replicas += replicas;
        let names = (first + 1..=self.named).map(|number| number.to_string()).collect();
        let series = Series::default();
        self.cohorts.push(Cohort { number: first, names, is_ready: false, next_scrape, start: 0.0, series });
        self.events.push(Reverse(Event { at, cohort: first }));
    }
}

/// As the adapter and KEDA make thousandths of a float: cut off.
#[expect(clippy::cast_possible_truncation, reason = "a rate of requests in thousandths")]
fn milli(rate: f64) -> i64 {
    (rate * 1000.0) as i64
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a load test is no million years long")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
