//! The phases of the service, and the signals that end it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The phase of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
pub enum Phase {
    /// Not yet accepting connections; `/readyz` fails.
    Starting,
    /// Serving.
    Ready,
    /// A signal has arrived: `/readyz` fails, and clients are asked to leave, but every request is served.
    Draining,
    /// No new connection is accepted, and requests in flight are finished.
    Stopping,
}

/// The phase, shared by all parts of the service.
#[derive(Clone)]
pub struct Lifecycle(Arc<Shared>);

struct Shared {
    phases: watch::Sender<Phase>,
    /// Whether it is draining or stopping. Every request reads it, and must not take a lock.
    is_shutting_down: AtomicBool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A service that is starting.
    pub fn new() -> Self {
        Self(Arc::new(Shared { phases: watch::Sender::new(Phase::Starting), is_shutting_down: AtomicBool::new(false) }))
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.phases.borrow()
    }

    /// Whether it is draining or stopping: clients are asked to leave.
    pub fn is_shutting_down(&self) -> bool {
        self.0.is_shutting_down.load(Relaxed)
    }

    /// Moves to a later phase; an earlier one is ignored.
    pub fn advance(&self, to: Phase) {
        self.0.phases.send_if_modified(|phase| {
            let later = to > *phase;
            if later {
                self.0.is_shutting_down.store(to >= Phase::Draining, Relaxed);
                *phase = to;
            }
            later
        });
    }

    /// The changes of the phase.
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.0.phases.subscribe()
    }

    /// Waits until the phase is `at_least` this one.
    pub async fn reached(&self, at_least: Phase) {
        let mut phases = self.subscribe();
        // It cannot fail: `self` keeps the sender alive.
        let _ = phases.wait_for(|phase| *phase >= at_least).await;
    }

    /// Waits for a signal, moves to `Draining`, and after `delay` to `Stopping`. A second signal ends the delay.
    pub async fn drain_on_signal(self, mut signals: Signals, delay: Duration) {
        let signal = signals.next().await;
        self.advance(Phase::Draining);
        let readable = humantime::format_duration(delay);
        tracing::info!(signal, delay = %readable, "draining: requests are still served; a second signal ends the delay");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = signals.next() => {}
        }
        self.advance(Phase::Stopping);
    }
}

/// The signals that stop the service: SIGTERM from an orchestrator, SIGINT from a person.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for the signals, which then no longer end the process.
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
