//! The kubelet's readiness probe, performed for real.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::autoscaling::manifests::Probe;
use crate::rehearse::replica::get;
use crate::session::clock::Clock;

/// The readiness of a container, by its probes.
pub struct Readiness {
    /// Whether the pod takes requests.
    pub ready: bool,
    thresholds: (u32, u32),
    last_succeeded: bool,
    in_a_row: u32,
    results: UnboundedReceiver<Result<(), String>>,
    probing: AbortHandle,
}

/// A result of a probe that is reported.
#[derive(Debug, Eq, PartialEq)]
pub enum ProbeResult {
    /// The pod is ready from now on.
    Ready,
    /// The probe failed: why.
    Unhealthy(String),
}

impl Readiness {
    /// Probes from this moment on. Without a probe, the container is ready then.
    pub fn start(clock: Clock, address: SocketAddr, probe: Option<&Probe>, first: f64) -> Self {
        let (sender, results) = unbounded_channel();
        let thresholds = probe.map_or((1, 1), |probe| (probe.successes, probe.failures));
        let probing = tokio::spawn(keep_probing(clock, address, probe.cloned(), first, sender)).abort_handle();
        Self { ready: false, thresholds, last_succeeded: false, in_a_row: 0, results, probing }
    }

    /// Counts the results since the last update, and returns those that are reported.
    pub fn update(&mut self) -> Vec<ProbeResult> {
        let mut reported = Vec::new();
        while let Ok(result) = self.results.try_recv() {
            reported.extend(self.count(result));
        }
        reported
    }

    /// Changes the state when as many results in a row as the threshold are the same.
    fn count(&mut self, result: Result<(), String>) -> Option<ProbeResult> {
        let (successes, failures) = self.thresholds;
        let succeeded = result.is_ok();
        self.in_a_row = if succeeded == self.last_succeeded { self.in_a_row.saturating_add(1) } else { 1 };
        self.last_succeeded = succeeded;
        let enough = self.in_a_row >= if succeeded { successes } else { failures };
        let before = self.ready;
        if enough {
            self.ready = succeeded;
        }
        match result {
            Ok(()) => (self.ready && !before).then_some(ProbeResult::Ready),
            Err(why) => Some(ProbeResult::Unhealthy(why)),
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.probing.abort();
    }
}

async fn keep_probing(
    clock: Clock,
    address: SocketAddr,
    probe: Option<Probe>,
    first: f64,
    results: UnboundedSender<Result<(), String>>,
) {
    clock.reaches(first).await;
    let Some(probe) = probe else {
        // If nobody receives this, the container is gone.
        let _ = results.send(Ok(()));
        return;
    };
    let patience = clock.pace().real(Duration::from_secs_f64(probe.timeout));
    let mut next = first;
    while results.send(ask(address, &probe, patience).await).is_ok() {
        // One at a time: after a probe that took longer than the period, the next one starts at once.
        next = (next + probe.period).max(clock.now());
        clock.reaches(next).await;
    }
}

async fn ask(address: SocketAddr, probe: &Probe, patience: Duration) -> Result<(), String> {
    let url = format!("http://{address}{}", probe.path);
    match tokio::time::timeout(patience, get(address, &probe.path)).await {
        Ok(Ok((status, _))) if status.is_success() || status.is_redirection() => Ok(()),
        Ok(Ok((status, _))) => {
            Err(format!("Readiness probe failed: HTTP probe failed with statuscode: {}", status.as_u16()))
        }
        Ok(Err(error)) => Err(format!("Readiness probe failed: Get {url:?}: {error}")),
        Err(_) => {
            let timeout = humantime::format_duration(Duration::from_secs_f64(probe.timeout));
            Err(format!("Readiness probe failed: Get {url:?}: no answer within {timeout}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn thresholds_count_results_in_a_row() {
        let clock = Clock::new(std::time::Instant::now(), 1.0);
        let probe = Probe { path: "/".into(), delay: 0.0, period: 9.0, timeout: 1.0, successes: 2, failures: 3 };
        let mut readiness = Readiness::start(clock, ([127, 0, 0, 1], 1).into(), Some(&probe), 1e6);
        let states: Vec<bool> = "+-++--+---+-++"
            .chars()
            .map(|sign| {
                let result = if sign == '+' { Ok(()) } else { Err("it hangs".to_owned()) };
                let before = readiness.ready;
                let finding = readiness.count(result);
                assert_eq!(finding == Some(ProbeResult::Ready), !before && readiness.ready);
                assert_eq!(finding == Some(ProbeResult::Unhealthy("it hangs".to_owned())), sign == '-');
                readiness.ready
            })
            .collect();
        let ready: String = states.iter().map(|ready| if *ready { 'r' } else { '.' }).collect();
        assert_eq!(ready, "...rrrrrr....r");
    }
}
