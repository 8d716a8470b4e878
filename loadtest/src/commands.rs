//! What each command does, as a story.

use std::fmt::Write as _;
use std::process::ExitCode;

use tokio::sync::mpsc::unbounded_channel;

use crate::cli::{Doctor, Merge, Predict, Rehearse, Run};
use crate::doctor::collect::trust::Trust;
use crate::doctor::diagnosis::Outcome;
use crate::doctor::{bundle, collect, diagnose, ladder};
use crate::fault::Fault;
use crate::journal::{Autoscaler, Entry, Event, Kind, Reader};
use crate::merge::joined;
use crate::model::manifests::Manifests;
use crate::model::predict::Predicted;
use crate::model::{manifests, predict};
use crate::observe::{self, Cluster};
use crate::output::{Clean, Stream, json, print, say, visible};
use crate::profile::Profile;
use crate::recorder;
use crate::rehearse::{Rehearsal, WARM_UP};
use crate::report::terminal;
use crate::session::{self, LEAD, Plan};

/// Runs a command that waits for the world.
pub fn block_on(command: impl Future<Output = Result<ExitCode, Fault>>) -> Result<ExitCode, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Fault::World(format!("no runtime: {error}")))?;
    let done = runtime.block_on(command);
    // Not waiting for a lookup that hangs.
    runtime.shutdown_background();
    done
}

/// `loadtest run`: finds the HPA and the way to its pods, sends the load, watches, judges.
pub async fn run(options: &Run) -> Result<ExitCode, Fault> {
    let (observed, entries) = unbounded_channel();
    let plan = |url, profile, autoscaler| Plan {
        kind: Kind::Run,
        url,
        profile,
        options: &options.common,
        autoscaler,
        speed: 1.0,
    };
    if options.hpa.as_deref() == Some("none") {
        let url = options
            .url
            .clone()
            .ok_or_else(|| Fault::Use("--hpa none watches nothing, and so finds no target: give --url".to_owned()))?;
        drop(observed);
        let (first, _) = session::clock(LEAD, 1.0);
        let profile = session::profile(&options.common.load, None)?;
        return plan(url, profile, None).conduct(first, entries).await;
    }
    let cluster = Cluster::connect(options.context.as_deref()).await?;
    let watched = cluster.find(options.hpa.as_deref()).await?;
    let trust = Trust::of_flag(options.trust_prometheus);
    let (autoscaler, chain, assumed) = observe::settings(&cluster, &watched, trust).await?;
    autoscaler.check().map_err(|why| Fault::Use(format!("HPA {}: {why}", autoscaler.name)))?;
    let profile = session::profile(&options.common.load, Some(&autoscaler))?;
    let (url, _forward) = match &options.url {
        Some(url) => (url.clone(), None),
        None => cluster.target(&watched).await?,
    };
    // Last: a load that could not be sent anyway is refused for that, and at once.
    if !options.skip_doctor {
        refuse_what_cannot_scale(&cluster, &autoscaler.name, trust).await?;
    }
    let (first, clock) = session::clock(LEAD, 1.0);
    for message in assumed {
        let (object, reason) = ("watch".to_owned(), "Assumed".to_owned());
        let event = Event { at: clock.now(), object, reason, message, warning: true };
        // Nobody has closed the channel yet.
        let _ = observed.send(Entry::Event(event));
    }
    let watching = tokio::spawn(observe::watch(cluster, watched, chain, clock, observed));
    let done = plan(url, profile, Some(autoscaler)).conduct(first, entries).await;
    watching.abort();
    done
}

/// A load on a chain that is broken would decide nothing. What could not be looked at is no obstacle.
async fn refuse_what_cannot_scale(cluster: &Cluster, hpa: &str, trust: Trust) -> Result<(), Fault> {
    let diagnosis = diagnose(&collect::collect(cluster, Some(hpa), trust).await?);
    if diagnosis.outcome != Outcome::Broken {
        return Ok(());
    }
    say(ladder::broken(&diagnosis, Stream::Err.columns(), Stream::Err.is_terminal()));
    Err(Fault::World(format!(
        "{} cannot scale, so a load would decide nothing; --skip-doctor sends it all the same",
        diagnosis.hpa
    )))
}

