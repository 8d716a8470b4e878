//! From the first request to the verdict: what a run and a rehearsal share.

pub mod clock;
mod exports;
pub mod exposition;
pub mod recorder;
pub mod requests;
pub mod signals;

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::autoscaling::derive::{LONGEST, STAGES, STEPS, hpa_profile};
use crate::autoscaling::{Autoscaler, predict};
use crate::bounds::THREADS;
use crate::cli::{Common, Load};
use crate::error::Error;
use crate::generator::{Endpoint, Generator, Settings};
use crate::journal::{Clients, Entry, FORMAT, Kind, Start};
use crate::output::sink::Sink;
use crate::output::{Clean, Stream, say, visible};
use crate::profile::{Profile, Stage};
use crate::report::{Report, terminal};
use crate::session::clock::Clock;
use crate::session::exposition::Exposition;
use crate::session::recorder::Recorder;
use crate::session::requests::Plan;
use crate::session::signals::Signals;

/// From the command to the first request: time to draw the view and to open connections.
pub const LEAD: Duration = Duration::from_millis(200);

/// The seed of a Poisson process without `--seed`: several generators need the same.
const DEFAULT_SEED: u64 = 1;

/// A load, and what is expected of it.
pub struct Session<'a> {
    /// A run or a rehearsal.
    pub kind: Kind,
    /// Where the load goes.
    pub url: String,
    /// What is sent there.
    pub plan: Plan,
    /// The load that is sent.
    pub profile: Profile,
    /// The clients that send it, instead of the profile's rates.
    pub clients: Option<Clients>,
    /// The command line's options.
    pub options: &'a Common,
    /// The HPA that is watched.
    pub autoscaler: Option<Autoscaler>,
    /// The clock's seconds in a real second.
    pub speed: f64,
}

/// The given stages, or else those made from the HPA.
pub fn profile(load: &Load, autoscaler: Option<&Autoscaler>) -> Result<Profile, Error> {
    if let Some(profile) = load.stages() {
        profile.is_bounded().map_err(|error| Error::Usage(error.to_string()))?;
        return Ok(profile);
    }
    let autoscaler = autoscaler.ok_or_else(|| {
        Error::Usage("no load: give --stage RATE:DURATION, or an HPA to make a profile from".to_owned())
    })?;
    let of_hpa = |why: &dyn Display| {
        Error::Usage(format!("no profile can be made from {}: {why}; give --stage", autoscaler.name))
    };
    predict::is_feasible(STAGES, autoscaler, autoscaler.min, LONGEST, STEPS).map_err(|error| of_hpa(&error))?;
    let profile = hpa_profile(autoscaler);
    profile.stages.iter().try_for_each(Stage::check).map_err(|error| of_hpa(&error))?;
    profile.is_bounded().map_err(|error| of_hpa(&error))?;
    Ok(profile)
}

