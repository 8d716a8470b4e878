//! Watches the HPA, its pods and the namespace's events, and tells what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricStatus};
use k8s_openapi::api::core::v1::{self, Pod};
use kube::api::Api;
use kube::runtime::watcher::{self, Event as Change, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::Clock;
use crate::journal::{Entry, Event, Scaling};
use crate::model::quantity;
use crate::observe::chain::{Chain, Readings};
use crate::observe::cluster::{Cluster, Watched, one_line};
use crate::observe::forward::is_ready;

/// A state that does not change is written down again after so long, so that a gap shows an interruption.
const HEARTBEAT: f64 = 5.0;

/// How long the API server may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Between two tries to watch again.
const RETRY: Duration = Duration::from_secs(1);

/// Watches until the receiver of the entries is gone.
pub async fn watch(cluster: Cluster, watched: Watched, chain: Chain, clock: Clock, entries: UnboundedSender<Entry>) {
    let Cluster { client, .. } = cluster;
    let namespace = watched.namespace.as_str();
    let name = format!("metadata.name={}", watched.hpa.name_any());
    let mut hpas = changes::<HorizontalPodAutoscaler>(&client, namespace, watcher::Config::default().fields(&name));
    let mut pods = changes::<Pod>(&client, namespace, watcher::Config::default().labels(&watched.selector));
    let mut events = changes::<v1::Event>(&client, namespace, watcher::Config::default());
    let mut readings = chain.read_each(Duration::from_secs(1));

    let mut view = View {
        clock,
        entries,
        hpa: None,
        pods: None,
        listed: BTreeMap::new(),
        readings: Readings::default(),
        told: None,
        broken: BTreeSet::new(),
    };
    let mut beats = tokio::time::interval(Duration::from_secs(1));
    let mut signs = signs_of_life(&client, namespace, watched.hpa.name_any());
    while !view.entries.is_closed() {
        tokio::select! {
            Some(change) = hpas.next() => view.hpa(change),
            Some(change) = pods.next() => view.pod(change),
            Some(change) = events.next() => view.event(change, &watched),
            Some(now) = readings.recv() => view.readings = now,
            Some(sign) = signs.recv() => view.sign(sign),
            _ = beats.tick() => {}
        }
        view.tell();
    }
}

/// A watch tells nothing where nothing changes, and as little where the API server hangs: so it is asked as well.
fn signs_of_life(client: &Client, namespace: &str, hpa: String) -> UnboundedReceiver<Result<(), String>> {
    let hpas = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), namespace);
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut turns = tokio::time::interval(Duration::from_secs(2));
        while !sender.is_closed() {
            turns.tick().await;
            let sign = match tokio::time::timeout(PATIENCE, hpas.get_opt(&hpa)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(one_line(&error)),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            let _ = sender.send(sign);
        }
    });
    receiver
}

type Changes<K> = BoxStream<'static, watcher::Result<Change<K>>>;

/// What changes. After an error it begins anew with a list: a watch that merely goes on would not tell that it does
/// until something changes.
fn changes<K>(client: &Client, namespace: &str, config: watcher::Config) -> Changes<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let begin = move || watcher(api.clone(), config.clone()).boxed();
    let first = Some(begin());
    stream::unfold((first, begin), |(current, begin)| async move {
        let mut current = if let Some(current) = current {
            current
        } else {
            tokio::time::sleep(RETRY).await;
            begin()
        };
        let change = current.next().await?;
        let current = change.is_ok().then_some(current);
        Some((change, (current, begin)))
    })
    .boxed()
}

/// What is known at the moment.
struct View {
    clock: Clock,
    entries: UnboundedSender<Entry>,
    hpa: Option<HorizontalPodAutoscaler>,
    /// None until they have been listed.
    pods: Option<BTreeMap<String, Pod>>,
    /// Those of a list that is not whole yet.
    listed: BTreeMap<String, Pod>,
    readings: Readings,
    told: Option<Scaling>,
    /// Watches that are interrupted, by what they watch.
    broken: BTreeSet<&'static str>,
}

impl View {
    fn hpa(&mut self, change: watcher::Result<Change<HorizontalPodAutoscaler>>) {
        match self.whole("the HPA", change) {
            Some(Change::Init) => self.hpa = None,
            Some(Change::Apply(hpa) | Change::InitApply(hpa)) => self.hpa = Some(hpa),
            Some(Change::Delete(hpa)) => {
                self.hpa = None;
                self.happened(format!("HorizontalPodAutoscaler/{}", hpa.name_any()), "Deleted", "it is gone", true);
            }
            _ => {}
        }
    }

