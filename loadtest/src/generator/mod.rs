//! Open-loop load: every request is sent when it is due, whatever the target does. For comparison, also a closed loop.
//!
//! The generator has threads and runtimes of its own, so that nothing else that the tool does makes it late. Each sends its
//! part of the schedule, and `joined` adds up what they report. On a thread, `dispatcher` waits for the moments of the schedule and starts a task for each request, which `client` carries out.
//! `window` counts the results until the second is over and becomes an [`Entry`]. `request` is what is sent, `mix` which one is
//! next, `line` reads it from a file, `secrets` what of it a report may not repeat, `template` the places that are filled in for each request, `stream` a connection, and `tls` what protects it.

mod addresses;
mod answer;
mod chunks;
mod client;
mod dispatcher;
mod endpoint;
mod failure;
mod http1;
mod http2;
mod joined;
mod line;
mod mix;
mod pod_name;
mod request;
mod secrets;
mod stream;
mod template;
mod timer;
mod tls;
mod window;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::HeaderName;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};

use crate::error::Error;
use crate::journal::{Clients, Entry};
use crate::profile::{Profile, ProfileError, Spacing};
use crate::schedule::Share;

pub use endpoint::{Endpoint, Place, PlaceError, UrlError};
pub use failure::Failure;
pub use line::{Line, LineError, MethodError, method_of};
pub use request::{Header, HeaderError, Request};
pub use template::Template;
pub use tls::{Trust, TrustError};
pub use window::Success;

use joined::Joined;
use timer::Timer;