/// `loadtest doctor`: reads the chain, or what a bundle holds of it, and names the first link that is broken.
pub async fn doctor(options: &Doctor) -> Result<ExitCode, Fault> {
    let evidence = match (&options.from, &options.bundle) {
        (Some(from), _) => bundle::read(from)?,
        (None, kept) => {
            if let Some(file) = kept {
                bundle::is_new(file)?;
            }
            let cluster = Cluster::connect(options.context.as_deref()).await?;
            let trust = Trust::of_flag(options.trust_prometheus);
            let evidence = collect::collect(&cluster, options.hpa.as_deref(), trust).await?;
            if let Some(file) = kept {
                bundle::write(file, &evidence)?;
                say(Clean::of(&(bundle::contents(file, &evidence) + "\n")));
            }
            evidence
        }
    };
    let diagnosis = diagnose(&evidence);
    let text = if options.json {
        Clean::of(&ladder::json(&diagnosis))
    } else {
        ladder::render(&diagnosis, Stream::Out.columns(), Stream::Out.is_terminal())
    };
    print(&text)?;
    Ok(ExitCode::from(diagnosis.outcome.exit_code()))
}

/// `loadtest rehearse`: the same on this machine.
pub async fn rehearse(options: &Rehearse) -> Result<ExitCode, Fault> {
    let Rehearse { common, speed, .. } = options;
    let Manifests { autoscaler, workload, .. } = manifests::read(&options.manifests).map_err(Fault::Use)?;
    let profile = session::profile(&common.load, Some(&autoscaler))?;
    let warm_up = WARM_UP * autoscaler.pipeline.scrape + autoscaler.pipeline.sync;
    let lead = LEAD.max(std::time::Duration::from_secs_f64(warm_up / speed));
    let (first, clock) = session::clock(lead, *speed);
    let (observed, entries) = unbounded_channel();
    let rehearsal = Rehearsal::start(autoscaler.clone(), workload, clock, observed).await?;
    let url = rehearsal.url.clone();
    let autoscaler = Some(autoscaler);
    let plan = Plan { kind: Kind::Rehearsal, url, profile, options: common, autoscaler, speed: *speed };
    let done = plan.conduct(first, entries).await;
    rehearsal.end().await;
    done
}

/// `loadtest predict`: the same as arithmetic.
pub fn predict(options: &Predict) -> Result<ExitCode, Fault> {
    let autoscaler = manifests::read(&options.manifests).map_err(Fault::Use)?.autoscaler;
    let profile = session::profile(&options.load, Some(&autoscaler))?;
    let (stages, seconds) = (profile.stages.len(), profile.seconds());
    predict::is_feasible(stages, &autoscaler, autoscaler.min, seconds, predict::STEPS).map_err(Fault::Use)?;
    let predicted = predict::predict(&profile, &autoscaler, autoscaler.min, seconds);
    let text = if options.json {
        predicted.iter().map(|look| json(look) + "\n").collect()
    } else {
        table(&profile, &autoscaler, &predicted)
    };
    print(&Clean::of(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// The looks at which something changed: what the eye would look for in all of them.
fn table(profile: &Profile, autoscaler: &Autoscaler, predicted: &[Predicted]) -> String {
    let mut text = format!(
        "{}, {} to {} replicas, target {} a pod, window {} s\n\n   time    offered  value/target  wanted  ready\n",
        visible(&autoscaler.name),
        autoscaler.min,
        autoscaler.max,
        autoscaler.target,
        autoscaler.pipeline.window
    );
    let mut last = None;
    for look in predicted {
        let now = (look.wanted, look.ready, profile.rate_at(look.at));
        if last.replace(now) == Some(now) {
            continue;
        }
        let value = look.value.map_or_else(|| "<unknown>".to_owned(), |value| format!("{value:.3}"));
        let target = format!("{value}/{}", autoscaler.target);
        let row = (look.at, now.2, look.wanted, look.ready);
        // A String takes any write.
        let _ = writeln!(text, "{:>6.0} s  {:>5.1} rps  {target:>12}  {:>6}  {:>5}", row.0, row.1, row.2, row.3);
    }
    text
}

/// `loadtest merge`: one report of several journals.
pub fn merge(options: &Merge) -> Result<ExitCode, Fault> {
    let mut reader = Reader::default();
    let journals = options.journals.iter().map(|path| reader.read(path)).collect::<Result<Vec<_>, _>>()?;
    let entries = joined(journals)?;
    recorder::write(&options.out, &entries)?;
    let report = session::judged(&entries);
    let place = session::write(&report, &options.out)?;
    print(&terminal::summary(&report, Stream::Out.columns()))?;
    say(place);
    Ok(ExitCode::from(report.verdict.outcome.exit_code()))
}
