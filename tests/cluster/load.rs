//! The load of `k8s/loadtest.yml`, and the requests that the pods count.

use std::time::{Duration, Instant};

use crate::observer::{NAMESPACE, Observer};
use crate::workload::{Workload, patiently};

/// No pod is silent for longer.
const PATIENCE: Duration = Duration::from_mins(1);

impl Workload {
    /// Starts the load of `k8s/loadtest.yml`, with pauses that make ten requests a second of it; how long it lasts is
    /// given. Returns once its first request has been counted.
    pub async fn start_load(&self, seconds: u32, observer: &Observer) -> Instant {
        let before = self.sum_counted(&observer.now().ready).await;
        let source = format!("sed 's/+ 300/+ {seconds}/; s/sleep 0.05/sleep 0.09/' k8s/loadtest.yml");
        let job =
            self.read("loadtest.yml").replace("+ 300", &format!("+ {seconds}")).replace("sleep 0.05", "sleep 0.09");
        self.kubectl.run_with(&source, "replace --force -f -", &job).await;
        patiently("the load begins", PATIENCE, async || {
            let now: f64 = self.counted(&observer.now().ready).await?.iter().sum();
            (now > before).then_some(())
        })
        .await;
        Instant::now()
    }

    /// Waits for the load's end, and for its own word that nothing was lost.
    pub async fn finish_load(&self) {
        let job = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/shopfront-loadtest");
        let outcome = patiently("the load ends", Duration::from_mins(6), async || {
            let job = self.api.json(&job).await?;
            let conditions = job["status"]["conditions"].as_array()?;
            conditions.iter().find(|one| one["type"] == "Complete" || one["type"] == "Failed").cloned()
        })
        .await;
        self.kubectl.run(&format!("-n {NAMESPACE} logs job/shopfront-loadtest --tail 20")).await;
        assert_eq!(outcome["type"], "Complete", "{outcome}");
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
