//! The signals that ask the tool to come to an end: Ctrl-C, and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fault::Fault;

/// Both of them. Once they are listened to, neither ends the process by itself any more.
pub struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Fault> {
        let of = |kind| signal(kind).map_err(|error| Fault::World(format!("signals cannot be listened to: {error}")));
        Ok(Self { interrupts: of(SignalKind::interrupt())?, terminations: of(SignalKind::terminate())? })
    }

    /// Waits for the next one. May be cancelled without losing one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
        }
    }
}
