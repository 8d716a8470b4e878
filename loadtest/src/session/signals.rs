//! The signals that ask the tool to end: Ctrl-C and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Both signals. While they are listened for, neither ends the process by itself.
pub struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Error> {
        let of = |kind| signal(kind).map_err(|error| Error::Environment(format!("cannot listen for signals: {error}")));
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
