//! The Deployment and the kubelet: as many pods as are wanted, ready after their time, gone after theirs.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::rehearse::replica::Replica;

/// From SIGTERM to closing connections, in the clock's seconds: the service's own default.
const DRAIN_DELAY: f64 = 5.0;

/// How long a pod takes to come and to go, in the clock's seconds, as the manifests have it.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From being wanted to being ready.
    pub startup: f64,
    /// From being told to leave to SIGTERM (`preStop`).
    pub pre_stop: f64,
    /// From being told to leave to SIGKILL (`terminationGracePeriodSeconds`).
    pub grace: f64,
}

/// A pod that is there.
pub struct Pod {
    /// Its process.
    pub replica: Replica,
    /// When it is ready.
    ready_at: f64,
}

/// All pods.
pub struct Pods {
    clock: Clock,
    timing: Timing,
    prefix: String,
    started: u32,
    there: Vec<Pod>,
    leaving: JoinSet<()>,
}

impl Pods {
    /// None yet; they will be called by the Deployment's name and a number.
    pub fn new(clock: Clock, timing: Timing, deployment: &str) -> Self {
        let prefix = format!("{deployment}-rehearsed");
        Self { clock, timing, prefix, started: 0, there: Vec::new(), leaving: JoinSet::new() }
    }

    /// Brings their number to this. Returns the names of those that were started and of those that were told to leave.
    pub async fn scale(&mut self, wanted: u32) -> Result<(Vec<String>, Vec<String>), Fault> {
        let wanted = wanted as usize;
        let (mut come, mut gone) = (Vec::new(), Vec::new());
        while self.there.len() < wanted {
            self.started += 1;
            let name = format!("{}-{}", self.prefix, self.started);
            let asked = self.clock.now();
            let replica = Replica::start(name.clone(), self.clock.real(DRAIN_DELAY)).await?;
            come.push(name);
            self.there.push(Pod { replica, ready_at: asked + self.timing.startup });
        }
        while self.there.len() > wanted {
            // A ReplicaSet takes those first that are not ready, then the youngest.
            let now = self.clock.now();
            let last = (0..self.there.len()).max_by(|one, other| {
                let key = |index: &usize| (self.there[*index].ready_at > now, self.there[*index].ready_at);
                key(one).partial_cmp(&key(other)).expect("times are numbers")
            });
            let Some(pod) = last.map(|index| self.there.remove(index)) else { break };
            gone.push(pod.replica.name.clone());
            self.dismiss(pod);
        }
        Ok((come, gone))
    }

    fn dismiss(&mut self, pod: Pod) {
        let Timing { pre_stop, grace, .. } = self.timing;
        let (pre_stop, grace) = (self.clock.real(pre_stop), self.clock.real(grace - pre_stop));
        // However short the rehearsed time is, ending takes a moment of the world's.
        let grace = grace.max(Duration::from_secs(5));
        self.leaving.spawn(async move {
            tokio::time::sleep(pre_stop).await;
            pod.replica.stop(grace).await;
        });
    }

    /// Takes away those whose process has ended by itself: their names. The next [`Pods::scale`] replaces
    /// them.
    pub fn bury(&mut self) -> Vec<String> {
        let mut dead = Vec::new();
        self.there.retain_mut(|pod| {
            let ended = pod.replica.has_ended();
            if ended {
                dead.push(pod.replica.name.clone());
            }
            !ended
        });
        while self.leaving.try_join_next().is_some() {}
        dead
    }

    /// Name, address and readiness of each that has not been told to leave.
    pub fn there(&self) -> impl Iterator<Item = (&str, SocketAddr, bool)> {
        let now = self.clock.now();
        self.there.iter().map(move |pod| (pod.replica.name.as_str(), pod.replica.address, pod.ready_at <= now))
    }

    /// How many there are, those that leave included.
    pub fn count(&self) -> usize {
        self.there.len() + self.leaving.len()
    }
}
