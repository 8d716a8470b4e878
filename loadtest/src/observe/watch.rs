//! Watches the HPA, its pods and the namespace's Events, and reports what changed.

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
use crate::observe::events::EventTracker;
use crate::observe::plan::{Metric, Plan};
use crate::observe::pods::Pods;
use crate::session::clock::Clock;

/// The items in a page of a list.
const PAGE: u32 = 100;

/// The maximum number of recorded events, and of characters in a message: an API server may send anything.
const EVENTS: u64 = 10_000;
const MESSAGE: usize = 1024;

/// Watches until the receiver of the entries is dropped.
pub async fn watch(client: Client, plan: Plan, clock: Clock, entries: UnboundedSender<Entry>) {
    let mut watches = Watches::start(&client, &plan);
    let mut state = State::new(clock, entries, plan.metric.clone());
    let mut readings = Chain::new(client.clone(), plan.clone()).read_each(Duration::from_secs(1));
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut polls = poll_api_server(&client, &plan.namespace, plan.hpa.clone());
    while !state.entries.is_closed() {
        tokio::select! {
            Some(change) = watches.hpas.next() => state.hpa(change),
            Some(change) = watches.pods.next() => state.pod(change),
            Some(change) = watches.events.next() => state.event(change, &plan),
            Some(now) = readings.recv() => state.readings(now),
            Some(answer) = polls.recv() => {
                if state.polled(answer) {
                    // The old connections may stay silent forever, without an error.
                    watches = Watches::start(&client, &plan);
                }
            }
            _ = ticks.tick() => {}
        }
        state.record();
    }
}

/// The three watches of a run.
struct Watches {
    hpas: Changes<HorizontalPodAutoscaler>,
    pods: Changes<Pod>,
    events: Changes<v1::Event>,
}

impl Watches {
    fn start(client: &Client, plan: &Plan) -> Self {
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

/// A watch is silent when nothing changes, and also when the API server hangs. Polling tells the two apart.
fn poll_api_server(client: &Client, namespace: &str, hpa: String) -> UnboundedReceiver<Result<(), Failure>> {
    let hpas = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), namespace);
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(2));
        while !sender.is_closed() {
            ticks.tick().await;
            let answer = match tokio::time::timeout(timing::WATCH_ANSWER, hpas.get_opt(&hpa)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Failure::of(&error)),
                Err(_) => Err(Failure::Late(timing::WATCH_ANSWER)),
            };
            let _ = sender.send(answer);
        }
    });
    receiver
}

type Changes<K> = BoxStream<'static, watcher::Result<Change<K>>>;

