//! The load of `k8s/loadtest.yml`, and the requests that the pods count.

use std::time::{Duration, Instant};

use loadtest::journal::{End, Entry, Second};
use tokio::sync::watch;

use crate::observer::{NAMESPACE, Observer};
use crate::workload::{Workload, patiently};

/// No pod is silent for longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A load under way. Its Job's log is a journal.
pub struct Load {
    pub start: Instant,
    seconds: u32,
    entries: watch::Receiver<Vec<Entry>>,
}

impl Load {
    async fn tells(&self, what: &str, bound: Duration, holds: impl Fn(&Entry) -> bool) {
        let mut entries = self.entries.clone();
        let told = tokio::time::timeout(bound, entries.wait_for(|entries| entries.iter().any(&holds))).await;
        assert!(matches!(told, Ok(Ok(_))), "the load's log never told that {what}");
    }

    /// Waits until the load is over; the Job goes on to watch.
    pub async fn is_over(&self) {
        let last = f64::from(self.seconds);
        let over = |entry: &Entry| matches!(entry, Entry::Second(Second { at, .. }) if *at >= last);
        self.tells("the load is over", Duration::from_secs(self.seconds.into()) + PATIENCE, over).await;
    }

    /// Waits for the Job's end: its journal.
    pub async fn journal(self, bound: Duration) -> Vec<Entry> {
        self.tells("it ended", bound, |entry| matches!(entry, Entry::End(End { interrupted: false, .. }))).await;
        self.entries.borrow().clone()
    }
}

impl Workload {
    /// Starts the load of `k8s/loadtest.yml`, for so many seconds, and then silence. Returns once its first request has
    /// been counted.
    pub async fn start_load(&self, seconds: u32, silence: u32, observer: &Observer) -> Load {
        let before = self.sum_counted(&observer.now().ready).await;
        let (stage, stages) = ("--stage=10rps:5m", format!("--stage=10rps:{seconds}s, --stage=0rps:{silence}s"));
        // The list's item becomes two.
        let stages = stages.replace(", ", "\n            - ");
        let deadline = format!("activeDeadlineSeconds: {}", seconds + silence + 120);
        let job = self.read("loadtest.yml").replace(stage, &stages).replace("activeDeadlineSeconds: 420", &deadline);
        let source = format!("k8s/loadtest.yml for {seconds} s, and {silence} s of silence");
        self.kubectl.run_with(&source, "replace --force -f -", &job).await;
        patiently("the load begins", PATIENCE, async || {
            let now: f64 = self.counted(&observer.now().ready).await?.iter().sum();
            (now > before).then_some(())
        })
        .await;
        let start = Instant::now();
        let mut log = self.kubectl.follow(&format!("-n {NAMESPACE} logs -f job/shopfront-loadtest"));
        let (told, entries) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Some(line) = log.next().await {
                // Its last lines are for people.
                let Ok(entry) = serde_json::from_str(&line) else { continue };
                told.send_modify(|entries| entries.push(entry));
            }
        });
        Load { start, seconds, entries }
    }

    /// A pod's own `/metrics`, through the API server.
    pub async fn metrics_of(&self, pod: &str) -> Option<String> {
        self.api.text(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9898/proxy/metrics")).await
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
