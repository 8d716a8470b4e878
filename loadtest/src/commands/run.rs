//! `loadtest run`.

use std::process::ExitCode;

use tokio::sync::mpsc::unbounded_channel;

use crate::cli::Run;
use crate::doctor::collect::trust::Trust;
use crate::doctor::diagnosis::Outcome;
use crate::doctor::{collect, diagnose, render};
use crate::error::Error;
use crate::journal::{Entry, Event, Kind, ObservedEvent};
use crate::kube::cluster::Cluster;
use crate::output::{Stream, say};
use crate::session::{LEAD, Plan};
use crate::{observe, session};

/// `loadtest run`: finds the HPA and the way to its pods, sends the load, watches, judges.
pub async fn run(options: &Run) -> Result<ExitCode, Error> {
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
            .ok_or_else(|| Error::Usage("--hpa none needs --url: without an HPA there is no target".to_owned()))?;
        drop(observed);
        let (first, _) = session::clock(LEAD, 1.0);
        let profile = session::profile(&options.common.load, None)?;
        return plan(url, profile, None).conduct(first, entries).await;
    }
    let cluster = Cluster::connect(options.context.as_deref()).await?;
    let watched = cluster.find(options.hpa.as_deref()).await?;
    let trust = Trust::of_flag(options.trust_prometheus);
    let (autoscaler, chain, assumed) = observe::settings(&cluster, &watched, trust).await?;
    autoscaler.check().map_err(|why| Error::Usage(format!("HPA {}: {why}", autoscaler.name)))?;
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
    for assumption in assumed {
        let event = Event { at: clock.now(), what: ObservedEvent::Assumed { assumption } };
        // Nobody has closed the channel yet.
        let _ = observed.send(Entry::Event(event));
    }
    let watching = tokio::spawn(observe::watch(cluster, watched, chain, clock, observed));
    let done = plan(url, profile, Some(autoscaler)).conduct(first, entries).await;
    watching.abort();
    done
}

/// A load on a chain that is broken would decide nothing. What could not be looked at is no obstacle.
async fn refuse_what_cannot_scale(cluster: &Cluster, hpa: &str, trust: Trust) -> Result<(), Error> {
    let diagnosis = diagnose(&collect::collect(cluster, Some(hpa), trust).await?);
    if diagnosis.outcome != Outcome::Broken {
        return Ok(());
    }
    say(render::broken(&diagnosis, Stream::Err.columns(), Stream::Err.is_terminal()));
    Err(Error::Environment(format!(
        "{} cannot scale, so a load test would prove nothing; --skip-doctor sends the load anyway",
        diagnosis.hpa
    )))
}
