//! The Deployment and the kubelet: as many pods as are wanted, ready when their probe says so, gone after their time,
//! and a container that has ended started again.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::autoscaling::manifests::{Probe, Workload};
use crate::autoscaling::timing;
use crate::error::Error;
use crate::journal::ObjectEvent;
use crate::rehearse::readiness::{Finding, Readiness};
use crate::rehearse::replica::Replica;
use crate::session::clock::Clock;

/// A pod that has not been told to leave.
struct Pod {
    name: String,
    /// How often its container was started again.
    restarts: u32,
    container: Container,
}

enum Container {
    Runs(Box<Replica>, Readiness),
    /// It has ended, and is started again at this moment.
    Ended(f64),
}

/// All pods.
pub struct Pods {
    clock: Clock,
    workload: Workload,
    /// From a container's being started to its first probe, in the clock's seconds.
    startup: f64,
    prefix: String,
    named: u32,
    there: Vec<Pod>,
    leaving: JoinSet<()>,
}

impl Pods {
    /// None yet; they will be called by the Deployment's name and a number. A pod listens after `startup`.
    pub fn new(clock: Clock, workload: Workload, startup: f64, deployment: &str) -> Self {
        // A readiness probe finds a pod ready half a period after it listens, on average.
        let probed = workload.readiness.as_ref().map_or(0.0, |probe| probe.period / 2.0);
        let (prefix, startup) = (format!("{deployment}-rehearsed"), startup + probed);
        Self { clock, workload, startup, prefix, named: 0, there: Vec::new(), leaving: JoinSet::new() }
    }

    /// Brings their number to this, their containers back to life, and their readiness up to date.
    pub async fn reconcile(&mut self, wanted: u32) -> Result<Vec<ObjectEvent>, Error> {
        while self.leaving.try_join_next().is_some() {}
        let mut happened = Vec::new();
        for pod in &mut self.there {
            happened.extend(pod.look(self.clock));
            if matches!(pod.container, Container::Ended(until) if until <= self.clock.now()) {
                pod.container = start(self.clock, &pod.name, self.startup, self.workload.readiness.as_ref()).await?;
                happened.push(pod.happened("Started", "its process listens", false));
            }
        }
        let wanted = wanted as usize;
        while self.there.len() < wanted {
            self.named += 1;
            let name = format!("{}-{}", self.prefix, self.named);
            let container = start(self.clock, &name, self.startup, self.workload.readiness.as_ref()).await?;
            let pod = Pod { name, restarts: 0, container };
            happened.push(pod.happened("Started", "its process listens", false));
            self.there.push(pod);
        }
        while self.there.len() > wanted {
            // A ReplicaSet takes those first that are not ready, then the youngest.
            let last = (0..self.there.len()).max_by_key(|index| (!self.there[*index].is_ready(), *index));
            let Some(pod) = last.map(|index| self.there.remove(index)) else { break };
            happened.push(pod.happened("Killing", "it was told to leave", false));
            self.dismiss(pod);
        }
        Ok(happened)
    }

    fn dismiss(&mut self, pod: Pod) {
        let Container::Runs(replica, _) = pod.container else { return };
        let Workload { pre_stop, grace, .. } = self.workload;
        let (pre_stop, grace) = (self.clock.real(pre_stop), self.clock.real(grace - pre_stop));
        // However short the rehearsed time is, ending takes a moment of the world's.
        let grace = grace.max(Duration::from_secs(5));
        self.leaving.spawn(async move {
            tokio::time::sleep(pre_stop).await;
            replica.stop(grace).await;
        });
    }

    /// The names of those that have not been told to leave.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.there.iter().map(|pod| pod.name.as_str())
    }

    /// Name, process and readiness of each of these whose container runs.
    pub fn running(&self) -> impl Iterator<Item = (&str, &Replica, bool)> {
        self.there.iter().filter_map(|pod| match &pod.container {
            Container::Runs(replica, readiness) => Some((pod.name.as_str(), &**replica, readiness.ready)),
            Container::Ended(_) => None,
        })
    }

    /// Where those are reached that take requests.
    pub fn ready(&self) -> Vec<SocketAddr> {
        self.running().filter(|(.., ready)| *ready).map(|(_, replica, _)| replica.address).collect()
    }

    /// How many there are, those that leave included.
    pub fn count(&self) -> usize {
        self.there.len() + self.leaving.len()
    }
}

/// Starts a container.
async fn start(clock: Clock, pod: &str, startup: f64, probe: Option<&Probe>) -> Result<Container, Error> {
    let asked = clock.now();
    let replica = Replica::start(pod, clock.real(timing::DRAIN_DELAY)).await?;
    let readiness = Readiness::start(clock, replica.address, probe, asked + startup);
    Ok(Container::Runs(Box::new(replica), readiness))
}

impl Pod {
    fn is_ready(&self) -> bool {
        matches!(&self.container, Container::Runs(_, readiness) if readiness.ready)
    }

    /// In the words of a cluster's events.
    fn happened(&self, reason: &str, message: &str, warning: bool) -> ObjectEvent {
        let object = format!("Pod/{}", self.name);
        ObjectEvent { object, reason: reason.to_owned(), message: message.to_owned(), warning }
    }

    /// What has become of its container.
    fn look(&mut self, clock: Clock) -> Vec<ObjectEvent> {
        let Container::Runs(replica, readiness) = &mut self.container else { return Vec::new() };
        if let Some(how) = replica.has_ended() {
            let wait = back_off(self.restarts);
            self.restarts += 1;
            self.container = Container::Ended(clock.now() + wait);
            let ended = format!("a container ended ({how}); {} restarts so far", self.restarts);
            let mut happened = vec![self.happened("ContainerEnded", &ended, true)];
            if wait > 0.0 {
                happened.push(self.happened("BackOff", "Back-off restarting failed container", true));
            }
            return happened;
        }
        let findings = readiness.look();
        let told = findings.into_iter().map(|finding| match finding {
            Finding::Ready => self.happened("Ready", "it takes requests", false),
            Finding::Unhealthy(why) => self.happened("Unhealthy", &why, true),
        });
        told.collect()
    }
}

/// How long a container that has ended waits, by how often it was started again before: the first time not at all.
fn back_off(restarts: u32) -> f64 {
    restarts.checked_sub(1).map_or(0.0, |doubled| {
        (timing::RESTART_BACK_OFF * f64::from(doubled).exp2()).min(timing::RESTART_BACK_OFF_AT_MOST)
    })
}

#[cfg(test)]
mod tests {
    use super::back_off;

    #[test]
    fn a_container_that_ends_again_and_again_waits_ever_longer() {
        let waits: Vec<f64> = (0..8).map(back_off).collect();
        assert_eq!(waits, [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]);
    }
}
