//! What a chain that holds is like.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;

use crate::autoscaling::hpa::Behavior;
use crate::autoscaling::manifests::{START, SYNC};
use crate::autoscaling::predict::{Pipeline, band};
use crate::autoscaling::promql::rates;
use crate::autoscaling::rate::Function;
use crate::autoscaling::{Autoscaler, predict};
use crate::doctor::diagnosis::Figures;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::ready;
use crate::doctor::facts::scaling_metric::{Source, Subject};
use crate::doctor::facts::{intervals, values};
use crate::doctor::objects::name;
use crate::profile::{Profile, Stage};

/// The most steps of a prediction: it is one figure of several, and the answer is waited for.
const STEPS: f64 = 1e6;

/// As far as a prediction looks, in seconds: an hour.
const HORIZON: f64 = 3600.0;

/// The figures, where the window, the interval and the target are known.
pub fn figures(evidence: &Evidence) -> Option<Figures> {
    let subject = Subject::of(evidence);
    let metric = subject.metric.as_ref().filter(|metric| metric.source != Source::Resource && metric.target > 0.0)?;
    let (scrape, window) = (intervals::scrape(evidence)?, subject.window?);
    let relist = intervals::relist(evidence, &subject);
    let source = if metric.source == Source::Adapter { predict::Source::Pods } else { predict::Source::External };
    let autoscaler = Autoscaler {
        created: None,
        name: format!("{}/{}", evidence.namespace, evidence.name),
        scaled: String::new(),
        metric: metric.name.clone(),
        target: metric.target,
        min: least(evidence),
        // The question is when more are wanted, not whether they may be.
        max: least(evidence).saturating_mul(2),
        behavior: behavior(evidence)?,
        pipeline: Pipeline { scrape, window, function: function(&subject), relist, sync: SYNC, startup: START, source },
    };
    Some(Figures {
        idle: idle(evidence, &subject),
        value: values::average(evidence, &subject),
        target: metric.target,
        scrape,
        window,
        relist,
        sync: SYNC,
        delay: delay(&autoscaler)?,
    })
}

/// What the query makes of its window; what is unknown here is taken for a rate.
fn function(subject: &Subject) -> Function {
    let rates = subject.query.as_deref().map(rates).unwrap_or_default();
    rates.iter().find_map(|rate| Function::named(rate.function)).unwrap_or_default()
}

fn least(evidence: &Evidence) -> u32 {
    let least = evidence.hpa.seen().and_then(|hpa| hpa.pointer("/spec/minReplicas")?.as_u64());
    u32::try_from(least.unwrap_or(1)).unwrap_or(1).max(1)
}

fn behavior(evidence: &Evidence) -> Option<Behavior> {
    let written = evidence.hpa.seen()?.pointer("/spec/behavior").filter(|written| !written.is_null()).cloned();
    let behavior: Option<HorizontalPodAutoscalerBehavior> = written.map(serde_json::from_value).transpose().ok()?;
    Behavior::of(behavior.as_ref()).ok()
}

/// When more are wanted than the least, at the earliest and at the latest.
fn delay(autoscaler: &Autoscaler) -> Option<(f64, f64)> {
    let rate = 2.0 * autoscaler.target * f64::from(autoscaler.min);
    let profile = Profile { stages: vec![Stage { from: rate, to: rate, seconds: HORIZON }] };
    let seconds =
        (2.0 * autoscaler.pipeline.window + autoscaler.behavior.up.stabilization_seconds + 120.0).min(HORIZON);
    let is_long = predict::steps(1, autoscaler, autoscaler.min, seconds) > STEPS;
    if is_long || autoscaler.check().is_err() {
        return None;
    }
    let moments = band(&profile, autoscaler, autoscaler.min, seconds);
    let earliest = moments.iter().find(|moment| moment.most > autoscaler.min)?;
    let latest = moments.iter().find(|moment| moment.least > autoscaler.min)?;
    Some((earliest.at, latest.at))
}

/// What the counter grows by, in a second, at a pod that nobody asks for anything: none while there is load.
#[expect(clippy::cast_precision_loss, reason = "a number of pods")]
fn idle(evidence: &Evidence, subject: &Subject) -> Option<f64> {
    let (series, metric) = (subject.series.as_ref()?, subject.metric.as_ref()?);
    let rates: Vec<_> = evidence
        .pages
        .iter()
        .filter(|page| ready(evidence).iter().any(|pod| name(pod) == page.pod) && page.apart > 0.0)
        .filter_map(|page| Some(page.grown(series)? / page.apart))
        .collect();
    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    // Above half of what a pod is meant for, somebody asks.
    (!rates.is_empty() && (0.0..metric.target / 2.0).contains(&rate)).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manifests' own chain: a look each 15 s, a scrape each 5 s, and a window that fills slowly.
    #[test]
    fn a_step_takes_as_long_as_the_window_fills_and_a_look() {
        let pipeline = Pipeline {
            scrape: 5.0,
            window: 120.0,
            function: Function::Rate,
            relist: 60.0,
            sync: SYNC,
            startup: START,
            source: predict::Source::Pods,
        };
        let autoscaler = Autoscaler {
            created: None,
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
