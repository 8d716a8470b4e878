//! The output without a terminal: the columns of `kubectl get hpa --watch`, and our own.

use crate::autoscaling::Autoscaler;
use crate::autoscaling::predict::Source;
use crate::journal::{Entry, Scaling, Second, Start};
use crate::output::text::{clock, count, rate, seconds};
use crate::output::{events, visible};
use crate::stats::{Times, dropped, failed, succeeded};

/// A column: its title, its initial width, and its cell in a line.
struct Column {
    title: &'static str,
    width: usize,
    cell: fn(&Line) -> String,
}

impl Column {
    const fn new(title: &'static str, cell: fn(&Line) -> String) -> Self {
        Self { title, width: title.len(), cell }
    }

    /// The width of this example from the start, for a column whose cells differ in width.
    const fn at_least(self, example: &'static str) -> Self {
        Self { width: example.len(), ..self }
    }
}

/// The first columns, which are kubectl's: they are left out if no HPA is watched.
const OF_HPA: usize = 7;

/// kubectl's columns, and ours.
const COLUMNS: [Column; 13] = [
    Column::new("NAME", |line| {
        line.of_hpa(|hpa| visible(hpa.name.rsplit('/').next().unwrap_or_default()).into_owned())
    }),
    Column::new("REFERENCE", |line| line.of_hpa(|hpa| visible(&hpa.scaled).into_owned())),
    Column::new("TARGETS", |line| {
        line.of_hpa(|hpa| targets(line.scaling.and_then(|seen| seen.value), hpa.target, hpa.pipeline.source))
    }),
    Column::new("MINPODS", |line| line.of_hpa(|hpa| hpa.min.to_string())),
    Column::new("MAXPODS", |line| line.of_hpa(|hpa| hpa.max.to_string())),
    Column::new("REPLICAS", |line| line.scaling.map_or_else(none, |seen| seen.pods.to_string())),
    Column::new("AGE", |line| age(line.age)).at_least("9m59s"),
    // Since the load's start, as in the report.
    Column::new("TIME", |line| clock(line.at)).at_least("59:59"),
    Column::new("OFFERED", |line| line.mean(|second| second.due)),
    Column::new("SUCCEEDED", |line| line.mean(succeeded)),
    Column::new("P99", |line| {
        let latency = Times::joined(line.seconds.iter().map(|second| &second.latency));
        latency.seconds(0.99).map_or_else(none, |p99| seconds(p99).replace(' ', ""))
    })
    .at_least("99.9ms"),
    Column::new("FAILED", |line| line.sum(failed)),
    Column::new("DROPPED", |line| line.sum(dropped)),
];

/// The data of a line.
struct Line<'a> {
    hpa: Option<&'a Autoscaler>,
    scaling: Option<&'a Scaling>,
    /// The autoscaler's age in seconds.
    age: f64,
    /// Now, in seconds since the load's start.
    at: f64,
    /// What the load did since the last line.
    seconds: &'a [Second],
}

impl Line<'_> {
    fn of_hpa(&self, cell: impl Fn(&Autoscaler) -> String) -> String {
        self.hpa.map_or_else(none, cell)
    }

    fn sum(&self, figure: fn(&Second) -> u64) -> String {
        count(self.seconds.iter().map(figure).sum())
    }

    fn mean(&self, figure: impl Fn(&Second) -> u64) -> String {
        if self.seconds.is_empty() {
            return none();
        }
        let sum: u64 = self.seconds.iter().map(figure).sum();
        format!("{}/s", rate(sum as f64 / self.seconds.len() as f64))
    }
}

fn none() -> String {
    "-".to_owned()
}

/// The space between two columns, as in kubectl's output.
const PADDING: usize = 3;

/// An HPA's default sync period, in seconds.
const PERIOD: f64 = 15.0;

/// Makes the lines: one for each change of the autoscaler and each of its syncs, with the load since the last line.
#[derive(Clone, Debug)]
pub struct Lines {
    start: Option<Start>,
    since: Vec<Second>,
    /// The autoscaler's state in the last line.
    printed: Option<Scaling>,
    /// The event in the last comment, and how often it has been repeated since.
    event: Option<(String, u64)>,
    /// The widths so far: a column never becomes narrower.
    widths: [usize; COLUMNS.len()],
    headed: bool,
}

