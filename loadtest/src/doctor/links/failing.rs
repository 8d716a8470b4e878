//! Why a pod does not get to run.

use serde_json::Value;

use super::objects::{condition, time};

/// A container that lived shorter than this, in seconds, ended at its start.
const LIVED: f64 = 60.0;

/// Why a container does not run.
pub struct Reason {
    /// The container.
    pub container: String,
    /// The reason that it waits for, and how it last ended.
    pub what: String,
    /// Whether it started, and ran for a while before it ended.
    pub starts: bool,
}

/// Reasons to wait that do not go away by themselves.
const STUCK: [&str; 10] = [
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
];

/// Why this pod's containers do not run, where one of them fails.
pub fn of(pod: &Value) -> Option<Reason> {
    let status = &pod["status"];
    let all = ["initContainerStatuses", "containerStatuses"];
    let mut all = all.into_iter().flat_map(|field| status[field].as_array().into_iter().flatten());
    all.find_map(|container| {
        let waiting = container["state"]["waiting"]["reason"].as_str().filter(|reason| STUCK.contains(reason));
        // Between two attempts it has ended, and does not wait yet; later it runs until it ends again.
        let ended = &container["state"]["terminated"];
        let last = if ended.is_null() { &container["lastState"]["terminated"] } else { ended };
        let failed = last["exitCode"].as_i64().is_some_and(|code| code != 0);
        let again = failed && container["ready"] != true;
        if waiting.is_none() && !again {
            return None;
        }
        let mut what: Vec<String> = waiting.map(str::to_owned).into_iter().collect();
        if let Some(message) = waiting.and(container["state"]["waiting"]["message"].as_str()) {
            what.push(message.lines().next().unwrap_or_default().chars().take(200).collect());
        }
        if failed {
            let reason = last["reason"].as_str().unwrap_or("Error");
            what.push(format!("last ended with {reason}, exit code {}", last["exitCode"]));
        }
        let lived = time(&last["finishedAt"]).zip(time(&last["startedAt"])).map(|(end, start)| end - start);
        Some(Reason {
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            what: what.join(": "),
            starts: lived.is_some_and(|lived| lived > LIVED),
        })
    })
}

/// Why no node takes this pod, where none does.
pub fn unschedulable(pod: &Value) -> Option<&str> {
    let scheduled = condition(pod, "PodScheduled")?;
    let refused = scheduled["status"] == "False" && scheduled["reason"] == "Unschedulable";
    refused.then(|| scheduled["message"].as_str().unwrap_or("Unschedulable"))
}
