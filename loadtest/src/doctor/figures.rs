//! The figures of a healthy chain.

use crate::autoscaling::predict::band;
use crate::autoscaling::timing;
use crate::autoscaling::{Autoscaler, predict};
use crate::doctor::diagnosis::Figures;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::autoscaler::autoscaler;
use crate::doctor::facts::pods::ready;
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::facts::{intervals, values};
use crate::doctor::objects::name;
use crate::profile::{Profile, Stage};

/// The maximum of steps of a prediction, so that the doctor does not wait for this one figure.
const STEPS: f64 = 1e6;

/// The figures, where the window, the interval and the target are known.
pub fn figures(evidence: &Evidence) -> Option<Figures> {
    let scaling = ScalingMetric::of(evidence);
    let metric = scaling.metric.as_ref().filter(|metric| metric.source != Source::Resource && metric.target > 0.0)?;
    let (scrape, window) = (intervals::scrape(evidence)?, scaling.window?);
    let mut autoscaler = autoscaler(evidence, &scaling).ok()?.autoscaler;
    // These two are known, not assumed.
    (autoscaler.pipeline.scrape, autoscaler.pipeline.window) = (scrape, window);
    autoscaler.min = autoscaler.min.max(1);
    // The figure is when the HPA desires more replicas, whatever its maximum.
    autoscaler.max = autoscaler.min.saturating_mul(2);
    Some(Figures {
        idle: idle(evidence, &scaling),
        value: values::average(evidence, &scaling),
        target: metric.target,
        scrape,
        window,
        relist: autoscaler.pipeline.relist,
        sync: autoscaler.pipeline.sync,
        delay: delay(&autoscaler)?,
    })
}

/// When the HPA desires more than its minimum, at the earliest and at the latest.
fn delay(autoscaler: &Autoscaler) -> Option<(f64, f64)> {
    let rate = 2.0 * autoscaler.target * f64::from(autoscaler.min);
    let profile = Profile { stages: vec![Stage { from: rate, to: rate, seconds: timing::REACTION_AT_MOST }] };
    let seconds =
        (2.0 * autoscaler.pipeline.window + autoscaler.behavior.up.stabilization_seconds + timing::REACTION_SLACK)
            .min(timing::REACTION_AT_MOST);
    let is_long = predict::steps(1, autoscaler, autoscaler.min, seconds) > STEPS;
    if is_long || autoscaler.check().is_err() {
        return None;
    }
    let moments = band(&profile, autoscaler, autoscaler.min, seconds);
    let earliest = moments.iter().find(|moment| moment.most > autoscaler.min)?;
    let latest = moments.iter().find(|moment| moment.least > autoscaler.min)?;
    Some((earliest.at, latest.at))
}

/// By how much the counter of a pod without clients grows per second. None while there is load.
#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn idle(evidence: &Evidence, scaling: &ScalingMetric) -> Option<f64> {
    let (series, metric) = (scaling.series.as_ref()?, scaling.metric.as_ref()?);
    let rates: Vec<_> = evidence
        .pages
        .iter()
        .filter(|page| ready(evidence).iter().any(|pod| name(pod) == page.pod) && page.apart > 0.0)
        .filter_map(|page| Some(page.grown(series)? / page.apart))
        .collect();
    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    // A rate above half of the target comes from clients.
    (!rates.is_empty() && (0.0..metric.target / 2.0).contains(&rate)).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::hpa::{Behavior, Version};
    use crate::autoscaling::predict::Pipeline;
    use crate::autoscaling::rate::Function;

    /// The manifests' own chain: a sync every 15 s, a scrape every 5 s, and a window that fills slowly.
    #[test]
    fn a_step_takes_until_the_window_is_filled_and_the_hpa_syncs() {
        let pipeline = Pipeline {
            scrape: 5.0,
            window: 120.0,
            function: Function::Rate,
            relist: 60.0,
            sync: timing::SYNC_PERIOD,
            startup: timing::CONTAINER_START,
            source: predict::Source::Pods,
        };
        let autoscaler = Autoscaler {
            created: None,
            metrics: Vec::new(),
            kubernetes: Version::default(),
            name: "a/b".into(),
            scaled: String::new(),
            metric: "m".into(),
            target: 2.0,
            min: 1,
            max: 2,
            behavior: Behavior::default(),
            pipeline,
        };
        let (earliest, latest) = delay(&autoscaler).unwrap();
        // 55 % of the window's two minutes make the tolerance's 10 % above the target.
        assert!((60.0..=72.0).contains(&earliest) && (72.0..=95.0).contains(&latest), "{earliest} to {latest}");
    }
}
