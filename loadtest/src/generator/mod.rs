//! Open-loop load: every request is sent when it is due, whatever the target does.
//!
//! The generator has a thread and a runtime of its own, so that nothing else that the tool does makes it late. On it,
//! `dispatcher` waits for the moments of the schedule and starts a task for each request, which `client` carries out.
//! `window` counts the results until the second is over and becomes an [`Entry`].

mod addresses;
mod answer;
mod chunks;
mod client;
mod dispatcher;
mod endpoint;
mod failure;
mod http1;
mod http2;
mod pod_name;
mod timer;
mod window;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};

use crate::error::Error;
use crate::journal::Entry;
use crate::profile::{Profile, ProfileError, Spacing};
use crate::schedule::Share;

pub use endpoint::{Endpoint, UrlError};
pub use failure::Failure;

use timer::Timer;

/// What is sent where, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests go.
    pub endpoint: Endpoint,
    /// The load.
    pub profile: Profile,
    /// How requests are spaced.
    pub spacing: Spacing,
    /// The seed of a Poisson process.
    pub seed: u64,
    /// The part of the schedule that this generator sends.
    pub share: Share,
    /// Requests on one connection before it is closed; 1 is a new connection for each.
    pub requests_per_connection: u64,
    /// HTTP/2 with prior knowledge, else HTTP/1.1.
    pub http2: bool,
    /// The maximum number of requests in flight; a request that is due beyond that is dropped.
    pub max_in_flight: u64,
    /// How long a request may take from when it is sent to the end of its answer, in the profile's time.
    pub timeout: Duration,
    /// The profile's seconds in a real second: 1, except in a rehearsal that compresses time.
    pub speed: f64,
}

impl Settings {
    /// Even spacing, a new connection for each request, at most 10,000 requests in flight, and a timeout of ten
    /// seconds.
    pub fn new(endpoint: Endpoint, profile: Profile) -> Self {
        Self {
            endpoint,
            profile,
            spacing: Spacing::Even,
            seed: 0,
            share: Share::default(),
            requests_per_connection: 1,
            http2: false,
            max_in_flight: 10_000,
            timeout: Duration::from_secs(10),
            speed: 1.0,
        }
    }

    /// Whether a load can be sent with these settings.
    fn check(&self) -> Result<(), StartError> {
        self.profile.check()?;
        if self.requests_per_connection == 0 {
            return Err(StartError::RequestsPerConnection);
        }
        if self.max_in_flight == 0 {
            return Err(StartError::MaxInFlight);
        }
        if self.timeout.is_zero() {
            return Err(StartError::Timeout);
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(StartError::Speed);
        }
        Ok(())
    }
}

/// Why a load cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The profile sends nothing.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No connection could carry a request.
    #[error("--requests-per-connection must be at least 1")]
    RequestsPerConnection,
    /// No request would be sent.
    #[error("--max-in-flight must be at least 1")]
    MaxInFlight,
    /// No answer would be in time.
    #[error("--timeout must be greater than 0")]
    Timeout,
    /// Time would not pass, or would go backwards.
    #[error("--speed must be greater than 0")]
    Speed,
    /// The machine has no thread or no timer left.
    #[error("cannot start the load: {0}")]
    Machine(#[from] io::Error),
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A running load. Dropping it ends the load and abandons the requests in flight.
#[derive(Debug)]
pub struct Generator {
    entries: mpsc::UnboundedReceiver<Entry>,
    control: Arc<Control>,
}

/// How the generator's thread is controlled.
#[derive(Debug, Default)]
struct Control {
    stopped: AtomicBool,
    /// The load was stopped, or there is room for a request again.
    changed: Notify,
}

impl Generator {
    /// Starts a load whose profile begins at `start`, which may lie in the future.
    pub fn start(settings: Settings, start: Instant) -> Result<Self, StartError> {
        settings.check()?;
        raise_descriptor_limit();
        let (sender, entries) = mpsc::unbounded_channel();
        let control = Arc::new(Control::default());
        let (started, starts) = std::sync::mpsc::channel();
        let in_thread = Arc::clone(&control);
        let run = move || {
            let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            match runtime.block_on(async { Timer::new() }) {
                Ok(timer) => {
                    // If nobody waits for this, the whole tool is ending.
                    let _ = started.send(Ok(()));
                    let load = dispatcher::Load::new(settings, start, in_thread, sender);
                    runtime.block_on(Rc::new(load).run(timer));
                }
                Err(error) => drop(started.send(Err(error))),
            }
            // Without waiting for a lookup that hangs.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("load".to_owned()).spawn(run)?;
        starts.recv().map_err(io::Error::other)??;
        Ok(Self { entries, control })
    }

    /// The next entry: an [`Entry::Second`] as each second of the profile ends, an [`Entry::Event`] when the target's
    /// name loses its address or has one again, and last an [`Entry::End`]. None after that; none without an end means
    /// that the generator itself has failed.
    ///
    /// May be cancelled without losing an entry.
    pub async fn next(&mut self) -> Option<Entry> {
        self.entries.recv().await
    }

    /// Sends no more requests. Requests in flight get their answer or time out.
    pub fn stop(&self) {
        self.control.stopped.store(true, Ordering::Relaxed);
        self.control.changed.notify_one();
    }
}

/// Raises the limit of open files to its maximum: shells start programs with about a thousand.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If that fails, requests without a descriptor are counted as such failures.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
