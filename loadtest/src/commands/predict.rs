//! `loadtest predict`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::autoscaling::predict::Predicted;
use crate::autoscaling::{Autoscaler, manifests, predict};
use crate::cli::Predict;
use crate::error::Error;
use crate::output::{Clean, json, print, visible};
use crate::profile::Profile;
use crate::session;

/// `loadtest predict`: calculates the replicas.
pub fn predict(options: &Predict) -> Result<ExitCode, Error> {
    let autoscaler = manifests::read_or_built_in(options.manifests.as_deref())
        .map_err(|error| Error::Usage(error.to_string()))?
        .autoscaler;
    let profile = session::profile(&options.load, Some(&autoscaler))?;
    let (stages, seconds) = (profile.stages.len(), profile.seconds());
    predict::is_feasible(stages, &autoscaler, autoscaler.min, seconds, predict::STEPS)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let predicted = predict::predict(&profile, &autoscaler, autoscaler.min, seconds);
    let text = if options.json {
        predicted.iter().map(|moment| json(moment) + "\n").collect()
    } else {
        table(&profile, &autoscaler, &predicted)
    };
    print(&Clean::of(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// A row for each sync at which something changes.
fn table(profile: &Profile, autoscaler: &Autoscaler, predicted: &[Predicted]) -> String {
    let mut text = format!(
        "{}, {} to {} replicas, target {} a pod, window {} s\n\n   time    offered  value/target  desired  ready\n",
        visible(&autoscaler.name),
        autoscaler.min,
        autoscaler.max,
        autoscaler.target,
        autoscaler.pipeline.window
    );
    let mut last = None;
    for moment in predicted {
        let now = (moment.wanted, moment.ready, profile.rate_at(moment.at));
        if last.replace(now) == Some(now) {
            continue;
        }
        let value = moment.value.map_or_else(|| "<unknown>".to_owned(), |value| format!("{value:.3}"));
        let target = format!("{value}/{}", autoscaler.target);
        let (desired, ready, offered) = now;
        // Writing to a String never fails.
        let _ = writeln!(text, "{:>6.0} s  {offered:>5.1} rps  {target:>12}  {desired:>7}  {ready:>5}", moment.at);
    }
    text
}
