//! The pods as last observed, and what happened to them since.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher::Event as Change;

use crate::journal::ObjectEvent;
use crate::kube::forward::is_ready;
use crate::kube::list::MOST;

/// All pods by name.
#[derive(Default)]
pub struct Pods {
    /// None before the first complete list.
    known: Option<BTreeMap<String, Pod>>,
    /// The pods of a list that is not complete yet.
    listed: BTreeMap<String, Pod>,
}

impl Pods {
    /// Takes a change, and returns what happened.
    pub fn take(&mut self, change: Change<Pod>) -> Vec<ObjectEvent> {
        match change {
            // A list counts once it is complete: a pod that is not in it is gone.
            Change::Init => self.listed.clear(),
            Change::InitApply(pod) => drop(self.listed.insert(pod.name_any(), pod)),
            Change::InitDone => {
                let now = std::mem::take(&mut self.listed);
                // The first list is the state at the start: nothing has happened yet.
                let happened = self.known.as_ref().map(|before| differences(before, &now)).unwrap_or_default();
                self.known = Some(now);
                return happened;
            }
            Change::Apply(pod) => {
                let known = self.known.get_or_insert_default();
                if known.len() >= MOST && !known.contains_key(&pod.name_any()) {
                    return Vec::new();
                }
                let before = known.insert(pod.name_any(), pod.clone());
                return changes(before.as_ref(), &pod).collect();
            }
            Change::Delete(pod) => {
                self.known.get_or_insert_default().remove(&pod.name_any());
                return vec![gone(&pod)];
            }
        }
        Vec::new()
    }

    /// The number of pods, and of ready ones; none before the first complete list.
    pub fn count(&self) -> Option<(usize, usize)> {
        let known = self.known.as_ref()?;
        Some((known.len(), known.values().filter(|pod| is_ready(pod)).count()))
    }
}

/// What happened from one list to the next.
fn differences(before: &BTreeMap<String, Pod>, now: &BTreeMap<String, Pod>) -> Vec<ObjectEvent> {
    // A StatefulSet gives a new pod the name of the old one.
    let same = |one: &&Pod, other: &Pod| one.uid() == other.uid();
    let left = before.iter().filter(|(name, pod)| now.get(*name).is_none_or(|now| !same(&now, pod)));
    let there = now.iter().flat_map(|(name, pod)| changes(before.get(name).filter(|before| same(before, pod)), pod));
    left.map(|(_, pod)| gone(pod)).chain(there).map(ObjectEvent::unseen).collect()
}

/// What happened to a pod, by its state before, if there was one.
fn changes(before: Option<&Pod>, now: &Pod) -> impl Iterator<Item = ObjectEvent> {
    let ready = is_ready(now) && !before.is_some_and(is_ready);
    let ready = ready.then(|| event(now, "Ready", "it is ready", false));
    let ended =
        last_end(now).filter(|end| before.and_then(last_end).as_ref() != Some(end)).map(|(reason, restarts)| {
            let message = format!("a container ended ({reason}); {restarts} restarts so far");
            event(now, "ContainerEnded", &message, true)
        });
    ended.into_iter().chain(ready)
}

fn event(pod: &Pod, reason: &str, message: &str, warning: bool) -> ObjectEvent {
    ObjectEvent::new(format!("Pod/{}", pod.name_any()), reason, message, warning)
}

fn gone(pod: &Pod) -> ObjectEvent {
    event(pod, "Gone", "it is gone", false)
}

/// Why a container last ended, and how often it was restarted.
fn last_end(pod: &Pod) -> Option<(&str, i32)> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    containers.iter().find_map(|container| {
        let ended = container.last_state.as_ref()?.terminated.as_ref()?;
        Some((ended.reason.as_deref().unwrap_or("no reason given"), container.restart_count))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, uid: &str, ready: bool, restarts: i32) -> Pod {
        let state =
            if restarts > 0 { json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}) } else { json!({}) };
        let container = json!({"name": "shop", "image": "shop:1", "imageID": "", "ready": ready,
                               "restartCount": restarts, "lastState": state});
        let conditions = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
        let status = json!({"conditions": conditions, "containerStatuses": [container]});
        serde_json::from_value(json!({"metadata": {"name": name, "uid": uid}, "status": status})).unwrap()
    }

    fn list(pods: &mut Pods, all: &[Pod]) -> Vec<(String, String)> {
        let mut happened = pods.take(Change::Init);
        happened.extend(all.iter().flat_map(|pod| pods.take(Change::InitApply(pod.clone()))));
        happened.extend(pods.take(Change::InitDone));
        assert!(happened.iter().all(|one| one.message.contains("while the watch was broken")), "{happened:?}");
        happened.into_iter().map(|one| (one.object, one.reason)).collect()
    }

    fn events(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(pod, reason)| (format!("Pod/{pod}"), (*reason).to_owned())).collect()
    }

    #[test]
    fn changes_missed_by_a_broken_watch_are_reported_once() {
        let mut pods = Pods::default();
        let before = [
            pod("stays", "1", true, 0),
            pod("starts", "2", false, 0),
            pod("ends", "3", true, 0),
            pod("goes", "4", true, 0),
        ];
        assert_eq!(list(&mut pods, &before), [], "how it was at the start is no news");
        let after = [
            pod("stays", "1", true, 0),
            pod("starts", "2", true, 0),
            pod("ends", "3", true, 1),
            pod("comes", "5", true, 0),
        ];
        let expected = events(&[("goes", "Gone"), ("comes", "Ready"), ("ends", "ContainerEnded"), ("starts", "Ready")]);
        assert_eq!(list(&mut pods, &after), expected);
        assert_eq!(pods.count(), Some((4, 4)));
        assert_eq!(list(&mut pods, &after), [], "once");
    }

    #[test]
    fn a_new_pod_with_an_old_name_is_a_new_pod() {
        let mut pods = Pods::default();
        list(&mut pods, &[pod("shop-0", "1", true, 0)]);
        assert_eq!(list(&mut pods, &[pod("shop-0", "2", true, 0)]), events(&[("shop-0", "Gone"), ("shop-0", "Ready")]));
    }

    #[test]
    fn a_watched_change_is_reported_as_it_is() {
        let mut pods = Pods::default();
        list(&mut pods, &[]);
        assert_eq!(pods.take(Change::Apply(pod("shop", "1", false, 0))), []);
        let ready = pods.take(Change::Apply(pod("shop", "1", true, 0)));
        assert_eq!(ready, [event(&pod("shop", "1", true, 0), "Ready", "it is ready", false)]);
        assert_eq!(pods.take(Change::Delete(pod("shop", "1", true, 0)))[0].message, "it is gone");
        assert_eq!(pods.count(), Some((0, 0)));
    }
}
