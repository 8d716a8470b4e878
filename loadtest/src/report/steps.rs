//! Changes of the desired replicas, compared with the model.

use super::Report;
use crate::autoscaling::predict::{Band, CASES};
use crate::journal::Scaling;
use crate::output::text::clock;
use crate::report::figures::Step;

impl Report {
    /// The same report with the model's band, and each observed step compared with it.
    #[must_use]
    pub fn with_band(mut self, band: &[Band]) -> Self {
        let sync = self.start.as_ref().and_then(|start| start.autoscaler.as_ref()).map(|hpa| hpa.pipeline.sync);
        // The resolution of the band: whole seconds, and the distance between its cases.
        let grain = 1.0 + CASES * sync.unwrap_or_default();
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

/// The maximum number of steps that are compared: each is compared with the whole band, and an HPA with more
/// oscillates.
const STEPS: usize = 200;

/// The first steps that were observed. A step from 0 is not one: an HPA reports 0 until its first sync.
pub(super) fn observed(scaling: &[Scaling]) -> Vec<Step> {
    let pairs = scaling.windows(2).filter(|pair| pair[0].desired != pair[1].desired && pair[0].desired > 0);
    let step = |pair: &[Scaling]| Step {
        at: pair[1].at,
        from: pair[0].desired,
        to: pair[1].desired,
        earliest: None,
        latest: None,
        inside: None,
    };
    pairs.map(step).take(STEPS).collect()
}

/// When the step is expected. For a step from 2 to 3, these are the moments at which some case of the model still
/// desires 2 or fewer, and another 3 or more. Cases also differ while they step from 3 back to 2; those moments are
/// left out. A window of the step begins after a moment at which no case has taken it, or ends before a moment at which
/// every case has.
fn windows(band: &[Band], step: &Step) -> Vec<(f64, f64)> {
    let (low, high) = (step.from.min(step.to), step.from.max(step.to));
    let may = |moment: &Band| moment.least <= low && high <= moment.most;
    let up = step.from < step.to;
    let none_has = |moment: &Band| if up { moment.most < high } else { low < moment.least };
    let each_has = |moment: &Band| if up { low < moment.least } else { moment.most < high };
    let mut windows = Vec::new();
    let mut end = 0_usize;
    for run in band.chunk_by(|one, next| may(one) == may(next)) {
        let before = end.checked_sub(1).map(|last| &band[last]);
        end += run.len();
        let this_way = before.is_none_or(none_has) || band.get(end).is_some_and(each_has);
        if may(&run[0]) && this_way {
            windows.push((run[0].at, run[run.len() - 1].at));
        }
    }
    windows
}

fn nearest(windows: &[(f64, f64)], at: f64) -> Option<(f64, f64)> {
    let distance = |(first, last): &(f64, f64)| (first - at).max(at - last).max(0.0);
    windows.iter().copied().min_by(|one, other| distance(one).total_cmp(&distance(other)))
}

/// The moments at which the band changes, and its end.
fn changes(band: &[Band]) -> Vec<Band> {
    let last = band.len().saturating_sub(1);
    let same = |one: &Band, other: &Band| (one.least, one.most) == (other.least, other.most);
    let kept = (0..band.len()).filter(|&index| index == 0 || index == last || !same(&band[index - 1], &band[index]));
    kept.map(|index| band[index]).collect()
}

/// The steps in words; none without steps, or without a band to compare them with.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let steps = report.steps.iter().filter_map(|step| {
        let place = match (step.inside?, step.earliest.zip(step.latest)) {
            (_, None) => "which the model does not expect".to_owned(),
            (true, Some((earliest, latest))) => format!("within the expected {}–{}", clock(earliest), clock(latest)),
            (false, Some((earliest, latest))) => format!("outside the expected {}–{}", clock(earliest), clock(latest)),
        };
        Some(format!("{} → {} at {}, {place}", step.from, step.to, clock(step.at)))
    });
    let steps: Vec<String> = steps.collect();
    (!steps.is_empty()).then(|| format!("Changes of desired replicas: {}.", steps.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a step is expected, by the minimum and the maximum at each second.
    fn expected(band: &[(u32, u32)], from: u32, to: u32) -> Vec<(f64, f64)> {
        let moments = (0_u32..).zip(band).map(|(at, &(least, most))| Band { at: at.into(), least, most });
        let step = Step { at: 0.0, from, to, earliest: None, latest: None, inside: None };
        windows(&moments.collect::<Vec<_>>(), &step)
    }

    #[test]
    fn a_step_is_expected_while_the_cases_take_it() {
        let there_and_back = [(1, 1), (1, 3), (3, 3), (1, 3), (1, 3), (1, 1)];
        assert_eq!(expected(&there_and_back, 2, 3), [(1.0, 1.0)], "all of them go down later on");
        assert_eq!(expected(&there_and_back, 3, 2), [(3.0, 4.0)]);
        // Some cases go up and come back, and the others stay.
        let some_do = [(2, 2), (2, 3), (2, 2)];
        assert_eq!((expected(&some_do, 2, 3), expected(&some_do, 3, 2)), (vec![(1.0, 1.0)], vec![(1.0, 1.0)]));
        assert_eq!(expected(&some_do, 1, 2), []);
    }
}