impl Default for Lines {
    fn default() -> Self {
        let widths = COLUMNS.map(|column| column.width);
        Self { start: None, since: Vec::new(), printed: None, event: None, widths, headed: false }
    }
}

impl Lines {
    /// Takes one more entry, and returns the lines to print for it, if there are any.
    pub fn take(&mut self, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Start(start) => {
                self.start = Some(Start::clone(start));
                start.clients.map(|clients| {
                    format!("# closed loop of {clients}: OFFERED is what they sent, and P99 is the service time only\n")
                })
            }
            Entry::Second(second) => {
                self.since.push(second.clone());
                // Without an autoscaler, there is a line about the load every five seconds.
                let watched = self.start.as_ref().is_some_and(|start| start.autoscaler.is_some());
                (!watched && self.since.len() == 5).then(|| self.line(second.at + 1.0, None))
            }
            Entry::Scaling(scaling) => {
                // As in kubectl's output: a line for each change, and otherwise for each sync.
                let shown = |scaling: &Scaling| (scaling.value, scaling.desired, scaling.pods);
                let same = |printed: &Scaling| shown(printed) == shown(scaling) && scaling.at < printed.at + PERIOD;
                if self.printed.as_ref().is_some_and(same) {
                    return None;
                }
                self.printed = Some(scaling.clone());
                Some(self.line(scaling.at, Some(scaling)))
            }
            Entry::Event(event) => {
                // kubectl prints no events; a comment keeps the columns intact.
                let text = events::text(event).sentence();
                if let Some((_, repeated)) = self.event.as_mut().filter(|(last, _)| *last == text) {
                    *repeated += 1;
                    return None;
                }
                let line = format!("# {} {}\n", clock(event.at), visible(&text));
                let repeats = self.repeats().unwrap_or_default();
                self.event = Some((text, 0));
                Some(repeats + &line)
            }
            Entry::End(_) => self.repeats(),
        }
    }

    /// How often the last event was repeated, which was not printed yet.
    fn repeats(&mut self) -> Option<String> {
        let (text, repeated) = self.event.take().filter(|(_, repeated)| *repeated > 0)?;
        Some(format!("# {}, {} times more\n", visible(&text), count(repeated)))
    }

    /// The autoscaler's age in seconds when the load began; 0 if its creation is unknown.
    fn age(&self) -> f64 {
        let age = self.start.as_ref().and_then(|start| Some(start.started - start.autoscaler.as_ref()?.created?));
        age.unwrap_or_default()
    }

    fn line(&mut self, now: f64, scaling: Option<&Scaling>) -> String {
        let hpa = self.start.as_ref().and_then(|start| start.autoscaler.as_ref());
        let line = Line { hpa, scaling, age: self.age() + now, at: now, seconds: &self.since };
        let cells = COLUMNS.map(|column| (column.cell)(&line));
        self.since.clear();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.chars().count().max(*width);
        }
        let titles = COLUMNS.map(|column| column.title.to_owned());
        let skipped = if hpa.is_some() { 0 } else { OF_HPA };
        let shown = |cells: &[String]| row(&cells[skipped..], &self.widths[skipped..]);
        let head = if self.headed { String::new() } else { shown(&titles) };
        let lines = head + &shown(&cells);
        self.headed = true;
        lines
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
    fn figures_have_kubectls_form() {
        let numbers = [0.0, 0.66, 2.078, 3.165, 2.0, 0.5, 1000.0, 2500.0, 1_000_000.0];
        assert_eq!(numbers.map(quantity), ["0", "660m", "2078m", "3165m", "2", "500m", "1k", "2500", "1M"]);
        assert_eq!(targets(Some(2.078), 2.0, Source::Pods), "2078m/2");
        assert_eq!(targets(None, 2.0, Source::Pods), "<unknown>/2");
        assert_eq!(targets(Some(0.66), 2.0, Source::External), "660m/2 (avg)");
        let ages = [5.0, 119.0, 120.0, 345.0, 700.0, 11_000.0, 90_000.0, 180_000.0, 864_000.0];
        assert_eq!(ages.map(age), ["5s", "119s", "2m", "5m45s", "11m", "3h3m", "25h", "2d2h", "10d"]);
    }
}