    fn pod(&mut self, change: watcher::Result<Change<Pod>>) {
        match self.whole("the pods", change) {
            // A list begins anew, and counts once it is whole: what is not in it is gone.
            Some(Change::Init) => self.listed.clear(),
            Some(Change::InitApply(pod)) => drop(self.listed.insert(pod.name_any(), pod)),
            Some(Change::InitDone) => self.pods = Some(std::mem::take(&mut self.listed)),
            Some(Change::Apply(pod)) => {
                let before = self.pods.get_or_insert_default().insert(pod.name_any(), pod.clone());
                if is_ready(&pod) && !before.as_ref().is_some_and(is_ready) {
                    self.happened(format!("Pod/{}", pod.name_any()), "Ready", "it takes requests", false);
                }
                let ended = |pod: &Pod| last_end(pod).map(|(reason, restarts)| (reason.to_owned(), restarts));
                if let Some((reason, restarts)) =
                    ended(&pod).filter(|now| before.as_ref().and_then(ended).as_ref() != Some(now))
                {
                    let message = format!("a container ended ({reason}); {restarts} restarts so far");
                    self.happened(format!("Pod/{}", pod.name_any()), "ContainerEnded", &message, true);
                }
            }
            Some(Change::Delete(pod)) => {
                self.pods.get_or_insert_default().remove(&pod.name_any());
                self.happened(format!("Pod/{}", pod.name_any()), "Gone", "it is gone", false);
            }
            _ => {}
        }
    }

    fn event(&mut self, change: watcher::Result<Change<v1::Event>>, watched: &Watched) {
        // Those of the first list are from before.
        let Some(Change::Apply(event)) = self.whole("the events", change) else { return };
        let object = &event.involved_object;
        let (kind, name) = (object.kind.as_deref().unwrap_or_default(), object.name.as_deref().unwrap_or_default());
        let deployment = watched.scaled.rsplit('/').next().unwrap_or_default();
        let ours = match kind {
            "HorizontalPodAutoscaler" => name == watched.hpa.name_any(),
            "Deployment" => name == deployment,
            "Pod" | "ReplicaSet" => name.strip_prefix(deployment).is_some_and(|rest| rest.starts_with('-')),
            _ => false,
        };
        if ours {
            let warning = event.type_.as_deref() == Some("Warning");
            let message = event.message.as_deref().unwrap_or_default();
            self.happened(format!("{kind}/{name}"), event.reason.as_deref().unwrap_or_default(), message, warning);
        }
    }

    /// The change, if the watch has not broken; the first break and the return are told.
    fn whole<K>(&mut self, what: &'static str, change: watcher::Result<Change<K>>) -> Option<Change<K>> {
        match change {
            // A list that is about to be asked for: nothing has been seen again yet.
            Ok(change @ Change::Init) => Some(change),
            Ok(change) => {
                if self.broken.remove(what) {
                    self.happened("watch".to_owned(), "Resumed", &format!("{what} are seen again"), false);
                }
                Some(change)
            }
            Err(error) => {
                if self.broken.insert(what) {
                    self.happened("watch".to_owned(), "Interrupted", &format!("{what}: {}", one_line(&error)), true);
                }
                None
            }
        }
    }

    fn sign(&mut self, sign: Result<(), String>) {
        let what = "the API server";
        match sign {
            Ok(()) if self.broken.remove(what) => {
                self.happened("watch".to_owned(), "Resumed", "the API server answers again", false);
            }
            Err(error) if self.broken.insert(what) => {
                self.happened("watch".to_owned(), "Interrupted", &format!("{what}: {error}"), true);
            }
            _ => {}
        }
    }

    fn happened(&self, object: String, reason: &str, message: &str, warning: bool) {
        let event =
            Event { at: self.clock.now(), object, reason: reason.to_owned(), message: message.to_owned(), warning };
        // The receiver may be gone: the run has ended.
        let _ = self.entries.send(Entry::Event(event));
    }

    /// Tells the state where it changed, or where it has not been told for a while. While a watch is broken the state
    /// is not known, and nothing is told.
    fn tell(&mut self) {
        let (Some(hpa), Some(pods), true) = (&self.hpa, &self.pods, self.broken.is_empty()) else { return };
        let status = hpa.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default().into_iter().map(|one| {
            format!(
                "{}={} {}: {}",
                one.type_,
                one.status,
                one.reason.unwrap_or_default(),
                one.message.unwrap_or_default()
            )
        });
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let now = Scaling {
            at: self.clock.now(),
            value: status.current_metrics.unwrap_or_default().iter().find_map(value),
            counted: self.readings.counted,
            prometheus: self.readings.prometheus,
            api: self.readings.api,
            wanted: u32::try_from(status.desired_replicas).unwrap_or(0),
            pods: count(pods.len()),
            ready: count(pods.values().filter(|pod| is_ready(pod)).count()),
            says: conditions.collect(),
        };
        let same = |told: &Scaling| Scaling { at: now.at, ..told.clone() } == now && now.at - told.at < HEARTBEAT;
        if !self.told.as_ref().is_some_and(same) {
            let _ = self.entries.send(Entry::Scaling(now.clone()));
            self.told = Some(now);
        }
    }
}

/// The average that the HPA compares with its target.
fn value(metric: &MetricStatus) -> Option<f64> {
    let current = metric.pods.as_ref().map(|pods| &pods.current);
    let current = current.or(metric.external.as_ref().map(|external| &external.current));
    quantity::value(&current?.average_value.as_ref()?.0)
}

/// Why a container last ended, and how often one was started again.
fn last_end(pod: &Pod) -> Option<(&str, i32)> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find_map(|container| {
        let ended = container.last_state.as_ref()?.terminated.as_ref()?;
        Some((ended.reason.as_deref().unwrap_or("no reason given"), container.restart_count))
    })
}
