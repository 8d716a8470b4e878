//! A profile that an autoscaler itself asks for: `--profile hpa`.

use super::Autoscaler;
use super::timing;
use crate::autoscaling::predict::{Band, band};
use crate::profile::{Profile, Stage};

/// The longest that [`hpa_profile`] predicts, in seconds: all that comes before a stage, and that stage.
pub const LONGEST: f64 = 4.0 * timing::STAGE_AT_MOST;

/// The maximum number of steps of [`hpa_profile`]'s predictions, which are mostly much shorter than the longest.
pub const STEPS: f64 = 1e7;

/// The stages of [`hpa_profile`].
pub const STAGES: usize = 5;

/// A profile that tries each reaction of an autoscaler, in five stages, rates in requests per second:
///
/// 1. nothing, for half a minute: an idle pod must read 0;
/// 2. just under the target, 0.95 × target × min, until it fills the window, and two sync periods more: no pod is added;
/// 3. just over the tolerance, by half of it or by at least 0.05, for the window, a sync period, a scrape interval and a
///    new pod's start: one pod is added;
/// 4. enough for the maximum: max − 1 pods get half more than the target, or clearly more than the tolerance if that is
///    larger, until the slowest case of the prediction has had all of them ready for two sync periods;
/// 5. a trickle, at most 1 and at most half of what the minimum may get, until the slowest case is back at the minimum,
///    and two sync periods more: without a request, nobody would notice one that is lost when a pod ends.
///
/// An autoscaler whose maximum is its minimum has no third and fourth stage. For one that must not scale in, the last
/// stage takes the window and the stabilization window.
pub fn hpa_profile(autoscaler: &Autoscaler) -> Profile {
    let pipeline = &autoscaler.pipeline;
    let (min, max) = (f64::from(autoscaler.min.max(1)), f64::from(autoscaler.max));
    let tolerance = autoscaler.behavior.up.tolerance;
    let two_syncs = 2.0 * pipeline.sync;
    let mut profile = Profile::default();
    let mut add = |rate: f64, seconds: f64| {
        let rate = (rate * 1000.0).round() / 1000.0;
        profile.stages.push(Stage { from: rate, to: rate, seconds: seconds.ceil() });
        profile.clone()
    };
    add(0.0, 30.0);
    let mut so_far = add(0.95 * autoscaler.target * min, pipeline.window + two_syncs);
    if max > min {
        let over = 1.0 + (tolerance * 1.5).max(tolerance + 0.05);
        let seconds = pipeline.window + pipeline.sync + pipeline.scrape + pipeline.startup;
        so_far = add(over * autoscaler.target * min, seconds + autoscaler.behavior.up.stabilization_seconds);
        let enough = (1.0 + (tolerance * 1.5).max(0.5)) * autoscaler.target * (max - 1.0).max(min);
        let reached = settled(&so_far, enough, autoscaler, |band| band.least >= autoscaler.max);
        let seconds = reached.unwrap_or(pipeline.window) + pipeline.startup + two_syncs;
        so_far = add(enough, seconds);
    }
    let trickle = (0.5 * autoscaler.target * min).min(1.0);
    let back = settled(&so_far, trickle, autoscaler, |band| band.most <= autoscaler.min);
    let stabilisation = autoscaler.behavior.down.stabilization_seconds;
    add(trickle, back.unwrap_or(pipeline.window + stabilisation) + two_syncs);
    profile
}

/// Seconds into one more stage of this rate, after which every case stays like this; none if it never does.
fn settled(before: &Profile, rate: f64, autoscaler: &Autoscaler, like_this: impl Fn(&Band) -> bool) -> Option<f64> {
    let start = before.seconds();
    let mut seconds = 900.0;
    loop {
        let mut profile = before.clone();
        profile.stages.push(Stage { from: rate, to: rate, seconds });
        let moments = band(&profile, autoscaler, autoscaler.min.max(1), start + seconds);
        let other = moments.iter().rposition(|band| !like_this(band)).map_or(0, |last| last + 1);
        match moments.get(other) {
            // Not at the very end, where it may not last.
            Some(first) if first.at < start + seconds - autoscaler.pipeline.sync * 2.0 => {
                return Some((first.at - start).max(0.0));
            }
            _ if seconds >= timing::STAGE_AT_MOST => return None,
            _ => seconds *= 2.0,
        }
    }
}
