//! Watches the HPA, its pods and the namespace's events, and tells what changed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{self, Pod};
use kube::api::Api;
use kube::runtime::watcher::{self, Event as Change, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::autoscaling::timing;
use crate::journal::{Entry, Event, Feed, ObjectEvent, ObservedEvent, Scaling};
use crate::kube::list::MOST;
use crate::kube::{Failure, one_line};
use crate::observe::chain::{Chain, Readings};
use crate::observe::plan::{Metric, Plan};
use crate::observe::pods::Pods;
use crate::observe::told::Told;
use crate::session::clock::Clock;

/// The items of a page: five of them are a page of the least pods.
const PAGE: u32 = 100;

/// The most events that are recorded of a run, and the most characters of each message: an API server may send anything.
const EVENTS: u64 = 10_000;
const MESSAGE: usize = 1024;

/// Watches until the receiver of the entries is gone.
pub async fn watch(client: Client, plan: Plan, clock: Clock, entries: UnboundedSender<Entry>) {
    let mut seen = Watches::begin(&client, &plan);
    let mut view = View::new(clock, entries, plan.metric.clone());
    let mut readings = Chain::new(client.clone(), plan.clone()).read_each(Duration::from_secs(1));
    let mut beats = tokio::time::interval(Duration::from_secs(1));
    let mut signs = signs_of_life(&client, &plan.namespace, plan.hpa.clone());
    while !view.entries.is_closed() {
        tokio::select! {
            Some(change) = seen.hpas.next() => view.hpa(change),
            Some(change) = seen.pods.next() => view.pod(change),
            Some(change) = seen.events.next() => view.event(change, &plan),
            Some(now) = readings.recv() => view.readings(now),
            Some(sign) = signs.recv() => {
                if view.sign(sign) {
                    // The connections of before may never say anything again, nor that they will not.
                    seen = Watches::begin(&client, &plan);
                }
            }
            _ = beats.tick() => {}
        }
        view.tell();
    }
}

/// The three watches of a run.
struct Watches {
    hpas: Changes<HorizontalPodAutoscaler>,
    pods: Changes<Pod>,
    events: Changes<v1::Event>,
}

impl Watches {
    fn begin(client: &Client, plan: &Plan) -> Self {
        let namespace = plan.namespace.as_str();
        let name = format!("metadata.name={}", plan.hpa);
        let all = || watcher::Config::default().page_size(PAGE);
        Self {
            hpas: changes(client, namespace, all().fields(&name)),
            pods: changes(client, namespace, all().labels(&plan.pods)),
            events: changes(client, namespace, all()),
        }
    }
}

/// A watch tells nothing where nothing changes, and as little where the API server hangs: so it is asked as well.
fn signs_of_life(client: &Client, namespace: &str, hpa: String) -> UnboundedReceiver<Result<(), Failure>> {
    let hpas = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), namespace);
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut turns = tokio::time::interval(Duration::from_secs(2));
        while !sender.is_closed() {
            turns.tick().await;
            let sign = match tokio::time::timeout(timing::WATCH_ANSWER, hpas.get_opt(&hpa)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Failure::of(&error)),
                Err(_) => Err(Failure::Late(timing::WATCH_ANSWER)),
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
    stream::unfold((first, begin, 0), |(current, begin, listed)| async move {
        let mut current = if let Some(current) = current {
            current
        } else {
            tokio::time::sleep(timing::WATCH_RETRY).await;
            begin()
        };
        let mut change = current.next().await?;
        let listed = match change {
            Ok(Change::InitApply(_)) => listed + 1,
            _ => 0,
        };
        if listed > MOST {
            let excess = Failure::Excess(format!("has more than {MOST} items"));
            change = Err(watcher::Error::InitialListFailed(kube::Error::Service(excess.into())));
        }
        let current = change.is_ok().then_some(current);
        Some((change, (current, begin, listed)))
    })
    .boxed()
}

fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == 403
    )
}

/// Everything that has to be listed again where the API server did not answer for a while.
const WATCHES: [Feed; 3] = [Feed::Hpa, Feed::Pods, Feed::Events];

