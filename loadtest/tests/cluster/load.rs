//! The load of `k8s/loadtest.yml`, and the requests that the pods count.

use std::time::{Duration, Instant};

use loadtest::journal::{Entry, Second};

use crate::cluster::kubectl::Api;
use crate::cluster::observer::{NAMESPACE, Observer};
use crate::cluster::workload::{Workload, patiently};

/// The Job's name.
pub const JOB: &str = "shopfront-loadtest";

/// No pod is silent for longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Enough of the log's end for several seconds of the load.
const TAIL: u32 = 20;

/// A load under way. Its Job's log is a journal.
///
/// The log is asked for its end again and again, and not followed: a log that is followed can end before its pod does
/// (the node has no watch on a file left to give, its API server goes), and then nothing says so.
pub struct Load {
    pub start: Instant,
    seconds: u32,
    /// The path of the Job's pod.
    pod: String,
    api: Api,
}

impl Load {
    /// Waits until the load is over; the Job goes on to watch.
    pub async fn is_over(&self) {
        let last = f64::from(self.seconds);
        let over = |entry: &Entry| matches!(entry, Entry::Second(Second { at, .. }) if *at >= last);
        patiently("the load is over", Duration::from_secs(self.seconds.into()) + PATIENCE, async || {
            let status = self.api.json(&self.pod).await?["status"].clone();
            let log = self.api.text(&format!("{}/log?tailLines={TAIL}", self.pod)).await?;
            let told = log.lines().filter_map(|line| serde_json::from_str(line).ok()).any(|entry| over(&entry));
            assert!(told || status["phase"] == "Running", "the load's pod ended before its load did: {status}\n{log}");
            told.then_some(())
        })
        .await;
    }

    /// Waits for the Job's end.
    pub async fn has_ended(&self, bound: Duration) {
        patiently("the load's pod ends", bound, async || {
            let phase = self.api.json(&self.pod).await?["status"]["phase"].clone();
            (phase == "Succeeded" || phase == "Failed").then_some(())
        })
        .await;
    }
}

impl Workload {
    /// Starts the load of `k8s/loadtest.yml`, for so many seconds. Where a trickle follows, the pods have to go again
    /// in it. Returns once the first request has been counted.
    pub async fn start_load(&self, seconds: u32, trickle: Option<u32>, observer: &Observer) -> Load {
        let before = self.sum_counted(&observer.now().ready).await;
        let stage = "--stage=10rps:5m";
        let mut arguments = vec![format!("--stage=10rps:{seconds}s")];
        if let Some(trickle) = trickle {
            arguments.extend([format!("--stage=1rps:{trickle}s"), "--expect-scale-in".to_owned()]);
        }
        let deadline = format!("activeDeadlineSeconds: {}", seconds + trickle.unwrap_or(0) + 120);
        // The list's item becomes several.
        let job = self.read("loadtest.yml").replace(stage, &arguments.join("\n            - "));
        let job = job.replace("activeDeadlineSeconds: 420", &deadline);
        let source = format!("k8s/loadtest.yml with {}", arguments.join(" "));
        self.kubectl.run_with(&source, "replace --force -f -", &job).await;
        patiently("the load begins", PATIENCE, async || {
            let now: f64 = self.counted(&observer.now().ready).await?.iter().sum();
            (now > before).then_some(())
        })
        .await;
        let start = Instant::now();
        // The pod of this Job, and not of one before it that had its name.
        let uid = self.kubectl.quietly(&format!("-n {NAMESPACE} get job {JOB} -o jsonpath={{.metadata.uid}}")).await;
        let pod = format!(
            "-n {NAMESPACE} get pod -l batch.kubernetes.io/controller-uid={uid} -o jsonpath={{.items[0].metadata.name}}"
        );
        let pod = format!("/api/v1/namespaces/{NAMESPACE}/pods/{}", self.kubectl.quietly(&pod).await);
        Load { start, seconds, pod, api: self.api.clone() }
    }

    /// A pod's own `/metrics` as of now, through the API server.
    pub async fn metrics_of(&self, pod: &str) -> Option<String> {
        self.api.text(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9797/proxy/metrics")).await
    }

    /// Client requests that each of these pods has counted; None where one of them does not say.
    pub async fn counted(&self, pods: &[String]) -> Option<Vec<f64>> {
        let mut counts = Vec::new();
        for pod in pods {
            let text = self.metrics_of(pod).await?;
            counts.push(sum_of(&text, &format!("{}{{", shopfront::metrics::REQUESTS_TOTAL)));
        }
        Some(counts)
    }

    /// Client requests that these pods have counted, once each of them has said so.
    pub async fn sum_counted(&self, pods: &[String]) -> f64 {
        patiently("each pod tells its count", PATIENCE, async || self.counted(pods).await).await.iter().sum()
    }
}

/// The sum of all series that begin so.
pub fn sum_of(text: &str, series: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(series));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
