//! The whole loop on this machine: real servers as replicas behind a balancer, a scraper of their `/metrics`, and the
//! HPA's algorithm, with the manifests' settings. Time may be compressed.

mod balancer;
mod metrics;
mod pods;
mod readiness;
pub mod replica;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::autoscaling::Autoscaler;
use crate::autoscaling::exposition::sum_of;
use crate::autoscaling::hpa::{Controller, Phase, Pod, Reading};
use crate::autoscaling::manifests::Workload;
use crate::autoscaling::predict::Source;
use crate::autoscaling::quantity::milli;
use crate::autoscaling::timing;
use crate::error::Error;
use crate::journal::{Entry, Event, ObjectEvent, ObservedEvent, Scaling};
use crate::session::clock::Clock;
use balancer::Balancer;
use metrics::Metrics;
use pods::Pods;
use shopfront::metrics::REQUESTS_TOTAL;

/// A rehearsal, which runs until it is dropped.
pub struct Rehearsal {
    /// The address of the balancer in front of the replicas.
    pub url: String,
    task: JoinHandle<()>,
}

impl Rehearsal {
    /// Starts the minimum of replicas, and then follows the HPA.
    pub async fn start(
        autoscaler: Autoscaler,
        workload: Workload,
        clock: Clock,
        entries: UnboundedSender<Entry>,
    ) -> Result<Self, Error> {
        let balancer = Balancer::start().await?;
        let url = format!("http://{}/", balancer.address);
        let deployment = autoscaler.scaled.rsplit('/').next().unwrap_or_default().to_owned();
        let pipeline = &autoscaler.pipeline;
        let mut world = World {
            clock,
            pods: Pods::new(clock, workload, pipeline.startup, &deployment),
            metrics: Metrics::new(clock, pipeline),
            controller: Controller::new(&autoscaler),
            replicas: autoscaler.min.max(1),
            next_sync: f64::NEG_INFINITY,
            status: Status::default(),
            deployment,
            autoscaler,
            balancer,
            entries,
        };
        world.reconcile().await?;
        let task = tokio::spawn(async move {
            if let Err(fault) = world.run().await {
                world.emit(ObservedEvent::RehearsalFailed { why: fault.to_string() });
            }
        });
        Ok(Self { url, task })
    }

    /// Ends it and its replicas: a stopped one (`kill -STOP`) would not notice that the tool has ended.
    pub async fn end(mut self) {
        self.task.abort();
        // The error says that it was cancelled, as intended.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The HPA's status.
#[derive(Default)]
struct Status {
    value: Option<f64>,
    conditions: Vec<String>,
}

struct World {
    clock: Clock,
    autoscaler: Autoscaler,
    deployment: String,
    balancer: Balancer,
    pods: Pods,
    metrics: Metrics,
    controller: Controller,
    /// The scaled object's `spec.replicas`.
    replicas: u32,
    next_sync: f64,
    status: Status,
    entries: UnboundedSender<Entry>,
}

impl World {
    async fn run(&mut self) -> Result<(), Error> {
        let mut turn = (self.clock.now() / timing::REHEARSAL_TICK).floor();
        loop {
            turn = (turn + 1.0).max((self.clock.now() / timing::REHEARSAL_TICK).floor());
            self.clock.reaches(turn * timing::REHEARSAL_TICK).await;
            self.reconcile().await?;
            let rates = self.metrics.rates();
            if self.clock.now() >= self.next_sync {
                self.next_sync = self.clock.now().max(self.next_sync) + self.autoscaler.pipeline.sync;
                self.sync(&rates);
                self.reconcile().await?;
            }
            // The journal begins with the load.
            if self.clock.now() > -timing::REHEARSAL_TICK {
                self.record(&rates);
            }
        }
    }

    /// The Deployment's and the kubelet's part.
    async fn reconcile(&mut self) -> Result<(), Error> {
        for event in self.pods.reconcile(self.replicas).await? {
            self.emit(ObservedEvent::Object(event));
        }
        self.balancer.route_to(self.pods.ready());
        // A Service's endpoints also list pods that are not ready, and Prometheus scrapes them.
        self.metrics.discover(self.pods.running().map(|(name, replica, _)| (name, replica.ops_address)));
        Ok(())
    }

    /// A sync of the HPA.
    fn sync(&mut self, rates: &BTreeMap<String, f64>) {
        let names = self.pods.names().map(str::to_owned);
        let pods: Vec<_> = names.map(|name| Pod { name, phase: Phase::Running, leaving: false }).collect();
        let reading = match self.autoscaler.pipeline.source {
            Source::Pods => {
                let known = pods.iter().filter_map(|pod| Some((pod.name.clone(), milli(*rates.get(&pod.name)?))));
                Reading::Pods(known.collect())
            }
            Source::External => Reading::Total(milli(rates.values().sum())),
        };
        let decision = self.controller.decide(self.clock.now(), self.replicas, &pods, Ok(&reading));
        let conditions = decision.conditions.iter().map(ToString::to_string).collect();
        self.status = Status { value: decision.value, conditions };
        self.replicas = decision.desired;
        if let Some(message) = decision.rescaled {
            let name = self.autoscaler.name.rsplit('/').next().unwrap_or_default();
            let rescaled = |object: String, reason: &str| {
                self.emit(ObservedEvent::Object(ObjectEvent::new(object, reason, &message, false)));
            };
            rescaled(format!("HorizontalPodAutoscaler/{name}"), "SuccessfulRescale");
            rescaled(format!("Deployment/{}", self.deployment), "ScalingReplicaSet");
        }
    }

    /// Records the state. Nothing waits for the counters: a replica that hangs does not answer.
    fn record(&self, rates: &BTreeMap<String, f64>) {
        let ready: Vec<_> =
            self.pods.running().filter(|(.., ready)| *ready).map(|(_, replica, _)| replica.ops_address).collect();
        let rate = (!rates.is_empty()).then(|| rates.values().sum());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let scaling = Scaling {
            at: self.clock.now(),
            value: self.status.value,
            counted: None,
            prometheus: rate,
            api: rate,
            desired: self.replicas,
            pods: count(self.pods.count()),
            ready: count(ready.len()),
            conditions: self.status.conditions.clone(),
        };
        let patience = self.clock.pace().real(Duration::from_secs_f64(timing::REHEARSAL_TICK));
        let entries = self.entries.clone();
        tokio::spawn(async move {
            let texts = join_all(ready.iter().map(|address| replica::scrape(*address, patience))).await;
            let counted = texts.iter().map(|text| Some(sum_of(text.as_ref()?, REQUESTS_TOTAL))).sum();
            // The receiver may be gone: the rehearsal has ended.
            let _ = entries.send(Entry::Scaling(Scaling { counted, ..scaling }));
        });
    }

    fn emit(&self, what: ObservedEvent) {
        let _ = self.entries.send(Entry::Event(Event { at: self.clock.now(), what }));
    }
}