/// What is known at the moment.
struct View {
    clock: Clock,
    entries: UnboundedSender<Entry>,
    metric: Metric,
    hpa: Option<HorizontalPodAutoscaler>,
    /// That of a list that is not whole yet.
    listed: Option<HorizontalPodAutoscaler>,
    pods: Pods,
    events: Told,
    /// Whether it has been told that they may not be read.
    events_refused: bool,
    readings: Readings,
    /// How many events have been recorded.
    recorded: u64,
    told: Option<Scaling>,
    /// Watches that are interrupted, by what they watch.
    broken: BTreeSet<Feed>,
    /// Watches whose list is not whole.
    listing: BTreeSet<Feed>,
}

impl View {
    fn new(clock: Clock, entries: UnboundedSender<Entry>, metric: Metric) -> Self {
        Self {
            clock,
            entries,
            metric,
            hpa: None,
            listed: None,
            pods: Pods::default(),
            events: Told::default(),
            events_refused: false,
            readings: Readings::default(),
            recorded: 0,
            told: None,
            broken: BTreeSet::new(),
            listing: WATCHES.into(),
        }
    }

    fn hpa(&mut self, change: watcher::Result<Change<HorizontalPodAutoscaler>>) {
        let gone = |hpa: &HorizontalPodAutoscaler| ObjectEvent {
            object: format!("HorizontalPodAutoscaler/{}", hpa.name_any()),
            reason: "Deleted".to_owned(),
            message: "it is gone".to_owned(),
            warning: true,
        };
        match self.whole(Feed::Hpa, change) {
            Some(Change::Init) => self.listed = None,
            Some(Change::InitApply(hpa)) => self.listed = Some(hpa),
            Some(Change::InitDone) => {
                let before = std::mem::replace(&mut self.hpa, self.listed.take());
                if let Some(before) = before.filter(|_| self.hpa.is_none()) {
                    self.happened(ObservedEvent::Object(gone(&before).unseen()));
                }
            }
            Some(Change::Apply(hpa)) => self.hpa = Some(hpa),
            Some(Change::Delete(hpa)) => {
                self.hpa = None;
                self.happened(ObservedEvent::Object(gone(&hpa)));
            }
            None => {}
        }
    }

    fn pod(&mut self, change: watcher::Result<Change<Pod>>) {
        let Some(mut change) = self.whole(Feed::Pods, change) else { return };
        if let Change::Apply(pod) | Change::InitApply(pod) = &mut change {
            // There may be thousands, and they are kept.
            (pod.spec, pod.metadata.managed_fields, pod.metadata.annotations) = (None, None, None);
        }
        self.pods.take(change).into_iter().for_each(|event| self.happened(ObservedEvent::Object(event)));
    }

    fn event(&mut self, change: watcher::Result<Change<v1::Event>>, plan: &Plan) {
        if let Err(error) = &change
            && is_forbidden(error)
        {
            if !std::mem::replace(&mut self.events_refused, true) {
                let right = format!("list and watch events in namespace {}", plan.namespace);
                let why = format!("the right to {right} is missing");
                self.happened(ObservedEvent::Unread { feed: Feed::Events, why });
            }
            return;
        }
        let Some(change) = self.whole(Feed::Events, change) else { return };
        self.events.take(change, plan).into_iter().for_each(|event| self.happened(ObservedEvent::Object(event)));
    }

    fn readings(&mut self, mut now: Readings) {
        for (feed, why) in std::mem::take(&mut now.unread) {
            self.happened(ObservedEvent::Unread { feed, why });
        }
        self.readings = now;
    }

    /// The change, if the watch has not broken; the first break and the return are told.
    fn whole<K>(&mut self, feed: Feed, change: watcher::Result<Change<K>>) -> Option<Change<K>> {
        match &change {
            // A list that is about to be asked for: nothing has been seen again yet.
            Ok(Change::Init) => drop(self.listing.insert(feed)),
            Ok(change) => {
                if matches!(change, Change::InitDone) {
                    self.listing.remove(&feed);
                }
                if self.broken.remove(&feed) {
                    self.happened(ObservedEvent::WatchResumed { feed });
                }
            }
            Err(error) => {
                if self.broken.insert(feed) {
                    self.happened(ObservedEvent::WatchInterrupted { feed, why: one_line(error) });
                }
            }
        }
        change.ok()
    }

