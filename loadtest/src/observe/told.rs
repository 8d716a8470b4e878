//! Kubernetes' own Events about the HPA, what it scales and its pods: each told once.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::runtime::watcher::Event as Change;

use crate::journal::ObjectEvent;
use crate::kube::list::MOST;
use crate::observe::plan::Plan;

/// What has been told, or was there before there was anything to tell.
#[derive(Default)]
pub struct Told {
    /// How often each had happened by then, by its uid: Kubernetes counts an Event that comes again.
    counts: BTreeMap<String, Option<i32>>,
    /// Whether the first list is whole. What is in it is from before the run.
    begun: bool,
}

impl Told {
    /// Takes a change in, and tells of the Event if it is news of what is watched. A list that comes after the first is
    /// one after an interruption.
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
            // More than there are where nobody makes them up: what was told before may be told again.
            self.counts.clear();
        }
        let count = event.series.as_ref().and_then(|series| series.count).or(event.count);
        let before = self.counts.insert(event.uid().unwrap_or_default(), count);
        if !self.begun || before == Some(count) {
            return None;
        }
        let happening = ObjectEvent {
            object,
            reason: event.reason.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
            warning: event.type_.as_deref() == Some("Warning"),
        };
        Some(if listed { happening.unseen() } else { happening })
    }
}

/// Kind and name of what the Event is about, where that is watched.
fn object(event: &Event, plan: &Plan) -> Option<String> {
    let object = &event.involved_object;
    let (kind, name) = (object.kind.as_deref()?, object.name.as_deref()?);
    let (_, scaled) = plan.scaled.split_once('/')?;
    let object = format!("{kind}/{name}");
    let ours = match kind {
        "HorizontalPodAutoscaler" => name == plan.hpa,
        "Pod" | "ReplicaSet" => name.strip_prefix(scaled).is_some_and(|rest| rest.starts_with('-')),
        _ => object == plan.scaled,
    };
    ours.then_some(object)
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

    /// The messages that a list is told by.
    fn list(told: &mut Told, events: &[Event]) -> Vec<String> {
        let changes = events.iter().cloned().map(Change::InitApply);
        let changes = [Change::Init].into_iter().chain(changes).chain([Change::InitDone]);
        changes.filter_map(|change| told.take(change, &watched())).map(|one| one.message).collect()
    }

    #[test]
    fn events_that_a_broken_watch_missed_are_told_once() {
        let mut told = Told::default();
        let before = [event("1", 1, "Pod", "shop-0"), event("2", 3, "Pod", "shop-1")];
        assert!(list(&mut told, &before).is_empty(), "they are from before the run");
        let seen = event("3", 1, "HorizontalPodAutoscaler", "shop-hpa");
        assert_eq!(told.take(Change::Apply(seen.clone()), &watched()).unwrap().message, "it ends");
        let again = event("2", 4, "Pod", "shop-1");
        let missed = event("4", 1, "StatefulSet", "shop");
        let after = [before[0].clone(), again, seen, missed];
        let unseen = "it ends (this happened while the watch was broken)";
        assert_eq!(list(&mut told, &after), [unseen, unseen], "one came again, one is new");
        assert!(list(&mut told, &after).is_empty());
        assert_eq!(told.take(Change::Apply(after[3].clone()), &watched()), None);
    }

    #[test]
    fn a_first_list_that_broke_off_tells_nothing() {
        let mut told = Told::default();
        let before = [event("1", 1, "Pod", "shop-0"), event("2", 1, "Pod", "shop-1")];
        assert_eq!(told.take(Change::InitApply(before[0].clone()), &watched()), None);
        assert!(list(&mut told, &before).is_empty());
    }

    #[test]
    fn what_happens_to_others_is_not_told() {
        let mut told = Told::default();
        list(&mut told, &[]);
        for (kind, name) in
            [("Pod", "shopping-1"), ("Deployment", "shop"), ("HorizontalPodAutoscaler", "shop"), ("Node", "n")]
        {
            assert_eq!(told.take(Change::Apply(event("1", 1, kind, name)), &watched()), None, "{kind} {name}");
        }
    }
}
