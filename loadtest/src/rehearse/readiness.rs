//! The kubelet's readiness probe, performed for real.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::autoscaling::manifests::Probe;
use crate::autoscaling::timing;
use crate::rehearse::replica::get;
use crate::session::clock::Clock;

/// What a container's probes have come to.
pub struct Readiness {
    /// Whether the pod takes requests.
    pub ready: bool,
    thresholds: (u32, u32),
    last_was_good: bool,
    in_a_row: u32,
    results: UnboundedReceiver<Result<(), String>>,
    probing: AbortHandle,
}

/// What there is to tell of a probe.
#[derive(Debug, Eq, PartialEq)]
pub enum Finding {
    /// The pod takes requests from now on.
    Ready,
    /// The probe failed: why.
    Unhealthy(String),
}

impl Readiness {
    /// Probes from this moment on. Without a probe a container is ready then.
    pub fn start(clock: Clock, address: SocketAddr, probe: Option<&Probe>, first: f64) -> Self {
        let (told, results) = unbounded_channel();
        let thresholds = probe.map_or((1, 1), |probe| (probe.successes, probe.failures));
        let probing = tokio::spawn(keep_probing(clock, address, probe.cloned(), first, told)).abort_handle();
        Self { ready: false, thresholds, last_was_good: false, in_a_row: 0, results, probing }
    }

    /// What the probes have found since the last look.
    pub fn look(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        while let Ok(result) = self.results.try_recv() {
            findings.extend(self.count(result));
        }
        findings
    }

    /// As many of a kind in a row as its threshold says change the state.
    fn count(&mut self, result: Result<(), String>) -> Option<Finding> {
        let (successes, failures) = self.thresholds;
        let good = result.is_ok();
        self.in_a_row = if good == self.last_was_good { self.in_a_row.saturating_add(1) } else { 1 };
        self.last_was_good = good;
        let enough = self.in_a_row >= if good { successes } else { failures };
        let before = self.ready;
        if enough {
            self.ready = good;
        }
        match result {
            Ok(()) => (self.ready && !before).then_some(Finding::Ready),
            Err(why) => Some(Finding::Unhealthy(why)),
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
    told: UnboundedSender<Result<(), String>>,
) {
    clock.reaches(first).await;
    let Some(probe) = probe else {
        // Nobody looks any more only where the container has gone.
        let _ = told.send(Ok(()));
        return;
    };
    let patience = clock.real(probe.timeout).max(timing::PROBE_AT_LEAST);
    let mut next = first;
    while told.send(ask(address, &probe, patience).await).is_ok() {
        // One at a time: a probe that took longer than the period has the next one right after it.
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
            let patience = humantime::format_duration(patience);
            Err(format!("Readiness probe failed: Get {url:?}: no answer within {patience}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn thresholds_count_what_comes_in_a_row() {
        let clock = Clock::new(std::time::Instant::now(), 1.0);
        let probe = Probe { path: "/".into(), delay: 0.0, period: 9.0, timeout: 1.0, successes: 2, failures: 3 };
        let mut readiness = Readiness::start(clock, ([127, 0, 0, 1], 1).into(), Some(&probe), 1e6);
        let states: Vec<bool> = "+-++--+---+-++"
            .chars()
            .map(|sign| {
                let result = if sign == '+' { Ok(()) } else { Err("it hangs".to_owned()) };
                let before = readiness.ready;
                let finding = readiness.count(result);
                assert_eq!(finding == Some(Finding::Ready), !before && readiness.ready);
                assert_eq!(finding == Some(Finding::Unhealthy("it hangs".to_owned())), sign == '-');
                readiness.ready
            })
            .collect();
        let ready: String = states.iter().map(|ready| if *ready { 'r' } else { '.' }).collect();
        assert_eq!(ready, "...rrrrrr....r");
    }
}
