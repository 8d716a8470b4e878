//! The whole loop on this machine: real servers as replicas behind a balancer, a scraper of their `/metrics`, and the
//! HPA's algorithm, with the manifests' settings. Time may be compressed.

mod balancer;
mod metrics;
mod pods;
mod readiness;
pub mod replica;

use std::collections::BTreeMap;

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

/// A rehearsal that goes on until it is dropped.
pub struct Rehearsal {
    /// Where the replicas are reached.
    pub url: String,
    task: JoinHandle<()>,
}

impl Rehearsal {
    /// Starts the least replicas, and from then on whatever the HPA wants.
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
            next_look: f64::NEG_INFINITY,
            seen: Seen::default(),
            deployment,
            autoscaler,
            balancer,
            entries,
        };
        world.reconcile().await?;
        let task = tokio::spawn(async move {
            if let Err(fault) = world.go_on().await {
                world.happened(ObservedEvent::RehearsalFailed { why: fault.to_string() });
            }
        });
        Ok(Self { url, task })
    }

    /// Ends it and the replicas that there are: one that stands still (`kill -STOP`) would not see that its tool has ended.
    pub async fn end(mut self) {
        self.task.abort();
        // It is what it was told to be: cancelled.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What `kubectl get hpa` shows.
#[derive(Default)]
struct Seen {
    value: Option<f64>,
    says: Vec<String>,
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
    next_look: f64,
    seen: Seen,
    entries: UnboundedSender<Entry>,
}

impl World {
    async fn go_on(&mut self) -> Result<(), Error> {
        let mut turn = (self.clock.now() / timing::REHEARSAL_TICK).floor();
        loop {
            turn = (turn + 1.0).max((self.clock.now() / timing::REHEARSAL_TICK).floor());
            self.clock.reaches(turn * timing::REHEARSAL_TICK).await;
            self.reconcile().await?;
            let rates = self.metrics.rates();
            if self.clock.now() >= self.next_look {
                self.next_look = self.clock.now().max(self.next_look) + self.autoscaler.pipeline.sync;
                self.look(&rates);
                self.reconcile().await?;
            }
            // What was before the load began is no part of it.
            if self.clock.now() > -timing::REHEARSAL_TICK {
                self.tell(&rates).await;
            }
        }
    }

    /// The Deployment's and the kubelet's part.
    async fn reconcile(&mut self) -> Result<(), Error> {
        for event in self.pods.reconcile(self.replicas).await? {
            self.happened(ObservedEvent::Object(event));
        }
        self.balancer.route_to(self.pods.ready());
        // The endpoints of a Service list those as well that are not ready, and Prometheus scrapes them.
        self.metrics.discover(self.pods.running().map(|(name, replica, _)| (name, replica.ops_address)));
        Ok(())
    }

    /// The HPA's look.
    fn look(&mut self, rates: &BTreeMap<String, f64>) {
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
        self.seen = Seen { value: decision.value, says: decision.conditions.iter().map(ToString::to_string).collect() };
        self.replicas = decision.desired;
        if let Some(message) = decision.rescaled {
            let name = self.autoscaler.name.rsplit('/').next().unwrap_or_default();
            let rescaled = |object: String, reason: &str| {
                let (reason, message) = (reason.to_owned(), message.clone());
                self.happened(ObservedEvent::Object(ObjectEvent { object, reason, message, warning: false }));
            };
            rescaled(format!("HorizontalPodAutoscaler/{name}"), "SuccessfulRescale");
            rescaled(format!("Deployment/{}", self.deployment), "ScalingReplicaSet");
        }
    }

    async fn tell(&self, rates: &BTreeMap<String, f64>) {
        let ready: Vec<_> =
            self.pods.running().filter(|(.., ready)| *ready).map(|(_, replica, _)| replica.ops_address).collect();
        let counting = async {
            let texts = join_all(ready.iter().map(|ops_address| replica::scrape(*ops_address))).await;
            texts.iter().map(|text| Some(sum_of(text.as_ref()?, REQUESTS_TOTAL))).sum()
        };
        // A replica that hangs is not waited for any longer than its probe does: the world stands still with it.
        let patience = self.clock.real(timing::REHEARSAL_TICK).max(timing::PROBE_AT_LEAST);
        let counted = tokio::time::timeout(patience, counting).await.ok().flatten();
        let rate = (!rates.is_empty()).then(|| rates.values().sum());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let scaling = Scaling {
            at: self.clock.now(),
            value: self.seen.value,
            counted,
            prometheus: rate,
            api: rate,
            wanted: self.replicas,
            pods: count(self.pods.count()),
            ready: count(ready.len()),
            says: self.seen.says.clone(),
        };
        // The receiver may be gone: the rehearsal has ended.
        let _ = self.entries.send(Entry::Scaling(scaling));
    }

    fn happened(&self, what: ObservedEvent) {
        let _ = self.entries.send(Entry::Event(Event { at: self.clock.now(), what }));
    }
}
