//! Starting → Ready → Draining → Stopping, and the signals that move it on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Where the service is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
pub enum Phase {
    /// Not yet accepting connections; `/readyz` fails.
    Starting,
    /// Serving.
    Ready,
    /// Told to stop: `/readyz` fails and each answer asks its client to leave, but whatever comes is served.
    Draining,
    /// No new connection is accepted; what is in flight is finished.
    Stopping,
}

/// The service's phase, shared by whoever must know it.
#[derive(Clone)]
pub struct Lifecycle(Arc<Shared>);

struct Shared {
    phases: watch::Sender<Phase>,
    /// Whether it is draining or stopping: every request asks, and is not to take a lock for it.
    is_leaving: AtomicBool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A service that is starting.
    pub fn new() -> Self {
        Self(Arc::new(Shared { phases: watch::Sender::new(Phase::Starting), is_leaving: AtomicBool::new(false) }))
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.phases.borrow()
    }

    /// Whether clients are asked to leave.
    pub fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Relaxed)
    }

    /// Moves on to a later phase. There is no way back.
    pub fn advance(&self, to: Phase) {
        self.0.phases.send_if_modified(|phase| {
            let later = to > *phase;
            if later {
                self.0.is_leaving.store(to >= Phase::Draining, Relaxed);
                *phase = to;
            }
            later
        });
    }

    /// Waits until the phase is `at_least` this one.
    pub async fn reached(&self, at_least: Phase) {
        let mut phases = self.0.phases.subscribe();
        // The sender is ours and lives as long as this borrow of it.
        let _ = phases.wait_for(|phase| *phase >= at_least).await;
    }

    /// Drains: waits for a signal, serves on for `delay` with readiness failing, then moves to `Stopping`. A second
    /// signal ends the delay: whoever presses Ctrl-C twice is in a hurry.
    pub async fn drain_on_signal(self, mut signals: Signals, delay: Duration) {
        let signal = signals.next().await;
        self.advance(Phase::Draining);
        let readable = humantime::format_duration(delay);
        tracing::info!(signal, delay = %readable, "draining: requests are served; a second signal ends the delay");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = signals.next() => {}
        }
        self.advance(Phase::Stopping);
    }
}

/// The two signals that ask the service to stop: an orchestrator's and a person's.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals no longer end the process.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