/// What is sent where, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The requests, at least one.
    pub requests: Vec<Request>,
    /// Where connections go instead of the requests' hosts.
    pub connect_to: Option<Place>,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// What makes an answer a success.
    pub success: Success,
    /// The header of an answer that names its pod, instead of its document.
    pub pod_header: Option<HeaderName>,
    /// The load.
    pub profile: Profile,
    /// A closed loop of these clients for the profile's duration, instead of its rates.
    pub clients: Option<Clients>,
    /// How requests are spaced.
    pub spacing: Spacing,
    /// The seed of a Poisson process, which is the same for all generators of a load.
    pub seed: u64,
    /// The seed of the numbers for `{{random}}`.
    pub random: u64,
    /// The part of the schedule that this generator sends.
    pub share: Share,
    /// Requests on one connection before it is closed; 1 is a new connection for each.
    pub requests_per_connection: u64,
    /// HTTP/2, with prior knowledge or by ALPN, else HTTP/1.1.
    pub http2: bool,
    /// How many threads send the load, each a part of the schedule.
    pub threads: u32,
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
            requests: vec![Request::get(endpoint)],
            connect_to: None,
            trust: Trust::System,
            success: Success::default(),
            pod_header: None,
            profile,
            clients: None,
            spacing: Spacing::Even,
            seed: 0,
            random: 0,
            share: Share::default(),
            requests_per_connection: 1,
            http2: false,
            threads: 1,
            max_in_flight: 10_000,
            timeout: Duration::from_secs(10),
            speed: 1.0,
        }
    }

    /// The parts of all threads: of the schedule, and of the requests in flight or the clients, of which each thread has at
    /// least one.
    fn parts(self) -> Vec<Self> {
        let clients = self.clients.map_or(u32::MAX, |clients| clients.count);
        let threads = self.threads.min(u32::try_from(self.max_in_flight).unwrap_or(u32::MAX)).min(clients);
        let of = u64::from(threads);
        let part = |thread: u32| {
            let more = u64::from(u64::from(thread) < self.max_in_flight % of);
            let count = |count: u32| count / threads + u32::from(thread < count % threads);
            Self {
                threads,
                share: self.share.part(thread, threads),
                max_in_flight: self.max_in_flight / of + more,
                clients: self.clients.map(|clients| Clients { count: count(clients.count), ..clients }),
                ..self.clone()
            }
        };
        (0..threads).map(part).collect()
    }

    /// Whether a load can be sent with these settings.
    fn check(&self) -> Result<(), StartError> {
        match self.clients {
            None => self.profile.check()?,
            Some(Clients { count: 0, .. }) => return Err(StartError::Clients),
            Some(_) => {}
        }
        if self.requests_per_connection == 0 {
            return Err(StartError::RequestsPerConnection);
        }
        if self.threads == 0 {
            return Err(StartError::Threads);
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
    /// Nobody would send, either.
    #[error("--clients must be at least 1")]
    Clients,
    /// No connection could carry a request.
    #[error("--requests-per-connection must be at least 1")]
    RequestsPerConnection,
    /// Nobody would send.
    #[error("--threads must be at least 1")]
    Threads,
    /// No request would be sent.
    #[error("--max-in-flight must be at least 1")]
    MaxInFlight,
    /// No answer would be in time.
    #[error("--timeout must be greater than 0")]
    Timeout,
    /// Time would not pass, or would go backwards.
    #[error("--speed must be greater than 0")]
    Speed,
    /// The host cannot be the name of a certificate.
    #[error("{0:?} is not a name that a TLS certificate can have: give the URL's host as a DNS name or an address")]
    ServerName(String),
    /// There is nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
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
    entries: mpsc::UnboundedReceiver<(usize, Entry)>,
    controls: Vec<Arc<Control>>,
    joined: Joined,
}

/// How a thread of the generator is controlled.
#[derive(Debug, Default)]
struct Control {
    stopped: AtomicBool,
    /// The load was stopped, or there is room for a request again.
    changed: Notify,
}

/// Where a thread of the generator reports.
struct Reporter {
    thread: usize,
    entries: mpsc::UnboundedSender<(usize, Entry)>,
}

impl Reporter {
    /// Reports an entry. If the receiver was dropped, the load is about to end.
    fn send(&self, entry: Entry) {
        let _ = self.entries.send((self.thread, entry));
    }

    /// Waits until the receiver is dropped.
    async fn closed(&self) {
        self.entries.closed().await;
    }
}

impl Generator {
    /// Starts a load whose profile begins at `start`, which may lie in the future.
    pub fn start(settings: Settings, start: Instant) -> Result<Self, StartError> {
        settings.check()?;
        raise_descriptor_limit();
        let (sender, entries) = mpsc::unbounded_channel();
        let mut controls = Vec::new();
        for (thread, part) in settings.parts().into_iter().enumerate() {
            controls.push(start_thread(part, start, Reporter { thread, entries: sender.clone() })?);
        }
        Ok(Self { entries, joined: Joined::new(controls.len()), controls })
    }

    /// The next entry: an [`Entry::Second`] as each second of the profile ends, an [`Entry::Event`] when the target's
    /// name loses its address or has one again and for the first failure of each kind, and last an [`Entry::End`]. None
    /// after that; none without an end means that the generator itself has failed.
    ///
    /// May be cancelled without losing an entry.
    pub async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.joined.next() {
                return Some(entry);
            }
            let (thread, entry) = self.entries.recv().await?;
            if let Some(entry) = self.joined.take(thread, entry) {
                return Some(entry);
            }
        }
    }

    /// Sends no more requests. Requests in flight get their answer or time out.
    pub fn stop(&self) {
        for control in &self.controls {
            control.stopped.store(true, Ordering::Relaxed);
            control.changed.notify_one();
        }
    }
}

/// Starts a thread that sends its part of a load.
fn start_thread(settings: Settings, start: Instant, reporter: Reporter) -> Result<Arc<Control>, StartError> {
    let control = Arc::new(Control::default());
    let (started, starts) = std::sync::mpsc::channel();
    let in_thread = Arc::clone(&control);
    let run = move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(StartError::from(error)))),
        };
        match runtime.block_on(async { Timer::new() }) {
            Ok(timer) => match dispatcher::Load::new(settings, start, in_thread, reporter) {
                Ok(load) => {
                    // If nobody waits for this, the whole tool is ending.
                    let _ = started.send(Ok(()));
                    runtime.block_on(Rc::new(load).run(timer));
                }
                Err(error) => drop(started.send(Err(error))),
            },
            Err(error) => drop(started.send(Err(error.into()))),
        }
        // Without waiting for a lookup that hangs.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("load".to_owned()).spawn(run)?;
    starts.recv().map_err(io::Error::other)??;
    Ok(control)
}

/// Raises the limit of open files to its maximum: shells start programs with about a thousand.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If that fails, requests without a descriptor are counted as such failures.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
