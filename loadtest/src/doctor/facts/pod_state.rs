//! How a pod is: whether it runs, what keeps it from running, and how long it may take.

use serde_json::Value;

use crate::autoscaling::timing;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::objects::{Pod, age, condition, is_ready, list, name, text, time};
use crate::kube::read::Read;

/// Restarts from which on a container fails, though nobody says yet that it is stuck.
const OFTEN: u64 = 3;

/// Reasons to wait that do not go away by themselves.
const STUCK: [&str; 11] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ContainerCannotRun",
];

/// Whether a container's last state, `terminated`, is that the runtime could not start it: there is no log of it.
pub fn never_started(ended: &Value) -> bool {
    matches!(text(ended, "/reason"), "StartError" | "ContainerCannotRun")
}

/// Why a container does not run.
pub struct Reason {
    /// The container.
    pub container: String,
    /// The reason that it waits for, and how it last ended.
    pub what: String,
    /// Whether the last attempt to start it failed, so that it has no log.
    pub never_started: bool,
    /// Whether it started, and ran for a while before it ended.
    pub starts: bool,
}

/// Why this pod's containers do not run, where one of them fails.
pub fn of(pod: &Value) -> Option<Reason> {
    let mut all = list(pod, "/status/initContainerStatuses").iter().chain(Pod(pod).container_statuses());
    all.find_map(|container| {
        let waiting = container["state"]["waiting"]["reason"].as_str().filter(|reason| STUCK.contains(reason));
        // Between two attempts it has ended, and does not wait yet; later it runs until it ends again. One end alone may
        // be a start that came too early for what it needs.
        let ended = &container["state"]["terminated"];
        let last = if ended.is_null() { &container["lastState"]["terminated"] } else { ended };
        let failed = last["exitCode"].as_i64().is_some_and(|code| code != 0);
        let often = container["restartCount"].as_u64().is_some_and(|restarts| restarts >= OFTEN);
        let lived = time(&last["finishedAt"]).zip(time(&last["startedAt"])).map(|(end, start)| end - start);
        let again = often
            && container["ready"] != true
            && !last.is_null()
            && lived.is_none_or(|lived| lived < timing::BACK_OFF_RESET);
        if waiting.is_none() && !again {
            return None;
        }
        let mut what: Vec<String> = waiting.map(str::to_owned).into_iter().collect();
        if let Some(message) = waiting.and(container["state"]["waiting"]["message"].as_str()) {
            what.extend(message.lines().next().map(str::to_owned));
        }
        if failed || again {
            let reason = last["reason"].as_str().unwrap_or("Error");
            what.push(format!("last ended with {reason}, exit code {}", last["exitCode"]));
            let message = last["message"].as_str().filter(|_| never_started(last));
            what.extend(message.and_then(|message| message.lines().next()).map(str::to_owned));
        }
        Some(Reason {
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            what: what.join(": "),
            never_started: never_started(last),
            starts: lived.is_some_and(|lived| lived > timing::START_FAILURE),
        })
    })
}

/// Seconds that a pod's probes allow it to start in.
fn start(pod: &Value) -> f64 {
    let probes = Pod(pod).containers().iter().map(|container| {
        let number = |pointer: &str| container.pointer(pointer).and_then(Value::as_f64);
        let delay = |probe: &str| number(&format!("/{probe}/initialDelaySeconds")).unwrap_or(0.0);
        let tries = container.get("startupProbe").map_or(0.0, |_| {
            let period = number("/startupProbe/periodSeconds").unwrap_or(10.0);
            period * number("/startupProbe/failureThreshold").unwrap_or(3.0)
        });
        // Whoever has the liveness probe wait expects it to start slowly.
        delay("startupProbe") + tries + delay("readinessProbe").max(delay("livenessProbe"))
    });
    probes.fold(0.0, f64::max)
}

/// Whether a pod's containers run.
pub fn runs(pod: &Value) -> bool {
    let mut containers = Pod(pod).container_statuses().iter();
    Pod(pod).is_running() && containers.all(|container| container.pointer("/state/running").is_some())
}

/// Whether a pod is not ready in all the time that it had.
pub fn is_overdue(evidence: &Evidence, pod: &Value) -> bool {
    if is_ready(pod) {
        return false;
    }
    if !runs(pod) {
        // A node may have been made for it first.
        let placed = condition(pod, "PodScheduled").filter(|placed| placed["status"] == "True");
        let placed = placed.and_then(|placed| since(evidence, placed, "/lastTransitionTime")).unwrap_or(f64::INFINITY);
        let within = if is_pulled(evidence, pod) { timing::IMAGE_PULL } else { timing::POD_RUNS };
        return placed.min(age(pod, evidence.taken)) > within + start(pod);
    }
    let changed = condition(pod, "Ready").and_then(|ready| since(evidence, ready, "/lastTransitionTime"));
    let containers = Pod(pod).container_statuses().iter();
    let running = containers.filter_map(|one| since(evidence, one, "/state/running/startedAt"));
    running.chain(changed).reduce(f64::min).is_some_and(|since| since > timing::POD_READY + start(pod))
}

/// Whether the last that is told of a pod is that its image is pulled.
fn is_pulled(evidence: &Evidence, pod: &Value) -> bool {
    let mut events = evidence.events.items().iter().rev();
    events.find(|event| event["involvedObject"]["name"] == name(pod)).is_some_and(|event| event["reason"] == "Pulling")
}

/// Why a node may yet be made for a pod that none takes: an autoscaler of nodes says so, or had no time to.
pub fn node_to_come(evidence: &Evidence, pod: &Value) -> Option<String> {
    let scheduled = condition(pod, "PodScheduled").and_then(|one| since(evidence, one, "/lastTransitionTime"));
    let waits = scheduled.unwrap_or(f64::INFINITY).min(age(pod, evidence.taken));
    let nominated = text(pod, "/status/nominatedNodeName");
    if !nominated.is_empty() && waits < timing::NODE_PROVISION {
        return Some(format!("less important pods leave node {nominated} for it"));
    }
    let events = evidence.events.items().iter().filter(|event| event["involvedObject"]["name"] == name(pod));
    let words = events.filter_map(|event| {
        let made = match text(event, "/reason") {
            // Of the cluster's autoscaler, and of Karpenter.
            "TriggeredScaleUp" | "Nominated" => true,
            "NotTriggerScaleUp" => false,
            _ => return None,
        };
        let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/firstTimestamp"];
        let since = times.into_iter().find_map(|at| since(evidence, event, at))?;
        Some((since, made, text(event, "/reason")))
    });
    let undecided =
        if matches!(evidence.events, Read::Unread(_)) { timing::NODE_DECISION_UNREAD } else { timing::NODE_DECISION };
    match words.min_by(|(one, ..), (other, ..)| one.total_cmp(other)) {
        Some((since, true, reason)) => (since < timing::NODE_PROVISION).then(|| format!("{reason}, {since:.0} s ago")),
        Some((_, false, _)) => None,
        None => (waits < undecided).then(|| format!("for {waits:.0} s: an autoscaler of nodes may make it one")),
    }
}

/// Why no node takes this pod, where none does.
pub fn unschedulable(pod: &Value) -> Option<&str> {
    let scheduled = condition(pod, "PodScheduled")?;
    let refused = scheduled["status"] == "False" && scheduled["reason"] == "Unschedulable";
    refused.then(|| scheduled["message"].as_str().unwrap_or("Unschedulable"))
}
