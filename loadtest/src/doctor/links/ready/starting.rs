//! New pods that cannot start, while others are ready.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::diagnosis::Finding;
use crate::doctor::evidence::Evidence;
use crate::doctor::links::failing::STUCK;
use crate::doctor::links::fields::{is, list, living, ready, text};
use crate::doctor::links::objects::name;

pub fn fails(evidence: &Evidence, seen: &str) -> Option<Finding> {
    let (pod, container, why) = living(evidence).filter(|pod| !is(pod, "Ready")).find_map(|pod| {
        let containers =
            list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses"));
        containers.clone().find_map(|container| Some((pod, container, failure(container)?)))
    })?;
    let named = text(container, "/name");
    let seen = format!("{seen}; pod {}: container {named}: {why}", name(pod));
    let namespace = &evidence.namespace;
    let workload = evidence.workload.seen().filter(|workload| workload["kind"] == "Deployment");
    let hash = |pod: &Value| text(pod, "/metadata/labels/pod-template-hash").to_owned();
    let newer = ready(evidence).into_iter().all(|other| hash(other) != hash(pod));
    let pulls = text(container, "/state/waiting/reason").contains("Image");
    if let Some(limit) = doubled(pod, container)
        && let Some(workload) = workload
    {
        let command = format!(
            "kubectl -n {namespace} set resources deployment {} --containers={named} --limits=memory={limit}",
            name(workload)
        );
        return Some(Finding::new(Cause::PodFails, seen, "Give the container more memory.", vec![command]));
    }
    if newer && let Some(workload) = workload {
        let command = format!("kubectl -n {namespace} rollout undo deployment {}", name(workload));
        let advice = "The pods before this change are ready: go back to it, and mend what the reason says.";
        return Some(Finding::new(Cause::PodFails, seen, advice, vec![command]));
    }
    let advice = if pulls {
        format!(
            "Make the image {} one that this pod's node can pull: its name, its tag, a pull secret.",
            text(container, "/image")
        )
    } else {
        format!("Look why it ends: kubectl -n {namespace} logs {} --container {named} --previous.", name(pod))
    };
    Some(Finding::new(Cause::PodFails, seen, advice, Vec::new()))
}

fn failure(container: &Value) -> Option<String> {
    let waiting = text(container, "/state/waiting/reason");
    let ended = ["/lastState/terminated", "/state/terminated"].into_iter().find_map(|at| container.pointer(at));
    let ended = ended.filter(|ended| ended["exitCode"] != 0);
    let how = ended.map(|ended| format!("{} with exit code {}", text(ended, "/reason"), ended["exitCode"]));
    if STUCK.contains(&waiting) {
        let message = text(container, "/state/waiting/message");
        return Some(format!("{waiting}: {}", how.unwrap_or_else(|| message.to_owned())));
    }
    // A container that has failed more than once, though it runs or is about to run.
    let restarts = container["restartCount"].as_u64().unwrap_or(0);
    how.filter(|_| restarts > 1).map(|how| format!("{how}, {restarts} restarts"))
}

/// Twice the container's memory limit, where that is what it was killed for.
fn doubled(pod: &Value, container: &Value) -> Option<String> {
    let killed = ["/lastState/terminated/reason", "/state/terminated/reason"];
    killed.into_iter().find(|at| text(container, at) == "OOMKilled")?;
    let mut specs = list(pod, "/spec/containers").iter();
    let spec = specs.find(|spec| spec["name"] == container["name"])?;
    let limit = text(spec, "/resources/limits/memory");
    let end = limit.find(|c: char| !c.is_ascii_digit()).unwrap_or(limit.len());
    Some(format!("{}{}", limit[..end].parse::<u64>().ok()?.checked_mul(2)?, &limit[end..]))
}
