//! `loadtest rehearse`.

use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use crate::autoscaling::manifests::{self, Manifests};
use crate::autoscaling::timing;
use crate::cli::Rehearse;
use crate::error::Error;
use crate::journal::Kind;
use crate::rehearse::Rehearsal;
use crate::session::{self, LEAD, Session};

/// `loadtest rehearse`: runs the whole loop on this machine.
pub async fn rehearse(options: &Rehearse) -> Result<ExitCode, Error> {
    let Rehearse { common, speed, .. } = options;
    let Manifests { autoscaler, workload, .. } =
        manifests::read_or_built_in(options.manifests.as_deref()).map_err(|error| Error::Usage(error.to_string()))?;
    let profile = session::profile(&common.load, Some(&autoscaler))?;
    let warm_up = timing::WARM_UP_SCRAPES * autoscaler.pipeline.scrape + autoscaler.pipeline.sync;
    let lead = LEAD.max(Duration::from_secs_f64(warm_up / speed));
    let (first, clock) = session::clock(lead, *speed);
    let (observed, entries) = unbounded_channel();
    let rehearsal = Rehearsal::start(autoscaler.clone(), workload, clock, observed).await?;
    let url = rehearsal.url.clone();
    let autoscaler = Some(autoscaler);
    let session = Session { kind: Kind::Rehearsal, url, profile, options: common, autoscaler, speed: *speed };
    let done = session.run(first, entries).await;
    rehearsal.end().await;
    done
}