/// The changes of a kind of object. After an error, the watch starts again with a list: one that merely continued would
/// not show that it works until something changes.
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
    let start = move || watcher(api.clone(), config.clone()).boxed();
    let first = Some(start());
    stream::unfold((first, start, 0), |(current, start, listed)| async move {
        let mut current = if let Some(current) = current {
            current
        } else {
            tokio::time::sleep(timing::WATCH_RETRY).await;
            start()
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
        Some((change, (current, start, listed)))
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

/// The watches that are started again after the API server did not answer for a while.
const WATCHES: [Feed; 3] = [Feed::Hpa, Feed::Pods, Feed::Events];

/// What is known at the moment.
struct State {
    clock: Clock,
    entries: UnboundedSender<Entry>,
    metric: Metric,
    hpa: Option<HorizontalPodAutoscaler>,
    /// The HPA of a list that is not complete yet.
    listed: Option<HorizontalPodAutoscaler>,
    pods: Pods,
    events: EventTracker,
    /// Whether the missing right to read them was recorded.
    events_refused: bool,
    readings: Readings,
    /// How many events have been recorded.
    recorded: u64,
    /// The state that was last recorded.
    last: Option<Scaling>,
    /// Watches that are interrupted.
    broken: BTreeSet<Feed>,
    /// Watches whose list is not complete.
    listing: BTreeSet<Feed>,
}

impl State {
    fn new(clock: Clock, entries: UnboundedSender<Entry>, metric: Metric) -> Self {
        Self {
            clock,
            entries,
            metric,
            hpa: None,
            listed: None,
            pods: Pods::default(),
            events: EventTracker::default(),
            events_refused: false,
            readings: Readings::default(),
            recorded: 0,
            last: None,
            broken: BTreeSet::new(),
            listing: WATCHES.into(),
        }
    }

    fn hpa(&mut self, change: watcher::Result<Change<HorizontalPodAutoscaler>>) {
        let gone = |hpa: &HorizontalPodAutoscaler| {
            let object = format!("HorizontalPodAutoscaler/{}", hpa.name_any());
            ObjectEvent::new(object, "Deleted", "it is gone", true)
        };
        match self.accept(Feed::Hpa, change) {
            Some(Change::Init) => self.listed = None,
            Some(Change::InitApply(hpa)) => self.listed = Some(hpa),
            Some(Change::InitDone) => {
                let before = std::mem::replace(&mut self.hpa, self.listed.take());
                if let Some(before) = before.filter(|_| self.hpa.is_none()) {
                    self.emit(ObservedEvent::Object(gone(&before).unseen()));
                }
            }
            Some(Change::Apply(hpa)) => self.hpa = Some(hpa),
            Some(Change::Delete(hpa)) => {
                self.hpa = None;
                self.emit(ObservedEvent::Object(gone(&hpa)));
            }
            None => {}
        }
    }

    fn pod(&mut self, change: watcher::Result<Change<Pod>>) {
        let Some(mut change) = self.accept(Feed::Pods, change) else { return };
        if let Change::Apply(pod) | Change::InitApply(pod) = &mut change {
            // There may be thousands of pods, and they are kept in memory.
            (pod.spec, pod.metadata.managed_fields, pod.metadata.annotations) = (None, None, None);
        }
        self.pods.take(change).into_iter().for_each(|event| self.emit(ObservedEvent::Object(event)));
    }

    fn event(&mut self, change: watcher::Result<Change<v1::Event>>, plan: &Plan) {
        if let Err(error) = &change
            && is_forbidden(error)
        {
            if !std::mem::replace(&mut self.events_refused, true) {
                let right = format!("list and watch events in namespace {}", plan.namespace);
                let why = format!("the right to {right} is missing");
                self.emit(ObservedEvent::Unread { feed: Feed::Events, why });
            }
            return;
        }
        let Some(change) = self.accept(Feed::Events, change) else { return };
        self.events.take(change, plan).into_iter().for_each(|event| self.emit(ObservedEvent::Object(event)));
    }

    fn readings(&mut self, mut now: Readings) {
        for (feed, why) in std::mem::take(&mut now.unread) {
            self.emit(ObservedEvent::Unread { feed, why });
        }
        self.readings = now;
    }

    /// The change, unless the watch broke. An interruption and its end are recorded once.
    fn accept<K>(&mut self, feed: Feed, change: watcher::Result<Change<K>>) -> Option<Change<K>> {
        match &change {
            // A list is about to be requested: nothing is known again yet.
            Ok(Change::Init) => drop(self.listing.insert(feed)),
            Ok(change) => {
                if matches!(change, Change::InitDone) {
                    self.listing.remove(&feed);
                }
                if self.broken.remove(&feed) {
                    self.emit(ObservedEvent::WatchResumed { feed });
                }
            }
            Err(error) => {
                if self.broken.insert(feed) {
                    self.emit(ObservedEvent::WatchInterrupted { feed, why: one_line(error) });
                }
            }
        }
        change.ok()
    }

    /// Whether the API server answers again after an interruption.
    fn polled(&mut self, answer: Result<(), Failure>) -> bool {
        match answer {
            Ok(()) if self.broken.remove(&Feed::ApiServer) => {
                self.emit(ObservedEvent::WatchResumed { feed: Feed::ApiServer });
                // What is known is old: everything is listed again.
                self.listing = WATCHES.into();
                return true;
            }
            Err(failure) if self.broken.insert(Feed::ApiServer) => {
                let why = failure.to_string();
                self.emit(ObservedEvent::WatchInterrupted { feed: Feed::ApiServer, why });
            }
            _ => {}
        }
        false
    }

    fn emit(&mut self, mut what: ObservedEvent) {
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
            self.emit(ObservedEvent::Truncated { recorded: self.recorded });
        }
    }

    /// Records the state if it changed, or was not recorded for a while. While a watch is broken, or lists what it
    /// missed, the state is unknown, and nothing is recorded. Events are not part of it.
    fn record(&mut self) {
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
            desired: u32::try_from(status.desired_replicas).unwrap_or(0),
            pods: count(pods),
            ready: count(ready),
            conditions: conditions.collect(),
        };
        let same =
            |last: &Scaling| Scaling { at: now.at, ..last.clone() } == now && now.at - last.at < timing::HEARTBEAT;
        if !self.last.as_ref().is_some_and(same) {
            let _ = self.entries.send(Entry::Scaling(now.clone()));
            self.last = Some(now);
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
    fn after_a_stall_no_state_is_recorded_until_all_is_listed_again() {
        let (entries, mut recorded) = unbounded_channel();
        let mut state = State::new(Clock::new(Instant::now(), 1.0), entries, plan().metric);
        let mut states = |state: &mut State| {
            // As after a heartbeat.
            state.last = None;
            state.record();
            let all = std::iter::from_fn(|| recorded.try_recv().ok());
            all.filter(|entry| matches!(entry, Entry::Scaling(_))).count()
        };
        let all = |state: &mut State| {
            for change in list(HorizontalPodAutoscaler::default()) {
                state.hpa(change);
            }
            for change in list(Pod::default()) {
                state.pod(change);
            }
            for change in list(v1::Event::default()) {
                state.event(change, &plan());
            }
        };
        all(&mut state);
        assert_eq!(states(&mut state), 1);
        assert!(!state.polled(Err(Failure::Other("no answer".to_owned()))));
        assert_eq!(states(&mut state), 0);
        assert!(state.polled(Ok(())), "the watches begin anew");
        assert_eq!(states(&mut state), 0);
        all(&mut state);
        assert_eq!(states(&mut state), 1);
    }
}
