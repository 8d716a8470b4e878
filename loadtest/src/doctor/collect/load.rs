//! What this project's own load tool tells of a load that it sends from within the namespace.

use futures_util::future::join_all;

use crate::doctor::collect::workload::pods;
use crate::doctor::evidence::Load;
use crate::doctor::objects::{Pod, name};
use crate::journal::{Entry, Second};
use crate::kube::read::Read;
use crate::kube::reader::Reader;
use crate::stats::succeeded;

/// The label of its Job's pods (k8s/loadtest.yml).
const LABEL: &str = "app=shopfront-loadtest";

/// The last whole seconds that are summed up.
const SECONDS: usize = 10;

/// Sums over all generators that run.
pub async fn load(reader: &Reader, namespace: &str) -> Read<Load> {
    let generators = match pods(reader, namespace, LABEL).await {
        Read::Seen(generators) => generators,
        Read::Unread(unread) => return Read::Unread(unread),
        Read::Absent | Read::NotAsked => return Read::Absent,
    };
    let running = generators.iter().filter(|pod| Pod(pod).is_running()).map(name);
    let told = join_all(running.map(|pod| async move {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?sinceSeconds=30");
        (pod, reader.text(&path, &format!("the log of {namespace}/{pod}")).await)
    }))
    .await;
    if let Some(unread) = told.iter().find_map(|(_, log)| log.unread()) {
        return Read::Unread(unread.clone());
    }
    let loads = told.iter().filter_map(|(pod, log)| last_seconds(pod, log.seen()?));
    loads.reduce(|one, other| joined(one, &other)).map_or(Read::Absent, Read::Seen)
}

fn joined(one: Load, other: &Load) -> Load {
    Load {
        pod: one.pod + ", " + &other.pod,
        seconds: one.seconds.max(other.seconds),
        due: one.due + other.due,
        answered: one.answered + other.answered,
        dropped: one.dropped + other.dropped,
    }
}

/// The journal's last whole seconds; none where no load has begun.
fn last_seconds(pod: &str, log: &str) -> Option<Load> {
    let entries = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    let seconds: Vec<Second> = entries
        .filter_map(|entry| if let Entry::Second(second) = entry { Some(second) } else { None })
        .filter(|second| second.at >= 0.0)
        .collect();
    let last = &seconds[seconds.len().saturating_sub(SECONDS)..];
    let (first, end) = (last.first()?.at, last.last()?.at + 1.0);
    Some(Load {
        pod: pod.to_owned(),
        seconds: end - first,
        due: last.iter().map(|second| second.due).sum(),
        answered: last.iter().map(succeeded).sum(),
        dropped: last.iter().map(|second| second.dropped).sum(),
    })
}
