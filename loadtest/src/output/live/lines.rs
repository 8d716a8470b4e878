//! What is printed where there is no terminal to draw in: `kubectl get hpa --watch`, and more columns of our own.

use crate::autoscaling::predict::Source;
use crate::journal::{Entry, Scaling, Second, Start};
use crate::output::events;
use crate::output::text::{rate, seconds};
use crate::output::visible;
use crate::stats::{Times, failed, succeeded};

/// kubectl's columns, and ours.
const HEADS: [&str; 11] =
    ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE", "OFFERED", "ACHIEVED", "P99", "FAILED"];

/// Between two columns, as kubectl has it.
const PADDING: usize = 3;

/// Between two looks of an HPA, in seconds.
const PERIOD: f64 = 15.0;

/// Makes the lines, one for each change of the autoscaler and each of its looks, with what the load did since the last.
#[derive(Clone, Debug)]
pub struct Lines {
    start: Option<Start>,
    since: Vec<Second>,
    /// What was last told of the autoscaler.
    told: Option<Scaling>,
    /// A column never becomes narrower again.
    widths: [usize; HEADS.len()],
    headed: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// Nothing is told yet.
    pub fn new() -> Self {
        // What is wider only now and then has its width from the beginning.
        let mut widths = HEADS.map(str::len);
        widths[6] = "9m59s".len();
        widths[9] = "99.9ms".len();
        Self { start: None, since: Vec::new(), told: None, widths, headed: false }
    }

    /// Takes one more entry in, and tells what is to be printed for it, if anything is: lines, each ended.
    pub fn take(&mut self, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Start(start) => self.start = Some(Start::clone(start)),
            Entry::Second(second) => {
                self.since.push(second.clone());
                // Where no autoscaler is watched, the load alone is told every five seconds.
                let watched = self.start.as_ref().is_some_and(|start| start.autoscaler.is_some());
                return (!watched && self.since.len() == 5).then(|| self.line(second.at + 1.0, None));
            }
            Entry::Scaling(scaling) => {
                // As kubectl does: what changed, and otherwise as often as the HPA looks.
                let shown = |scaling: &Scaling| (scaling.value, scaling.wanted, scaling.pods);
                if self.told.as_ref().is_some_and(|told| shown(told) == shown(scaling) && scaling.at < told.at + PERIOD)
                {
                    return None;
                }
                self.told = Some(scaling.clone());
                return Some(self.line(scaling.at, Some(scaling)));
            }
            Entry::Event(event) => {
                // kubectl has no line for it; a comment keeps the columns what they are.
                return Some(format!("# {}\n", visible(&events::text(event).sentence())));
            }
            Entry::End(_) => {}
        }
        None
    }

    /// The autoscaler's age in seconds when the load began; where nobody created it, it is as old as the load.
    fn age(&self) -> f64 {
        let age = self.start.as_ref().and_then(|start| Some(start.started - start.autoscaler.as_ref()?.created?));
        age.unwrap_or_default()
    }

    fn line(&mut self, now: f64, scaling: Option<&Scaling>) -> String {
        let none = || "-".to_owned();
        let autoscaler = self.start.as_ref().and_then(|start| start.autoscaler.as_ref());
        let [name, reference, targets, min, max] = match autoscaler {
            Some(of) => [
                visible(of.name.rsplit('/').next().unwrap_or_default()).into_owned(),
                visible(&of.scaled).into_owned(),
                targets(scaling.and_then(|seen| seen.value), of.target, of.pipeline.source),
                of.min.to_string(),
                of.max.to_string(),
            ],
            None => std::array::from_fn(|_| none()),
        };
        let length = self.since.len().max(1) as f64;
        let mean =
            |count: u64| if self.since.is_empty() { none() } else { format!("{}/s", rate(count as f64 / length)) };
        let latency = Times::joined(self.since.iter().map(|second| &second.latency));
        let cells = [
            name,
            reference,
            targets,
            min,
            max,
            scaling.map_or_else(none, |seen| seen.pods.to_string()),
            age(self.age() + now),
            mean(self.since.iter().map(|second| second.due).sum()),
            mean(self.since.iter().map(succeeded).sum()),
            latency.seconds(0.99).map_or_else(none, |p99| seconds(p99).replace(' ', "")),
            self.since.iter().map(failed).sum::<u64>().to_string(),
        ];
        self.since.clear();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.chars().count().max(*width);
        }
        let head = if self.headed { String::new() } else { row(&HEADS.map(str::to_owned), &self.widths) };
        self.headed = true;
        head + &row(&cells, &self.widths)
    }
}

fn row(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<0$}", width + PADDING));
    let line: String = padded.collect();
    format!("{}\n", line.trim_end())
}

/// kubectl's `TARGETS`.
fn targets(value: Option<f64>, target: f64, source: Source) -> String {
    let value = value.map_or("<unknown>".to_owned(), quantity);
    match source {
        Source::Pods => format!("{value}/{}", quantity(target)),
        Source::External => format!("{value}/{} (avg)", quantity(target)),
    }
}

/// A number as Kubernetes writes it: whole, with the largest suffix that keeps it so.
fn quantity(number: f64) -> String {
    let mut whole = (number * 1000.0).round() as i64;
    let mut suffixes = ["m", "", "k", "M", "G"].into_iter().peekable();
    while whole % 1000 == 0 && whole != 0 && suffixes.len() > 1 {
        whole /= 1000;
        suffixes.next();
    }
    if whole == 0 { "0".to_owned() } else { format!("{whole}{}", suffixes.next().unwrap_or_default()) }
}

/// A time as kubectl writes an age.
fn age(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    let with = |large: u64, unit: char, small: u64, part: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{part}") }
    };
    match whole {
        0..120 => format!("{whole}s"),
        120..600 => with(minutes, 'm', whole % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_kubectl_writes_them() {
        let numbers = [0.0, 0.66, 2.078, 3.165, 2.0, 0.5, 1000.0, 2500.0, 1_000_000.0];
        assert_eq!(numbers.map(quantity), ["0", "660m", "2078m", "3165m", "2", "500m", "1k", "2500", "1M"]);
        assert_eq!(targets(Some(2.078), 2.0, Source::Pods), "2078m/2");
        assert_eq!(targets(None, 2.0, Source::Pods), "<unknown>/2");
        assert_eq!(targets(Some(0.66), 2.0, Source::External), "660m/2 (avg)");
        let ages = [5.0, 119.0, 120.0, 345.0, 700.0, 11_000.0, 90_000.0, 180_000.0, 864_000.0];
        assert_eq!(ages.map(age), ["5s", "119s", "2m", "5m45s", "11m", "3h3m", "25h", "2d2h", "10d"]);
    }
}
