//! Kubernetes' own Events about the HPA, its target and its pods, each reported once.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::runtime::watcher::Event as Change;

use crate::journal::ObjectEvent;
use crate::kube::list::MOST;
use crate::observe::plan::Plan;

/// The Events that were reported, or are from before the run.
#[derive(Default)]
pub struct EventTracker {
    /// How often each had happened, by its uid: Kubernetes counts an Event that happens again.
    counts: BTreeMap<String, Option<i32>>,
    /// Whether the first list is complete. Its Events are from before the run.
    begun: bool,
}

impl EventTracker {
    /// Takes a change, and returns the Event if it is new and about something that is watched. Every list after the
    /// first follows an interruption.
    pub fn take(&mut self, change: Change<Event>, plan: &Plan) -> Option<ObjectEvent> {
        let (event, listed) = match change {
            Change::Apply(event) => (event, false),
            Change::InitApply(event) => (event, true),
            Change::InitDone => {
                self.begun = true;
                return None;
            }
            Change::Init | Change::Delete(_) => return None,
        };
        let object = object(&event, plan)?;
        if self.counts.len() >= MOST {
            // More than a real namespace has. An Event that was reported before may be reported again.
            self.counts.clear();
        }
        let count = event.series.as_ref().and_then(|series| series.count).or(event.count);
        let before = self.counts.insert(event.uid().unwrap_or_default(), count);
        if !self.begun || before == Some(count) {
            return None;
        }
        let event = ObjectEvent {
            object,
            reason: event.reason.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
            warning: event.type_.as_deref() == Some("Warning"),
            pid: None,
        };
        Some(if listed { event.unseen() } else { event })
    }
}

/// Kind and name of the object that the Event is about, if that is watched.
fn object(event: &Event, plan: &Plan) -> Option<String> {
    let object = &event.involved_object;
    let (kind, name) = (object.kind.as_deref()?, object.name.as_deref()?);
    let (_, scaled) = plan.scaled.split_once('/')?;
    let object = format!("{kind}/{name}");
    let is_watched = match kind {
        "HorizontalPodAutoscaler" => name == plan.hpa,
        "Pod" | "ReplicaSet" => name.strip_prefix(scaled).is_some_and(|rest| rest.starts_with('-')),
        _ => object == plan.scaled,
    };
    is_watched.then_some(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::plan::tests::plan;

    fn watched() -> Plan {
        Plan { scaled: "StatefulSet/shop".to_owned(), hpa: "shop-hpa".to_owned(), ..plan() }
    }

    fn event(uid: &str, count: i32, kind: &str, name: &str) -> Event {
        let object = json!({"kind": kind, "name": name});
        let event = json!({"metadata": {"uid": uid}, "involvedObject": object, "reason": "Killing", "message": "it ends",
                           "type": "Normal", "count": count});
        serde_json::from_value(event).unwrap()
    }

    /// The messages of the Events that a list brings.
    fn list(tracker: &mut EventTracker, events: &[Event]) -> Vec<String> {
        let changes = events.iter().cloned().map(Change::InitApply);
        let changes = [Change::Init].into_iter().chain(changes).chain([Change::InitDone]);
        changes.filter_map(|change| tracker.take(change, &watched())).map(|one| one.message).collect()
    }

    #[test]
    fn events_missed_by_a_broken_watch_are_reported_once() {
        let mut tracker = EventTracker::default();
        let before = [event("1", 1, "Pod", "shop-0"), event("2", 3, "Pod", "shop-1")];
        assert!(list(&mut tracker, &before).is_empty(), "they are from before the run");
        let seen = event("3", 1, "HorizontalPodAutoscaler", "shop-hpa");
        assert_eq!(tracker.take(Change::Apply(seen.clone()), &watched()).unwrap().message, "it ends");
        let again = event("2", 4, "Pod", "shop-1");
        let missed = event("4", 1, "StatefulSet", "shop");
        let after = [before[0].clone(), again, seen, missed];
        let unseen = "it ends (this happened while the watch was broken)";
        assert_eq!(list(&mut tracker, &after), [unseen, unseen], "one came again, one is new");
        assert!(list(&mut tracker, &after).is_empty());
        assert_eq!(tracker.take(Change::Apply(after[3].clone()), &watched()), None);
    }

    #[test]
    fn a_first_list_that_broke_off_reports_nothing() {
        let mut tracker = EventTracker::default();
        let before = [event("1", 1, "Pod", "shop-0"), event("2", 1, "Pod", "shop-1")];
        assert_eq!(tracker.take(Change::InitApply(before[0].clone()), &watched()), None);
        assert!(list(&mut tracker, &before).is_empty());
    }

    #[test]
    fn events_of_other_objects_are_not_reported() {
        let mut tracker = EventTracker::default();
        list(&mut tracker, &[]);
        for (kind, name) in
            [("Pod", "shopping-1"), ("Deployment", "shop"), ("HorizontalPodAutoscaler", "shop"), ("Node", "n")]
        {
            assert_eq!(tracker.take(Change::Apply(event("1", 1, kind, name)), &watched()), None, "{kind} {name}");
        }
    }
}
