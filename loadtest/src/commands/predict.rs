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

/// `loadtest predict`: the same as arithmetic.
pub fn predict(options: &Predict) -> Result<ExitCode, Error> {
    let autoscaler = manifests::read(&options.manifests).map_err(|error| Error::Usage(error.to_string()))?.autoscaler;
    let profile = session::profile(&options.load, Some(&autoscaler))?;
    let (stages, seconds) = (profile.stages.len(), profile.seconds());
    predict::is_feasible(stages, &autoscaler, autoscaler.min, seconds, predict::STEPS)
        .map_err(|error| Error::Usage(error.to_string()))?;
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