impl Session<'_> {
    /// Sends the load from `first` on, records the entries of the generator and the observer, and judges them.
    pub async fn run(self, first: Instant, mut observed: UnboundedReceiver<Entry>) -> Result<ExitCode, Error> {
        let Common { sending, output, expected, .. } = self.options;
        let endpoint: Endpoint = self.url.parse()?;
        expected.of_stages(self.profile.stages.len())?;
        exports::can_be_written(output)?;
        // Numbers that are the same in each run would be in the caches since the last one.
        let random = sending.seed.unwrap_or_else(from_clock);
        let start = self.start(first, &endpoint, random)?;
        start.check().map_err(|error| Error::Usage(format!("no journal can hold this load: {error}")))?;
        let settings = self.plan.apply(Settings {
            spacing: sending.spacing,
            seed: sending.seed.unwrap_or(DEFAULT_SEED),
            random,
            share: sending.share()?,
            clients: self.clients,
            requests_per_connection: sending.requests_per_connection(self.clients.is_some()),
            http2: sending.http2,
            threads: sending.threads.unwrap_or_else(|| threads(self.kind, &self.profile, self.clients)),
            max_in_flight: sending.max_in_flight,
            timeout: sending.timeout,
            speed: self.speed,
            ..Settings::new(endpoint, self.profile)
        })?;
        let exposition = match output.metrics_address {
            Some(address) => Some(Exposition::serve(address).await?),
            None => None,
        };
        let mut signals = Signals::listen()?;
        // Before the journal: what cannot be started leaves no folder behind.
        let mut generator = Generator::start(settings, first)?;
        let mut recorder = Recorder::open(output.out.as_deref(), Sink::start(output.json)?)?;
        recorder.take(Entry::Start(Box::new(start)));
        let mut asked_to_stop = false;
        loop {
            tokio::select! {
                // What was observed before the end is recorded before it.
                biased;
                () = signals.next() => {
                    generator.stop();
                    // After a second signal, the entries so far are judged.
                    if std::mem::replace(&mut asked_to_stop, true) {
                        break;
                    }
                }
                Some(entry) = observed.recv() => recorder.take(entry),
                entry = generator.next() => match entry {
                    Some(end @ Entry::End(_)) => {
                        recorder.take(end);
                        break;
                    }
                    Some(entry) => {
                        if let Some(exposition) = &exposition {
                            exposition.take(&entry);
                        }
                        recorder.take(entry);
                    }
                    None => break,
                },
            }
        }
        drop(generator);
        let (entries, folder, sink, unwritten) = recorder.finish();
        // The report's files come first: a reader of the summary may be slow.
        let report = report(&entries);
        let written = folder.map(|folder| write(&report, &folder)).transpose();
        let exported = exports::write(&report, output);
        let unread =
            sink.finish(terminal::summary(&report, Stream::Out.columns()), asked_to_stop, signals.next()).await;
        if let Some(page) = written? {
            say(page);
        }
        exported?;
        unwritten.or(unread).map_or_else(|| Ok(ExitCode::from(report.verdict.outcome.exit_code())), Err)
    }

    fn start(&self, first: Instant, endpoint: &Endpoint, random: u64) -> Result<Start, Error> {
        let Common { load, sending, expected, .. } = self.options;
        let lead = first.saturating_duration_since(Instant::now());
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + lead;
        let mut expectations = expected.expectations();
        if load.stages().is_none() && self.clients.is_none() {
            // A profile made from the HPA reaches its maximum, and ends with a trickle that the minimum can take.
            let autoscaler = self.autoscaler.as_ref();
            expectations.replicas = expectations.replicas.or(autoscaler.map(|autoscaler| autoscaler.max));
            expectations.scale_in = true;
        }
        Ok(Start {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kind: self.kind,
            started: started.as_secs_f64(),
            speed: self.speed,
            target: self.plan.target(endpoint, sending, self.clients)?,
            profile: self.profile.stages.clone(),
            clients: self.clients,
            spacing: sending.spacing,
            seed: Some(random),
            generator: sending.generator,
            generators: sending.generators,
            autoscaler: self.autoscaler.clone(),
            expectations,
        })
    }
}

/// A seed that no other run has. Programs that read JSON can hold it exactly.
fn from_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// How many threads send a load, unless the user says it. A rehearsal leaves the cores to its replicas, and a closed loop
/// sends what it can.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is a million at most")]
fn threads(kind: Kind, profile: &Profile, clients: Option<Clients>) -> u32 {
    /// What a thread sends with ease, also where each request has a handshake of its own.
    const EACH: f64 = 1_000.0;
    let highest = profile.stages.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let enough = clients.map_or((highest / EACH).ceil() as u32, |clients| clients.count);
    if kind == Kind::Rehearsal { 1 } else { enough.clamp(1, cores.min(THREADS)) }
}

/// Writes the report into a folder, and returns the path of its page as a line.
pub fn write(report: &Report, folder: &Path) -> Result<Clean, Error> {
    let failed = |error| Error::Environment(format!("{}: cannot write the report: {error}", folder.display()));
    report.write(folder).map_err(failed)?;
    Ok(Clean::of(&format!("{}\n", visible(&folder.join("report.html").display().to_string()))))
}

/// The report of a journal, with the model's prediction for the same load from the replicas at its start.
pub fn report(entries: &[Entry]) -> Report {
    let start = entries.iter().find_map(|entry| if let Entry::Start(start) = entry { Some(start) } else { None });
    let replicas =
        entries.iter().find_map(|entry| if let Entry::Scaling(scaling) = entry { Some(scaling.ready) } else { None });
    // What a closed loop sends is not known beforehand.
    let predicted = start.filter(|start| start.clients.is_none()).and_then(|start| {
        let (autoscaler, profile) = (start.autoscaler.as_ref()?, Profile { stages: start.profile.clone() });
        let (replicas, seconds) = (replicas.unwrap_or(autoscaler.min), profile.seconds());
        // Without a prediction, the report has the measured figures alone.
        predict::is_feasible(profile.stages.len(), autoscaler, replicas, seconds, predict::STEPS).ok()?;
        let predicted = predict::predict(&profile, autoscaler, replicas, seconds);
        Some((predicted, predict::band(&profile, autoscaler, replicas, seconds)))
    });
    let (predicted, band) = predicted.unwrap_or_default();
    Report::from_entries(entries, predicted).with_band(&band)
}

/// The clock of a load that begins `lead` from now.
pub fn clock(lead: Duration, speed: f64) -> (Instant, Clock) {
    let first = Instant::now() + lead;
    (first, Clock::new(first, speed))
}
