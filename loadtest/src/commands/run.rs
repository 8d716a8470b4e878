//! `loadtest run`.

use std::process::ExitCode;

use tokio::sync::mpsc::unbounded_channel;

use super::watch_plan::{watch_plan, watched_pods};
use crate::autoscaling::Autoscaler;
use crate::cli::Run;
use crate::doctor::collect::Collection;
use crate::doctor::diagnosis::Outcome;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::autoscaler::Assumed;
use crate::doctor::facts::entrance::{Entrance, entrance};
use crate::doctor::facts::trust::Trust;
use crate::doctor::{diagnose, render};
use crate::error::Error;
use crate::journal::{Entry, Event, Kind, ObservedEvent};
use crate::kube::cluster::Cluster;
use crate::kube::forward::Forward;
use crate::kube::kubeconfig::Choice;
use crate::output::{Stream, say};
use crate::session::requests::Plan;
use crate::session::{LEAD, Session};
use crate::{observe, session};

/// `loadtest run`: finds the HPA and the way to its pods, sends the load, watches, judges.
pub async fn run(options: &Run) -> Result<ExitCode, Error> {
    let (observed, entries) = unbounded_channel();
    // What can be wrong in the command line is said before anything is asked of a cluster.
    let closed = options.closed.read(&options.common.load, &options.common.expected)?;
    let clients = closed.as_ref().map(|(clients, _)| *clients);
    let profile = |autoscaler: Option<&Autoscaler>| match &closed {
        Some((_, silence)) => Ok(silence.clone()),
        None => session::profile(&options.common.load, autoscaler),
    };
    let plan = Plan::read(&options.requests, options.url.as_deref())?;
    let own_url = options.url.as_deref().or(plan.own_url()).map(str::to_owned);
    let has_paths = own_url.is_none() && plan.has_paths();
    let or_whole = if has_paths { ", or give each line of --targets a whole URL" } else { "" };
    let watches = options.watches(own_url.is_some());
    let session = |url, profile, autoscaler| Session {
        kind: Kind::Run,
        url,
        plan,
        profile,
        clients,
        options: &options.common,
        autoscaler,
        speed: 1.0,
    };
    if !watches {
        options.common.expected.without_hpa()?;
        let url = own_url.ok_or_else(|| {
            Error::Usage(format!("--hpa none needs --url: without an HPA there is no target{or_whole}"))
        })?;
        drop(observed);
        let (first, _) = session::clock(LEAD, 1.0);
        let profile = profile(None)?;
        return session(url, profile, None).run(first, entries).await;
    }
    let connected = Cluster::connect(Choice { context: options.context.as_deref(), kubeconfig: None }).await;
    let cluster = connected.map_err(|error| match error {
        // Whoever names no cluster may have meant a target.
        Error::Usage(why) if has_paths && options.hpa.is_none() && options.context.is_none() => Error::Usage(format!(
            "the paths in --targets need a target: give --url URL{or_whole}; without them, it is that of a cluster, and \
             {why}"
        )),
        other => other,
    })?;
    let trust = Trust::of_flag(options.trust_prometheus);
    // All that is read makes a large future.
    let mut collection = Box::pin(Collection::objects(&cluster, options.hpa.as_deref())).await?;
    let pods = watched_pods(&collection.evidence)?;
    let (url, _forward) = match own_url {
        Some(url) => (url, None),
        None => target(&cluster, &collection.evidence, &pods).await?,
    };
    // Only now: if there is nothing to watch or no target, that is refused at once.
    if !options.skip_doctor {
        Box::pin(collection.answers(trust)).await;
        refuse_broken_chain(&collection.redacted())?;
    }
    collection.usual().await;
    let (Assumed { autoscaler, assumptions }, plan) = watch_plan(&collection.evidence, trust)?;
    autoscaler.check().map_err(|why| Error::Usage(format!("HPA {}: {why}", autoscaler.name)))?;
    let profile = profile(Some(&autoscaler))?;
    drop(collection);
    let (first, clock) = session::clock(LEAD, 1.0);
    for assumption in assumptions {
        let event = Event { at: clock.now(), what: ObservedEvent::Assumed { assumption } };
        // Nobody has closed the channel yet.
        let _ = observed.send(Entry::Event(event));
    }
    let watching = tokio::spawn(observe::watch(cluster.client, plan, clock, observed));
    let done = session(url, profile, Some(autoscaler)).run(first, entries).await;
    watching.abort();
    done
}

/// Where the load goes, and the port-forward that has to be kept for as long, if it goes through one.
async fn target(cluster: &Cluster, evidence: &Evidence, pods: &str) -> Result<(String, Option<Forward>), Error> {
    match entrance(evidence, cluster.inside)? {
        Entrance::Url(url) => Ok((url, None)),
        Entrance::Pods(port) => {
            let forward = Forward::start(cluster.client.clone(), &evidence.namespace, pods, port).await?;
            Ok((format!("http://{}/", forward.address), Some(forward)))
        }
    }
}

/// A load on a broken chain would decide nothing. What could not be read is no reason to refuse one.
fn refuse_broken_chain(evidence: &Evidence) -> Result<(), Error> {
    let diagnosis = diagnose(evidence);
    if diagnosis.outcome != Outcome::Broken {
        return Ok(());
    }
    say(render::broken(&diagnosis, Stream::Err.columns(), Stream::Err.is_terminal()));
    Err(Error::Environment(format!(
        "{} cannot scale, so a load test would prove nothing; --skip-doctor sends the load anyway",
        diagnosis.hpa
    )))
}
