//! Why a pod does not get to run.

use serde_json::Value;

use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::since;
use crate::doctor::fixes::kubectl::{about, in_namespace};
use crate::doctor::fixes::{Command, rollback};
use crate::doctor::objects::{age, condition, is_ready, list, name, namespace, text, time};
use crate::doctor::status::Finding;
use crate::kube::read::Read;

/// A container that lived shorter than this, in seconds, ended at its start.
const LIVED: f64 = 60.0;
/// One that lived longer than this ran: the kubelet forgets its earlier ends.
const RAN: f64 = 600.0;
/// Seconds in which an autoscaler of nodes says in an event what it does, where there is one: the cluster's looks each
/// 10 s, and Karpenter gathers pods for 10 s at the most. In as many a pod that is about to leave makes room.
pub const UNDECIDED: f64 = 30.0;
/// The same where the events may not be read: it may be half-way to a node by then.
const UNTOLD: f64 = 120.0;
/// Seconds in which a cloud makes a node.
const NODE: f64 = 900.0;
/// Seconds in which the largest of images is pulled.
const PULLED: f64 = 900.0;

/// Seconds within which a pod that has a node is to run, besides what its probes allow it: an image is pulled, a volume
/// is mounted.
pub const RUNS_WITHIN: f64 = 300.0;
/// Seconds within which a pod that runs is to be ready, besides what its probes allow it: as long as the HPA's controller
/// expects it to start (`--horizontal-pod-autoscaler-cpu-initialization-period`).
const READY_WITHIN: f64 = 300.0;

/// Restarts from which on a container fails, though nobody says yet that it is stuck.
const OFTEN: u64 = 3;

/// Why a container does not run.
pub struct Reason {
    /// The container.
    pub container: String,
    /// The reason that it waits for, and how it last ended.
    pub what: String,
    /// Whether it started, and ran for a while before it ended.
    starts: bool,
}

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

/// Why a container of the pod fails, where one does, and what mends it: the change before is taken back where that was
/// it.
pub fn finding(evidence: &Evidence, workload: Option<&Value>, pods: &[Value], pod: &Value) -> Option<Finding> {
    let Reason { container, what, starts } = of(pod)?;
    let seen = format!("pod {}, container {container}: {what}", name(pod));
    let found = |advice: String, command: Option<Command>| {
        Some(Finding::new(Cause::PodFails, seen.clone(), advice, command.into_iter().collect()))
    };
    let undo = workload.and_then(|workload| rollback::undo(evidence.taken, workload, pods, pod));
    if let Some(undo) = undo.filter(|_| !starts) {
        return found(rollback::ADVICE.to_owned(), Some(undo));
    }
    if what.contains("OOMKilled") {
        let advice = "Raise the container's `limits.memory`, or have it use less.".to_owned();
        // It knows the templates of these kinds alone.
        let workload = workload.filter(|workload| text(workload, "/apiVersion").starts_with("apps/"));
        let limit = doubled(pod, &container).zip(workload);
        let command = limit.map(|(limit, workload)| {
            let resources = about(workload, "set resources").name("--containers=", &container);
            resources.plain("--limits=memory=", &limit).end()
        });
        return found(advice, command);
    }
    if what.contains("Image") {
        let advice = "Correct the image's name, or give the pod a pull secret for its registry.";
        return found(advice.to_owned(), None);
    }
    let log = in_namespace(namespace(pod)).words("logs").name("", name(pod)).name("--container ", &container);
    let log = log.words("--previous").end();
    let log = log.text().map(|log| format!(" ({log})")).unwrap_or_default();
    let advice = format!("See the end of its log{log}, and mend the program, its arguments or its configuration.");
    found(advice, None)
}

/// Twice the container's memory limit.
fn doubled(pod: &Value, container: &str) -> Option<String> {
    let spec = list(pod, "/spec/containers").iter().find(|spec| spec["name"] == container)?;
    let limit = text(spec, "/resources/limits/memory");
    let end = limit.find(|c: char| !c.is_ascii_digit()).unwrap_or(limit.len());
    let (number, unit) = limit.split_at(end);
    // Others' bundles are judged too, and it stands in a command to copy; `1.5Gi` is no whole number.
    let plain = unit.chars().all(|c| c.is_ascii_alphanumeric());
    Some(format!("{}{unit}", number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(2)?))
}

