//! A profile that an autoscaler itself asks for: `--profile hpa`.

use super::Autoscaler;
use super::timing;
use crate::autoscaling::predict::{Band, band};
use crate::profile::{Profile, Stage};

/// The longest that [`hpa_profile`] predicts, in seconds: all that comes before a stage, and that stage.
pub const LONGEST: f64 = 4.0 * timing::STAGE_AT_MOST;

/// The most steps of [`hpa_profile`]'s predictions, which are mostly much shorter than the longest.
pub const STEPS: f64 = 1e7;

/// The stages of [`hpa_profile`].
pub const STAGES: usize = 5;

/// What an autoscaler has to answer, in five stages, rates in requests per second:
///
/// 1. nothing, for half a minute: an idle pod has to read 0;
/// 2. just under the target, 0.95 × target × min, until the window is full of it, and two looks more: no pod is added;
/// 3. just over the tolerance, half as much again as it or at least 0.05 above it, for as long as the window, a look, a
///    scrape and a new pod's start take: one more pod;
/// 4. enough for the maximum: so much that max − 1 pods have half more than the target, or clearly more than the
///    tolerance where that is larger, until the slowest case of the prediction has them all wanted, ready and two looks
///    old;
/// 5. nothing, until the slowest case has come back to the minimum, and two looks more.
///
/// An autoscaler whose maximum is its minimum has no third and fourth stage; one that may not scale in is given as long
/// as the window and the stabilisation take.
pub fn hpa_profile(autoscaler: &Autoscaler) -> Profile {
    let pipeline = &autoscaler.pipeline;
    let (min, max) = (f64::from(autoscaler.min.max(1)), f64::from(autoscaler.max));
    let tolerance = autoscaler.behavior.up.tolerance;
    let two_looks = 2.0 * pipeline.sync;
    let mut profile = Profile::default();
    let mut add = |rate: f64, seconds: f64| {
        let rate = (rate * 1000.0).round() / 1000.0;
        profile.stages.push(Stage { from: rate, to: rate, seconds: seconds.ceil() });
        profile.clone()
    };
    add(0.0, 30.0);
    let mut so_far = add(0.95 * autoscaler.target * min, pipeline.window + two_looks);
    if max > min {
        let over = 1.0 + (tolerance * 1.5).max(tolerance + 0.05);
        let seconds = pipeline.window + pipeline.sync + pipeline.scrape + pipeline.startup;
        so_far = add(over * autoscaler.target * min, seconds + autoscaler.behavior.up.stabilization_seconds);
        let enough = (1.0 + (tolerance * 1.5).max(0.5)) * autoscaler.target * (max - 1.0).max(min);
        let reached = settled(&so_far, enough, autoscaler, |band| band.least >= autoscaler.max);
        let seconds = reached.unwrap_or(pipeline.window) + pipeline.startup + two_looks;
        so_far = add(enough, seconds);
    }
    let back = settled(&so_far, 0.0, autoscaler, |band| band.most <= autoscaler.min);
    let stabilisation = autoscaler.behavior.down.stabilization_seconds;
    add(0.0, back.unwrap_or(pipeline.window + stabilisation) + two_looks);
    profile
}

/// Seconds into one more stage of this rate, after which every case is like this for good; none where it never comes.
fn settled(before: &Profile, rate: f64, autoscaler: &Autoscaler, like_this: impl Fn(&Band) -> bool) -> Option<f64> {
    let start = before.seconds();
    let mut seconds = 900.0;
    loop {
        let mut profile = before.clone();
        profile.stages.push(Stage { from: rate, to: rate, seconds });
        let moments = band(&profile, autoscaler, autoscaler.min.max(1), start + seconds);
        let other = moments.iter().rposition(|band| !like_this(band)).map_or(0, |last| last + 1);
        match moments.get(other) {
            // Not at the very end, where it might be a mere moment.
            Some(first) if first.at < start + seconds - autoscaler.pipeline.sync * 2.0 => {
                return Some((first.at - start).max(0.0));
            }
            _ if seconds >= timing::STAGE_AT_MOST => return None,
            _ => seconds *= 2.0,
        }
    }
}