    /// Whether the API server answers again, after it had not.
    fn sign(&mut self, sign: Result<(), Failure>) -> bool {
        match sign {
            Ok(()) if self.broken.remove(&Feed::ApiServer) => {
                self.happened(ObservedEvent::WatchResumed { feed: Feed::ApiServer });
                // What is known is from before; all is listed again.
                self.listing = WATCHES.into();
                return true;
            }
            Err(failure) if self.broken.insert(Feed::ApiServer) => {
                let why = failure.to_string();
                self.happened(ObservedEvent::WatchInterrupted { feed: Feed::ApiServer, why });
            }
            _ => {}
        }
        false
    }

    fn happened(&mut self, mut what: ObservedEvent) {
        self.recorded += 1;
        if self.recorded > EVENTS {
            return;
        }
        if let Some(message) = what.message_mut()
            && let Some((end, _)) = message.char_indices().nth(MESSAGE)
        {
            message.truncate(end);
        }
        // The receiver may be gone: the run has ended.
        let _ = self.entries.send(Entry::Event(Event { at: self.clock.now(), what }));
        if self.recorded == EVENTS - 1 {
            self.happened(ObservedEvent::Truncated { recorded: self.recorded });
        }
    }

    /// Tells the state where it changed, or where it has not been told for a while. While a watch is broken, or lists
    /// what it missed, the state is not known, and nothing is told. Events are no part of it.
    fn tell(&mut self) {
        let unknown = |feed: &Feed| self.broken.contains(feed) || self.listing.contains(feed);
        let known = ![Feed::ApiServer, Feed::Hpa, Feed::Pods].iter().any(unknown);
        let (Some(hpa), Some((pods, ready)), true) = (&self.hpa, self.pods.count(), known) else { return };
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
            value: self.metric.value(&status.current_metrics.unwrap_or_default()),
            counted: self.readings.counted,
            prometheus: self.readings.prometheus,
            api: self.readings.api,
            wanted: u32::try_from(status.desired_replicas).unwrap_or(0),
            pods: count(pods),
            ready: count(ready),
            says: conditions.collect(),
        };
        let same =
            |told: &Scaling| Scaling { at: now.at, ..told.clone() } == now && now.at - told.at < timing::HEARTBEAT;
        if !self.told.as_ref().is_some_and(same) {
            let _ = self.entries.send(Entry::Scaling(now.clone()));
            self.told = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::observe::plan::tests::plan;

    fn list<K>(one: K) -> [watcher::Result<Change<K>>; 3] {
        [Ok(Change::Init), Ok(Change::InitApply(one)), Ok(Change::InitDone)]
    }

    #[test]
    fn what_was_known_before_a_stall_is_not_told_after_it_until_all_is_listed_again() {
        let (entries, mut told) = unbounded_channel();
        let mut view = View::new(Clock::new(Instant::now(), 1.0), entries, plan().metric);
        let mut states = |view: &mut View| {
            // As after a heartbeat.
            view.told = None;
            view.tell();
            let all = std::iter::from_fn(|| told.try_recv().ok());
            all.filter(|entry| matches!(entry, Entry::Scaling(_))).count()
        };
        let all = |view: &mut View| {
            for change in list(HorizontalPodAutoscaler::default()) {
                view.hpa(change);
            }
            for change in list(Pod::default()) {
                view.pod(change);
            }
            for change in list(v1::Event::default()) {
                view.event(change, &plan());
            }
        };
        all(&mut view);
        assert_eq!(states(&mut view), 1);
        assert!(!view.sign(Err(Failure::Other("no answer".to_owned()))));
        assert_eq!(states(&mut view), 0);
        assert!(view.sign(Ok(())), "the watches begin anew");
        assert_eq!(states(&mut view), 0);
        all(&mut view);
        assert_eq!(states(&mut view), 1);
    }
}
