//! What each command does, as a story.

use std::io::Write;
use std::process::ExitCode;

use tokio::sync::mpsc::unbounded_channel;

use crate::cli::{Merge, Output, Predict, Rehearse, Run};
use crate::fault::Fault;
use crate::journal::Kind;
use crate::merge::joined;
use crate::model::manifests::Manifests;
use crate::model::predict;
use crate::observe::{self, Cluster};
use crate::recorder;
use crate::rehearse::{Rehearsal, Timing, WARM_UP};
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
    let (first, clock) = session::clock(LEAD, 1.0);
    if options.hpa.as_deref() == Some("none") {
        let url = options.url.clone().ok_or_else(|| Fault::Use("--hpa none watches nothing, and so finds no target: give --url".to_owned()))?;
        drop(observed);
        return plan(options, url, None).conduct(first, entries).await;
    }
    let cluster = Cluster::connect(options.context.as_deref()).await?;
    let watched = cluster.find(options.hpa.as_deref()).await?;
    let (autoscaler, chain) = observe::settings(&cluster, &watched).await?;
    session::profile(&options.load, Some(&autoscaler))?;
    let (url, _forward) = match &options.url {
        Some(url) => (url.clone(), None),
        None => cluster.target(&watched).await?,
    };
    let (first, clock) = { let _ = (first, clock); session::clock(LEAD, 1.0) };
    let watching = tokio::spawn(observe::watch(cluster, watched, chain, clock, observed));
    let done = plan(options, url, Some(autoscaler)).conduct(first, entries).await;
    watching.abort();
    done
}

fn plan(options: &Run, url: String, autoscaler: Option<crate::journal::Autoscaler>) -> Plan<'_> {
    let Run { load, sending, expected, output, .. } = options;
    Plan { kind: Kind::Run, url, load, sending, expected, output, autoscaler, speed: 1.0 }
}

/// `loadtest rehearse`: the same on this machine.
pub async fn rehearse(options: &Rehearse) -> Result<ExitCode, Fault> {
    let Rehearse { load, sending, expected, output, speed, .. } = options;
    let manifests = Manifests::read(&options.manifests).map_err(Fault::Use)?;
    let autoscaler = manifests.autoscaler.clone();
    let warm_up = WARM_UP * autoscaler.pipeline.scrape + autoscaler.pipeline.sync;
    let lead = LEAD.max(std::time::Duration::from_secs_f64(warm_up / speed));
    let (first, clock) = session::clock(lead, *speed);
    let (observed, entries) = unbounded_channel();
    let timing = Timing {
        startup: autoscaler.pipeline.startup,
        pre_stop: manifests.pre_stop,
        drain_delay: manifests.drain_delay,
        grace: manifests.grace,
    };
    let rehearsal = Rehearsal::start(autoscaler.clone(), timing, manifests.series.clone(), clock, observed).await?;
    let url = rehearsal.url.clone();
    let plan = Plan { kind: Kind::Rehearsal, url, load, sending, expected, output, autoscaler: Some(autoscaler), speed: *speed };
    plan.conduct(first, entries).await
}

/// `loadtest predict`: the same as arithmetic.
pub fn predict(options: &Predict) -> Result<ExitCode, Fault> {
    let autoscaler = Manifests::read(&options.manifests).map_err(Fault::Use)?.autoscaler;
    let profile = session::profile(&options.load, Some(&autoscaler))?;
    let predicted = predict::predict(&profile, &autoscaler, autoscaler.min, profile.seconds());
    let mut text = String::new();
    if options.json {
        for look in &predicted {
            text += &serde_json::to_string(look).expect("numbers are JSON");
            text.push('\n');
        }
    } else {
        text = predict::table(&profile, &autoscaler, &predicted);
    }
    // A closed pipe under a long table is nothing to report.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// `loadtest merge`: one report of several journals.
pub fn merge(options: &Merge) -> Result<ExitCode, Fault> {
    let journals = options.journals.iter().map(|path| recorder::read(path)).collect::<Result<Vec<_>, _>>()?;
    let entries = joined(journals)?;
    recorder::write(&options.out, &entries)?;
    session::report(&entries, &Output { out: Some(options.out.clone()), json: false })
}
