//! The Deployment and the kubelet: they start and terminate pods, probe their readiness, and restart containers.

use std::net::SocketAddr;
use tokio::task::JoinSet;

use crate::autoscaling::manifests::{Probe, Workload};
use crate::autoscaling::timing;
use crate::error::Error;
use crate::journal::ObjectEvent;
use crate::rehearse::readiness::{ProbeResult, Readiness};
use crate::rehearse::replica::Replica;
use crate::session::clock::Clock;

/// A pod that does not terminate.
struct Pod {
    name: String,
    /// How often its container was restarted.
    restarts: u32,
    container: Container,
}

enum Container {
    Runs(Box<Replica>, Readiness),
    /// It has ended, and is restarted at this moment.
    Ended(f64),
}

/// All pods.
pub struct Pods {
    clock: Clock,
    workload: Workload,
    /// From the start of a container to its first probe, in the clock's seconds.
    startup: f64,
    prefix: String,
    /// How many names were given out.
    named: u32,
    current: Vec<Pod>,
    terminating: JoinSet<()>,
}

impl Pods {
    /// No pod yet. Their names are the Deployment's name and a number. A pod listens after `startup`.
    pub fn new(clock: Clock, workload: Workload, startup: f64, deployment: &str) -> Self {
        // A readiness probe finds a pod ready half a period after it listens, on average.
        let probed = workload.readiness.as_ref().map_or(0.0, |probe| probe.period / 2.0);
        let (prefix, startup) = (format!("{deployment}-rehearsed"), startup + probed);
        Self { clock, workload, startup, prefix, named: 0, current: Vec::new(), terminating: JoinSet::new() }
    }

    /// Starts or terminates pods until there are this many, restarts containers that ended, and updates readiness.
    pub async fn reconcile(&mut self, desired: u32) -> Result<Vec<ObjectEvent>, Error> {
        while self.terminating.try_join_next().is_some() {}
        let mut happened = Vec::new();
        for pod in &mut self.current {
            happened.extend(pod.update(self.clock));
            if matches!(pod.container, Container::Ended(until) if until <= self.clock.now()) {
                pod.container = start(self.clock, &pod.name, self.startup, self.workload.readiness.as_ref()).await?;
                happened.push(pod.started());
            }
        }
        let desired = desired as usize;
        while self.current.len() < desired {
            self.named += 1;
            let name = format!("{}-{}", self.prefix, self.named);
            let container = start(self.clock, &name, self.startup, self.workload.readiness.as_ref()).await?;
            let pod = Pod { name, restarts: 0, container };
            happened.push(pod.started());
            self.current.push(pod);
        }
        while self.current.len() > desired {
            // A ReplicaSet removes pods that are not ready first, then the youngest.
            let last = (0..self.current.len()).max_by_key(|index| (!self.current[*index].is_ready(), *index));
            let Some(pod) = last.map(|index| self.current.remove(index)) else { break };
            happened.push(pod.event("Killing", "it is terminating", false));
            self.terminate(pod);
        }
        Ok(happened)
    }

    fn terminate(&mut self, pod: Pod) {
        let Container::Runs(replica, _) = pod.container else { return };
        let Workload { pre_stop, grace, .. } = self.workload;
        let (pre_stop, grace) = (self.clock.real(pre_stop), self.clock.real(grace - pre_stop));
        self.terminating.spawn(async move {
            tokio::time::sleep(pre_stop).await;
            replica.stop(grace).await;
        });
    }

    /// The names of the pods that do not terminate.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.current.iter().map(|pod| pod.name.as_str())
    }

    /// Name, process and readiness of each of these pods whose container runs.
    pub fn running(&self) -> impl Iterator<Item = (&str, &Replica, bool)> {
        self.current.iter().filter_map(|pod| match &pod.container {
            Container::Runs(replica, readiness) => Some((pod.name.as_str(), &**replica, readiness.ready)),
            Container::Ended(_) => None,
        })
    }

    /// The addresses of the ready pods.
    pub fn ready(&self) -> Vec<SocketAddr> {
        self.running().filter(|(.., ready)| *ready).map(|(_, replica, _)| replica.address).collect()
    }

    /// The number of pods, including those that terminate.
    pub fn count(&self) -> usize {
        self.current.len() + self.terminating.len()
    }
}

/// Starts a container.
async fn start(clock: Clock, pod: &str, startup: f64, probe: Option<&Probe>) -> Result<Container, Error> {
    let begun = clock.now();
    let replica = Replica::start(pod, clock.pace()).await?;
    let readiness = Readiness::start(clock, replica.address, probe, begun + startup);
    Ok(Container::Runs(Box::new(replica), readiness))
}

impl Pod {
    fn is_ready(&self) -> bool {
        matches!(&self.container, Container::Runs(_, readiness) if readiness.ready)
    }

    /// Its process listens.
    fn started(&self) -> ObjectEvent {
        let pid = match &self.container {
            Container::Runs(replica, _) => replica.pid(),
            Container::Ended(_) => None,
        };
        ObjectEvent { pid, ..self.event("Started", "its process listens", false) }
    }

    /// An event, in the words of a cluster's own.
    fn event(&self, reason: &str, message: &str, warning: bool) -> ObjectEvent {
        ObjectEvent::new(format!("Pod/{}", self.name), reason, message, warning)
    }

    /// Takes note of what its container did, and returns that.
    fn update(&mut self, clock: Clock) -> Vec<ObjectEvent> {
        let Container::Runs(replica, readiness) = &mut self.container else { return Vec::new() };
        if let Some(how) = replica.has_ended() {
            let wait = back_off(self.restarts);
            self.restarts += 1;
            self.container = Container::Ended(clock.now() + wait);
            let ended = format!("a container ended ({how}); {} restarts so far", self.restarts);
            let mut happened = vec![self.event("ContainerEnded", &ended, true)];
            if wait > 0.0 {
                happened.push(self.event("BackOff", "Back-off restarting failed container", true));
            }
            return happened;
        }
        let results = readiness.update().into_iter().map(|result| match result {
            ProbeResult::Ready => self.event("Ready", "it is ready", false),
            ProbeResult::Unhealthy(why) => self.event("Unhealthy", &why, true),
        });
        results.collect()
    }
}

/// How long an ended container waits, by how often it was restarted before: the first time not at all.
fn back_off(restarts: u32) -> f64 {
    restarts.checked_sub(1).map_or(0.0, |doubled| {
        (timing::RESTART_BACK_OFF * f64::from(doubled).exp2()).min(timing::RESTART_BACK_OFF_AT_MOST)
    })
}

#[cfg(test)]
mod tests {
    use super::back_off;

    #[test]
    fn a_container_that_keeps_ending_waits_longer_each_time() {
        let waits: Vec<f64> = (0..8).map(back_off).collect();
        assert_eq!(waits, [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]);
    }
}
