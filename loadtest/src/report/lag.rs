//! The reaction time: when the load's step is observed at each link of the chain, up to a new pod that answers.

use crate::autoscaling::Autoscaler;
use crate::journal::{Scaling, Start};
use crate::profile::{Profile, Stage};
use crate::report::figures::{Lag, Link, LinkName, Pod};

/// The rate beyond which the HPA desires more than these replicas.
fn threshold(autoscaler: &Autoscaler, replicas: u32) -> f64 {
    f64::from(replicas) * autoscaler.target * (1.0 + autoscaler.behavior.up.tolerance)
}

/// The replicas that the profile's highest rate requires, within the autoscaler's bounds. Nobody knows that of a closed loop.
pub(crate) fn demanded(start: &Start) -> Option<u32> {
    let autoscaler = start.autoscaler.as_ref().filter(|_| start.clients.is_none())?;
    let highest = start.profile.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max);
    let above = (autoscaler.min..autoscaler.max).rfind(|replicas| highest > threshold(autoscaler, *replicas));
    let needed = (highest / autoscaler.target).ceil() as u32;
    Some(above.map_or(autoscaler.min, |_| needed.clamp(autoscaler.min, autoscaler.max)))
}

/// The first moment from `from` to `until` at which the stage's rate, which begins at `begun`, is beyond the threshold.
fn crossing(stage: &Stage, begun: f64, from: f64, until: f64, threshold: f64) -> Option<f64> {
    let (from, until) = (from.max(begun), until.min(begun + stage.seconds));
    let slope = (stage.to - stage.from) / stage.seconds;
    let rate_at = |at: f64| stage.from + slope * (at - begun);
    if from >= until {
        None
    } else if rate_at(from) > threshold {
        Some(from)
    } else {
        (rate_at(until) > threshold).then(|| begun + (threshold - stage.from) / slope)
    }
}

/// The intervals in which the number of replicas is the same: from, until, and that number.
fn spans(scaling: &[Scaling]) -> impl Iterator<Item = (f64, f64, u32)> {
    scaling.iter().enumerate().map(|(index, seen)| {
        // Before the first observation, there is what that shows.
        let from = if index == 0 { f64::NEG_INFINITY } else { seen.at };
        let until = scaling.get(index + 1).map_or(f64::INFINITY, |next| next.at);
        (from, until, seen.pods.max(seen.ready))
    })
}

/// The first moment at which the profile requires more replicas than there are, and how many there are.
fn step(start: &Start, autoscaler: &Autoscaler, scaling: &[Scaling]) -> Option<(f64, u32)> {
    spans(scaling).filter(|(_, _, replicas)| *replicas < autoscaler.max).find_map(|(from, until, replicas)| {
        let mut begun = 0.0;
        start.profile.iter().find_map(|stage| {
            let crossed = crossing(stage, begun, from, until, threshold(autoscaler, replicas));
            begun += stage.seconds;
            crossed.map(|at| (at, replicas))
        })
    })
}

/// The last moment at which the profile requires more than the minimum.
pub(crate) fn relieved(start: &Start) -> Option<f64> {
    let autoscaler = start.autoscaler.as_ref()?;
    let threshold = threshold(autoscaler, autoscaler.min);
    let (mut begun, mut relieved) = (0.0, None);
    for stage in &start.profile {
        if stage.to > threshold {
            relieved = Some(begun + stage.seconds);
        } else if stage.from > threshold {
            relieved = Some(begun + stage.seconds * (stage.from - threshold) / (stage.from - stage.to));
        }
        begun += stage.seconds;
    }
    relieved
}

/// The reaction time of a run that required more replicas than there were.
pub(crate) fn budget(start: &Start, scaling: &[Scaling], pods: &[Pod]) -> Option<Lag> {
    let autoscaler = start.autoscaler.as_ref()?;
    let (step, replicas) = step(start, autoscaler, scaling)?;
    let threshold = threshold(autoscaler, replicas);
    let before = scaling.iter().rfind(|seen| seen.at <= step).or(scaling.first())?;
    let first =
        |is: &dyn Fn(&Scaling) -> bool| scaling.iter().find(|seen| seen.at >= step && is(seen)).map(|seen| seen.at);
    let beyond = |sum: Option<f64>| sum.is_some_and(|sum| sum > threshold);
    let decision = first(&|seen| seen.desired > before.desired.max(replicas));
    let times = [
        (LinkName::Counter, counted(start, scaling, step)),
        (LinkName::Prometheus, first(&|seen| beyond(seen.prometheus))),
        (LinkName::Api, first(&|seen| beyond(seen.api))),
        (LinkName::Value, first(&|seen| beyond(seen.value.map(|value| value * f64::from(replicas))))),
        (LinkName::Decision, decision),
        (LinkName::Ready, first(&|seen| seen.ready > before.ready)),
        (LinkName::Answer, decision.and_then(|decision| answer(pods, decision))),
    ];
    let mut last = step;
    let links = times.into_iter().map(|(name, at)| {
        let took = at.map(|at| (at - last).max(0.0));
        last = at.map_or(last, |at| at.max(last));
        Link { name, at, after: at.map(|at| at - step), took }
    });
    Some(Lag { step, threshold, replicas, links: links.collect() })
}

/// When the pods' counters had grown by more than the load before the step explains.
fn counted(start: &Start, scaling: &[Scaling], step: f64) -> Option<f64> {
    let profile = Profile { stages: start.profile.clone() };
    let known = || scaling.iter().filter_map(|seen| Some((seen.at, seen.counted?)));
    let (since, base) = known().rfind(|(at, _)| *at <= step).or_else(|| known().next())?;
    let rate_before = profile.rate_at(step - 0.001);
    let grown = known().find(|(at, counted)| *at > step && counted - base > rate_before * (at - since) + 1.0);
    grown.map(|(at, _)| at)
}

/// The end of the second in which a pod answered that had not before the decision.
fn answer(pods: &[Pod], decision: f64) -> Option<f64> {
    let new = pods.iter().map(|pod| pod.first).filter(|first| *first >= decision.floor());
    new.min_by(f64::total_cmp).map(|first| first + 1.0)
}
