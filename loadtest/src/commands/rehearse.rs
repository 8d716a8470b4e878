//! `loadtest rehearse`.

use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use crate::autoscaling::manifests::{self, Manifests};
use crate::autoscaling::timing;
use crate::cli::Rehearse;
use crate::commands::predict::notes;
use crate::error::Error;
use crate::journal::Kind;
use crate::output::{Clean, say};
use crate::rehearse::Rehearsal;
use crate::session::requests::Plan;
use crate::session::{self, LEAD, Session};

/// `loadtest rehearse`: runs the whole loop on this machine.
pub async fn rehearse(options: &Rehearse) -> Result<ExitCode, Error> {
    let Rehearse { common, speed, .. } = options;
    let Manifests { autoscaler, workload, not_modelled, .. } =
        manifests::read_or_built_in(&options.manifests).map_err(|error| Error::Usage(error.to_string()))?;
    if !autoscaler.metrics.is_empty() || autoscaler.min == 0 {
        let what = "a rehearsal knows one metric of type Pods or External with an averageValue, and a minimum of 1 or more: \
                    predict knows others";
        return Err(Error::Usage(format!("{}: {what}", autoscaler.name)));
    }
    say(Clean::of(&notes(&autoscaler, &not_modelled)));
    let profile = session::profile(&common.load, Some(&autoscaler))?;
    let warm_up = timing::WARM_UP_SCRAPES * autoscaler.pipeline.scrape + autoscaler.pipeline.sync;
    let lead = LEAD.max(Duration::from_secs_f64(warm_up / speed));
    let (first, clock) = session::clock(lead, *speed);
    let (observed, entries) = unbounded_channel();
    let rehearsal = Rehearsal::start(autoscaler.clone(), workload, clock, observed).await?;
    let url = rehearsal.url.clone();
    let autoscaler = Some(autoscaler);
    let plan = Plan::default();
    let session = Session {
        kind: Kind::Rehearsal,
        url,
        plan,
        profile,
        clients: None,
        options: common,
        autoscaler,
        speed: *speed,
    };
    let done = session.run(first, entries).await;
    rehearsal.end().await;
    done
}
