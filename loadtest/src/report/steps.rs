//! The steps of what the autoscaler wanted, beside what the model allows.

use super::Report;
use super::figures::Step;
use super::text::clock;
use crate::journal::Scaling;
use crate::model::predict::{Band, CASES};

impl Report {
    /// The same report beside the model's band: each step that was seen lies inside it, or does not.
    #[must_use]
    pub fn beside(mut self, band: &[Band]) -> Self {
        let looks = self.start.as_ref().and_then(|start| start.autoscaler.as_ref()).map(|hpa| hpa.pipeline.sync);
        // The band tells of whole seconds, and of cases so far apart: what lies between is known no better.
        let grain = 1.0 + CASES * looks.unwrap_or_default();
        for step in &mut self.steps {
            let window = nearest(&windows(band, step), step.at);
            step.earliest = window.map(|(first, _)| (first - grain).max(0.0));
            step.latest = window.map(|(_, last)| last + grain);
            let inside = window.is_some_and(|(first, last)| (first - grain..=last + grain).contains(&step.at));
            step.inside = (!band.is_empty()).then_some(inside);
        }
        self.band = changes(band);
        self
    }
}

/// The steps that were seen.
pub(super) fn seen(scaling: &[Scaling]) -> Vec<Step> {
    let pairs = scaling.windows(2).filter(|pair| pair[0].wanted != pair[1].wanted);
    let step = |pair: &[Scaling]| Step {
        at: pair[1].at,
        from: pair[0].wanted,
        to: pair[1].wanted,
        earliest: None,
        latest: None,
        inside: None,
    };
    pairs.map(step).collect()
}

/// When the step may come: some case still wants as many as before, or has not got that far, and some wants as many as
/// after it, or is beyond.
fn windows(band: &[Band], step: &Step) -> Vec<(f64, f64)> {
    let (low, high) = (step.from.min(step.to), step.from.max(step.to));
    let may = |moment: &Band| moment.least <= low && high <= moment.most;
    let runs = band.chunk_by(|one, next| may(one) == may(next)).filter(|run| may(&run[0]));
    runs.map(|run| (run[0].at, run[run.len() - 1].at)).collect()
}

fn nearest(windows: &[(f64, f64)], at: f64) -> Option<(f64, f64)> {
    let away = |(first, last): &(f64, f64)| (first - at).max(at - last).max(0.0);
    windows.iter().copied().min_by(|one, other| away(one).total_cmp(&away(other)))
}

/// The moments at which the band changes, and its end.
fn changes(band: &[Band]) -> Vec<Band> {
    let last = band.len().saturating_sub(1);
    let same = |one: &Band, other: &Band| (one.least, one.most) == (other.least, other.most);
    let kept = (0..band.len()).filter(|&index| index == 0 || index == last || !same(&band[index - 1], &band[index]));
    kept.map(|index| band[index]).collect()
}

/// The steps in words; nothing where there were none, or nothing to compare them with.
pub(super) fn told(report: &Report) -> Option<String> {
    let steps = report.steps.iter().filter_map(|step| {
        let place = match (step.inside?, step.earliest.zip(step.latest)) {
            (_, None) => "which the model never allows".to_owned(),
            (true, Some((earliest, latest))) => format!("inside {}–{}", clock(earliest), clock(latest)),
            (false, Some((earliest, latest))) => format!("outside {}–{}", clock(earliest), clock(latest)),
        };
        Some(format!("{} → {} at {}, {place}", step.from, step.to, clock(step.at)))
    });
    let steps: Vec<String> = steps.collect();
    (!steps.is_empty()).then(|| format!("Beside what is possible: {}.", steps.join("; ")))
}