/// A pod that is not ready in all the time that it had.
pub fn not_ready(evidence: &Evidence, pod: &Value) -> Finding {
    let does = if runs(pod) { "runs and is not ready" } else { "does not start" };
    let seen = format!("pod {} {does}: {}", name(pod), unready(evidence, pod));
    let undo = |workload: &Value| rollback::undo(evidence.taken, workload, evidence.pods.items(), pod);
    if let Some(undo) = evidence.workload.seen().and_then(undo) {
        return Finding::new(Cause::PodsNotCounted, seen, rollback::ADVICE, vec![undo]);
    }
    let advice = "Mend what it says. A pod that is not ready counts as idle when the HPA adds, and not at all when it \
                  removes.";
    Finding::new(Cause::PodsNotCounted, seen, advice, Vec::new())
}

/// What is told of a pod that is not ready.
fn unready(evidence: &Evidence, pod: &Value) -> String {
    let told = |event: &&Value| {
        let reason = text(event, "/reason");
        event["involvedObject"]["name"] == name(pod) && (reason == "Unhealthy" || reason.starts_with("Failed"))
    };
    let event = evidence.events.items().iter().rev().find(told).map(|event| text(event, "/message").trim());
    let ready = || condition(pod, "Ready").map(|ready| text(ready, "/message")).filter(|message| !message.is_empty());
    event.or_else(ready).unwrap_or("it does not say why").to_owned()
}

/// Why this pod's containers do not run, where one of them fails.
pub fn of(pod: &Value) -> Option<Reason> {
    let status = &pod["status"];
    let all = ["initContainerStatuses", "containerStatuses"];
    let mut all = all.into_iter().flat_map(|field| status[field].as_array().into_iter().flatten());
    all.find_map(|container| {
        let waiting = container["state"]["waiting"]["reason"].as_str().filter(|reason| STUCK.contains(reason));
        // Between two attempts it has ended, and does not wait yet; later it runs until it ends again. One end alone may
        // be a start that came too early for what it needs.
        let ended = &container["state"]["terminated"];
        let last = if ended.is_null() { &container["lastState"]["terminated"] } else { ended };
        let failed = last["exitCode"].as_i64().is_some_and(|code| code != 0);
        let often = container["restartCount"].as_u64().is_some_and(|restarts| restarts >= OFTEN);
        let lived = time(&last["finishedAt"]).zip(time(&last["startedAt"])).map(|(end, start)| end - start);
        let again = often && container["ready"] != true && !last.is_null() && lived.is_none_or(|lived| lived < RAN);
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
        }
        Some(Reason {
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            what: what.join(": "),
            starts: lived.is_some_and(|lived| lived > LIVED),
        })
    })
}

/// Seconds that a pod's probes allow it to start in.
fn start(pod: &Value) -> f64 {
    let probes = list(pod, "/spec/containers").iter().map(|container| {
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
    let mut containers = list(pod, "/status/containerStatuses").iter();
    text(pod, "/status/phase") == "Running" && containers.all(|container| container.pointer("/state/running").is_some())
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
        let within = if is_pulled(evidence, pod) { PULLED } else { RUNS_WITHIN };
        return placed.min(age(pod, evidence.taken)) > within + start(pod);
    }
    let changed = condition(pod, "Ready").and_then(|ready| since(evidence, ready, "/lastTransitionTime"));
    let containers = list(pod, "/status/containerStatuses").iter();
    let running = containers.filter_map(|one| since(evidence, one, "/state/running/startedAt"));
    running.chain(changed).reduce(f64::min).is_some_and(|since| since > READY_WITHIN + start(pod))
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
    if !nominated.is_empty() && waits < NODE {
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
    let undecided = if matches!(evidence.events, Read::Unread(_)) { UNTOLD } else { UNDECIDED };
    match words.min_by(|(one, ..), (other, ..)| one.total_cmp(other)) {
        Some((since, true, reason)) => (since < NODE).then(|| format!("{reason}, {since:.0} s ago")),
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
