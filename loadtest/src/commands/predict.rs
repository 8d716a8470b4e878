//! `loadtest predict`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::autoscaling::hpa::Target;
use crate::autoscaling::manifests::{self, Manifests};
use crate::autoscaling::predict::Predicted;
use crate::autoscaling::{Autoscaler, Measured, predict};
use crate::cli::Predict;
use crate::error::Error;
use crate::output::{Clean, json, print, say, visible};
use crate::profile::Profile;
use crate::session;

/// `loadtest predict`: calculates the replicas.
pub fn predict(options: &Predict) -> Result<ExitCode, Error> {
    let Manifests { autoscaler, not_modelled, .. } =
        manifests::read_or_built_in(&options.manifests).map_err(|error| Error::Usage(error.to_string()))?;
    let profile = session::profile(&options.load, Some(&autoscaler))?;
    let (stages, seconds) = (profile.stages.len(), profile.seconds());
    predict::is_feasible(stages, &autoscaler, autoscaler.min, seconds, predict::STEPS)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let predicted = predict::predict(&profile, &autoscaler, autoscaler.min, seconds);
    let notes = notes(&autoscaler, &not_modelled);
    if options.json {
        say(Clean::of(&notes));
        print(&Clean::of(&predicted.iter().map(|moment| json(moment) + "\n").collect::<String>()))?;
    } else {
        print(&Clean::of(&table(&profile, &autoscaler, &notes, &predicted)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the prediction leaves out or assumes, a line each.
pub(super) fn notes(autoscaler: &Autoscaler, not_modelled: &[String]) -> String {
    let left_out = |metric: &String| {
        format!("not modelled: {}; the HPA follows it where it asks for more replicas\n", visible(metric))
    };
    let mut notes: String = not_modelled.iter().map(left_out).collect();
    if autoscaler.min == 0 {
        notes += "assumed: at 0 replicas the metric still counts the load, as that of a load balancer does; a counter of the \
                  pods' own has no series then, and the HPA would stay at 0\n";
    }
    notes
}

/// A row for each sync at which something changes.
fn table(profile: &Profile, autoscaler: &Autoscaler, notes: &str, predicted: &[Predicted]) -> String {
    let metrics = autoscaler.all_measured();
    let head = |metric: &Measured| match metric.metric.target {
        Target::AverageValue(target) => format!("target {target} a pod, window {} s", metric.window),
        Target::Value(target) => format!("target {target} for all pods, window {} s", metric.window),
    };
    let (name, min, max) = (visible(&autoscaler.name), autoscaler.min, autoscaler.max);
    let mut text = match &metrics[..] {
        [metric] => format!("{name}, {min} to {max} replicas, {}\n", head(metric)),
        several => {
            let lines = several.iter().map(|metric| format!("  {}: {}\n", visible(&metric.metric.name), head(metric)));
            let lines: String = lines.collect();
            format!("{name}, {min} to {max} replicas, the most that one of its metrics asks for:\n{lines}")
        }
    };
    text += notes;
    text += "\n   time    offered  value/target  desired  ready\n";
    let mut last = None;
    for moment in predicted {
        let now = (moment.wanted, moment.ready, profile.rate_at(moment.at));
        if last.replace(now) == Some(now) {
            continue;
        }
        let value = moment.value.map_or_else(|| "<unknown>".to_owned(), |value| format!("{value:.3}"));
        let metric = metrics.get(moment.by).unwrap_or(&metrics[0]);
        let target = format!("{value}/{}", metric.metric.target.value());
        let by = if metrics.len() == 1 { String::new() } else { format!("  {}", visible(&metric.metric.name)) };
        let (desired, ready, offered) = now;
        // Writing to a String never fails.
        let _ = writeln!(text, "{:>6.0} s  {offered:>5.1} rps  {target:>12}  {desired:>7}  {ready:>5}{by}", moment.at);
    }
    text
}
