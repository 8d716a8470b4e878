//! The page's drawings, one under another on the same time axis, and the figures that its crosshair shows.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{lanes, warnings};
use crate::autoscaling::Autoscaler;
use crate::output::text::{clock, plural, rate, seconds};
use crate::output::visible;
use crate::report::chart::{Axis, Plot, Point, Scale, steps};
use crate::report::columns::{Column, columns, step};
use crate::report::figures::{Pod, Report};
use crate::report::repeats::folded;
use crate::report::steps::sentence;

/// The number of pods with a colour of their own; those with fewer answers are drawn as one.
pub(crate) const COLOURS: usize = 7;

/// A drawing; none if nothing was observed for it.
type Panel = Option<Markup>;

/// The drawings of a report.
pub(crate) struct Panels<'a> {
    report: &'a Report,
    axis: Axis,
    step: f64,
    columns: Vec<Column>,
    events: Markup,
}

impl<'a> Panels<'a> {
    pub fn new(report: &'a Report) -> Self {
        let axis = axis(report);
        let step = step(axis.to - axis.from);
        let events = lanes::event_lines(report, &axis);
        Self { report, step, columns: columns(&report.seconds, step), events, axis }
    }

    fn autoscaler(&self) -> Option<&'a Autoscaler> {
        self.report.start.as_ref()?.autoscaler.as_ref()
    }

    /// A figure of all columns, with a gap where seconds are missing.
    fn series(&self, figure: impl Fn(&Column) -> Option<f64>) -> Vec<Point> {
        let mut points = Vec::new();
        for column in &self.columns {
            if points.last().is_some_and(|(middle, _)| column.middle - middle > 1.5 * self.step) {
                points.push((column.at, None));
            }
            points.push((column.middle, figure(column)));
        }
        points
    }

    /// Marks the times without a watch, and returns whether there are any.
    fn mark_unwatched(&self, plot: &mut Plot) -> bool {
        let gaps = warnings::gaps(self.report);
        for (from, until) in &gaps {
            plot.stretch("unwatched", *from, *until);
        }
        !gaps.is_empty()
    }

    /// All drawings. Those that have nothing to show are left out.
    pub fn render(&self) -> Markup {
        let panels = [self.rate(), self.latency(), self.value(), self.replicas(), self.pods()];
        html! {
            @if panels.iter().any(Option::is_some) {
                (lanes::stages(self.report, &self.axis))
                (lanes::event_marks(self.report, &self.axis))
                @for panel in panels.into_iter().flatten() { (panel) }
                (self.axis.render())
            } @else {
                p.soft { "The journal contains no second of load." }
            }
        }
    }

    fn rate(&self) -> Panel {
        let (title, id) = ("Requests per second", "rate");
        if self.columns.is_empty() {
            return None;
        }
        let highest = self.columns.iter().map(|column| column.offered.max(column.achieved)).fold(0.0, f64::max);
        let mut plot = Plot::new(&self.axis, Scale::up_to(highest), 130);
        plot.area("achieved-area", self.series(|column| Some(column.achieved)));
        plot.line("achieved", self.series(|column| Some(column.achieved)));
        plot.line("offered", self.series(|column| Some(column.offered)));
        let bad = self.columns.iter().map(|column| (column.at, (column.failed + column.dropped) / self.step));
        plot.bars("failed", self.step, bad);
        let offered = if self.report.clients().is_some() { "sent" } else { "offered" };
        let label = format!(
            "Requests per second over {}: at most {} {offered}, {} failed or dropped",
            seconds(self.axis.to - self.axis.from),
            rate(highest),
            plural(self.report.totals.failed + self.report.totals.dropped, "request")
        );
        let keys = [("offered", offered), ("achieved", "succeeded"), ("failed", "failed or dropped")];
        Some(figure(id, title, &keys, &plot.render(&label, "", &self.events)))
    }

    fn latency(&self) -> Panel {
        let title = match self.report.clients() {
            None => "Latency in milliseconds (log scale), from when a request was due",
            Some(_) => "Service time in milliseconds (log scale): a closed loop, from when a request was sent",
        };
        let id = "latency";
        let known: Vec<&Column> = self.columns.iter().filter(|column| column.p50.is_some()).collect();
        let lowest = known.iter().filter_map(|column| column.p50).min_by(f64::total_cmp)?;
        let highest = known.iter().filter_map(|column| column.p99).max_by(f64::total_cmp)?;
        let scale = Scale::around((lowest * 1e3).max(0.001), (highest * 1e3).max(0.002));
        let mut plot = Plot::new(&self.axis, scale, 130);
        let millis = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e3);
        plot.line("p50", self.series(|column| millis(column.p50)));
        plot.line("p99", self.series(|column| millis(column.p99)));
        for (percentile, bound) in self.report.start.iter().flat_map(|start| &start.expectations.latency) {
            plot.rule("aim", bound * 1e3, &format!("p{percentile} ≤ {}", seconds(*bound)));
        }
        let label = format!(
            "Latency over time, logarithmic: the lowest median of a second is {}, the highest p99 of a second {}",
            seconds(lowest),
            seconds(highest)
        );
        let p99 = if self.step > 1.0 {
            format!("p99 (worst second of each {})", seconds(self.step))
        } else {
            "p99 of each second".to_owned()
        };
        Some(figure(id, title, &[("p50", "p50"), ("p99", &p99)], &plot.render(&label, "", &self.events)))
    }

    fn value(&self) -> Panel {
        let (title, id) = ("Metric value per pod, as the HPA reads it", "value");
        let autoscaler = self.autoscaler().filter(|_| !self.report.scaling.is_empty())?;
        let scaling = &self.report.scaling;
        let target = autoscaler.target;
        let predicted = self.report.prediction.iter().map(|seen| (seen.at, seen.value));
        let predicted: Vec<_> = predicted.take_while(|(at, _)| *at <= self.axis.to).collect();
        let highest = scaling.iter().filter_map(|seen| seen.value).chain(predicted.iter().filter_map(|at| at.1));
        let highest = highest.fold(target * 1.5, f64::max);
        let mut plot = Plot::new(&self.axis, Scale::up_to(highest), 130);
        let (down, up) = (autoscaler.behavior.down.tolerance, autoscaler.behavior.up.tolerance);
        plot.band("tolerance", target * (1.0 - down), target * (1.0 + up));
        plot.rule("aim", target, &format!("target {}", rate(target)));
        for pair in scaling.windows(2).filter(|pair| pair[0].value.is_none()) {
            plot.stretch("unknown", pair[0].at, pair[1].at);
        }
        let unwatched = self.mark_unwatched(&mut plot);
        plot.line("predicted seen", steps(predicted, self.axis.to));
        plot.line("seen", steps(scaling.iter().map(|seen| (seen.at, seen.value)), self.axis.to));
        let label = format!(
            "Average per pod over time: at most {}, with a target of {}",
            scaling.iter().filter_map(|seen| seen.value).max_by(f64::total_cmp).map_or("unknown".to_owned(), rate),
            rate(target)
        );
        let mut keys = vec![("seen", "observed"), ("aim", "target"), ("tolerance", "tolerance: no scaling")];
        if !self.report.prediction.is_empty() {
            keys.push(("predicted seen", "predicted"));
        }
        if scaling.iter().any(|seen| seen.value.is_none()) {
            keys.push(("unknown", "<unknown>"));
        }
        keys.extend(unwatched.then_some(("unwatched", "not watched")));
        Some(figure(id, title, &keys, &plot.render(&label, "", &self.events)))
    }

    fn replicas(&self) -> Panel {
        let (title, id) = ("Replicas", "replicas");
        let replicas = self.report.replicas.as_ref()?;
        let scaling = &self.report.scaling;
        let predicted: Vec<_> = self.report.prediction.iter().take_while(|seen| seen.at <= self.axis.to).collect();
        let band: Vec<_> = self.report.band.iter().take_while(|moment| moment.at <= self.axis.to).collect();
        let foreseen = predicted.iter().map(|seen| seen.wanted).chain(band.iter().map(|moment| moment.most));
        let highest = foreseen.fold(replicas.desired.max(replicas.ready), u32::max);
        let mut plot = Plot::new(&self.axis, Scale::counting(highest), 130);
        let count = |count: u32| Some(f64::from(count));
        let unwatched = self.mark_unwatched(&mut plot);
        plot.area("ready-area", steps(scaling.iter().map(|seen| (seen.at, count(seen.ready))), self.axis.to));
        let until = band.iter().skip(1).map(|moment| moment.at).chain([self.axis.to]);
        let possible = band.iter().zip(until).flat_map(|(moment, until)| {
            let (min, max) = (f64::from(moment.least), f64::from(moment.most));
            [(moment.at, min, max), (until, min, max)]
        });
        plot.between("expected", possible);
        plot.line("predicted desired", steps(predicted.iter().map(|seen| (seen.at, count(seen.wanted))), self.axis.to));
        plot.line("predicted ready", steps(predicted.iter().map(|seen| (seen.at, count(seen.ready))), self.axis.to));
        plot.line("desired", steps(scaling.iter().map(|seen| (seen.at, count(seen.desired))), self.axis.to));
        plot.line("ready", steps(scaling.iter().map(|seen| (seen.at, count(seen.ready))), self.axis.to));
        for step in &self.report.steps {
            plot.step(step.at, f64::from(step.to), step.inside);
        }
        let reached = replicas.reached.iter().filter_map(|reached| Some((reached.replicas, reached.ready?)));
        let reached: Vec<String> = reached.map(|(count, at)| format!("{count} ready from {}", clock(at))).collect();
        let label = format!("Replicas over time: {}", reached.join(", "));
        let mut keys = vec![("desired", "desired by the HPA"), ("ready", "ready")];
        if !self.report.prediction.is_empty() {
            keys.extend([("predicted desired", "desired, predicted"), ("predicted ready", "ready, predicted")]);
        }
        if !band.is_empty() {
            keys.push(("expected", "range in which the HPA could act"));
        }
        keys.extend(unwatched.then_some(("unwatched", "not watched")));
        Some(html! {
            (figure(id, title, &keys, &plot.render(&label, "", &self.events)))
            @if let Some(steps) = sentence(self.report) { p.beside { (steps) } }
        })
    }

    fn pods(&self) -> Panel {
        let (title, id) = ("Each pod’s share of the answers", "pods");
        if self.report.shares.is_empty() {
            return None;
        }
        let pods = by_colour(self.report);
        let mut plot = Plot::new(&self.axis, Scale::Linear { top: 100.0, step: 50.0 }, 110);
        // An interval without answers interrupts the areas.
        for run in self.report.shares.chunk_by(|a, b| b.at - a.at < a.seconds * 1.5) {
            for pod in 0..pods.len().min(COLOURS + 1) {
                let points = run.iter().flat_map(|shares| {
                    let (low, high) = stacked(&pods, &shares.answers, pod);
                    [(shares.at, low, high), (shares.at + shares.seconds, low, high)]
                });
                plot.between(&format!("pod pod{pod}"), points);
            }
        }
        let parts = self.report.pods.iter().take(COLOURS);
        let parts: Vec<String> = parts.map(|pod| format!("{} {:.0} %", pod.name, 100.0 * pod.share)).collect();
        let label = format!("Each pod’s share of the answers over time; in all: {}", parts.join(", "));
        let names: Vec<(String, String)> = pods
            .iter()
            .take(COLOURS)
            .enumerate()
            .map(|(index, pod)| (format!("pod{index}"), short(&pod.name).to_owned()))
            .collect();
        let mut keys: Vec<(&str, &str)> = names.iter().map(|(class, name)| (class.as_str(), name.as_str())).collect();
        if self.report.pods.len() > COLOURS {
            keys.push(("pod7", "all others"));
        }
        Some(figure(id, title, &keys, &plot.render(&label, " %", &self.events)))
    }

    /// The figures of the crosshair, for the page's script.
    pub fn data(&self) -> Value {
        let report = self.report;
        let column = |figure: fn(&Column) -> Option<f64>| self.columns.iter().map(figure).collect::<Vec<_>>();
        let coloured: Vec<&Pod> = by_colour(report).into_iter().take(COLOURS).collect();
        let pods: Vec<_> = coloured.iter().map(|pod| visible(short(&pod.name))).collect();
        let shares = report.shares.iter().map(|shares| {
            let all = shares.answers.values().sum::<u64>() as f64;
            let part =
                |name: &String| shares.answers.get(name).map(|count| (1000.0 * *count as f64 / all).round() / 10.0);
            json!([shares.at, coloured.iter().map(|pod| part(&pod.name)).collect::<Vec<_>>()])
        });
        json!({
            "from": self.axis.from, "to": self.axis.to, "step": self.step,
            "target": self.autoscaler().map(|autoscaler| autoscaler.target),
            "load": {
                "at": column(|column| Some(column.at)), "offered": column(|column| Some(column.offered)),
                "achieved": column(|column| Some(column.achieved)),
                "bad": column(|column| Some(column.failed + column.dropped)),
                "p50": column(|column| column.p50), "p99": column(|column| column.p99),
            },
            "scaling": report.scaling.iter().map(|seen| json!([seen.at, seen.value, seen.desired, seen.ready]))
                .collect::<Vec<_>>(),
            "prediction": report.prediction.iter().map(|seen| json!([seen.at, seen.value, seen.wanted, seen.ready]))
                .collect::<Vec<_>>(),
            "band": report.band.iter().map(|moment| json!([moment.at, moment.least, moment.most])).collect::<Vec<_>>(),
            "pods": pods, "shares": shares.collect::<Vec<_>>(), "shareSeconds": report.shares.first().map(|s| s.seconds),
            "events": folded(&report.events).iter().take(lanes::ROWS)
                .map(|one| json!([one.event.at, one.sentence(), one.event.what.is_warning()])).collect::<Vec<_>>(),
        })
    }
}

/// The pods in the order of their first answers. Each keeps its colour from report to report, whatever its share.
pub(crate) fn by_colour(report: &Report) -> Vec<&Pod> {
    let mut pods: Vec<&Pod> = report.pods.iter().collect();
    pods.sort_by(|a, b| a.first.total_cmp(&b.first).then_with(|| a.name.cmp(&b.name)));
    pods
}

/// The shares, in per cent, between which a pod's area lies; the last area is that of all other pods.
fn stacked(pods: &[&Pod], answers: &BTreeMap<String, u64>, index: usize) -> (f64, f64) {
    let all: u64 = answers.values().sum();
    let below: u64 = pods.iter().take(index).filter_map(|pod| answers.get(&pod.name)).sum();
    let own = answers.get(&pods[index].name).copied().unwrap_or_default();
    let top = if index == COLOURS { all } else { below + own };
    let share = |count: u64| 100.0 * count as f64 / all.max(1) as f64;
    (share(below), share(top))
}

/// The part of a pod's name in which the pods of one deployment differ.
pub(crate) fn short(name: &str) -> &str {
    name.rsplit('-').next().filter(|last| !last.is_empty()).unwrap_or(name)
}

/// From the first observation to the last.
fn axis(report: &Report) -> Axis {
    let scaling = report.scaling.iter().map(|seen| seen.at);
    let events = report.events.iter().map(|event| event.at);
    let ends = report.seconds.iter().map(|second| second.at + 1.0).chain(report.end.iter().map(|end| end.at));
    let from = scaling.clone().fold(0.0, f64::min);
    let to = scaling.chain(events).chain(ends).fold(from + 1.0, f64::max);
    Axis { from, to }
}

fn figure(id: &str, title: &str, keys: &[(&str, &str)], plot: &Markup) -> Markup {
    html! {
        figure.panel id=(format!("panel-{id}")) {
            figcaption {
                h3 { (title) }
                ul.keys { @for (class, name) in keys { li { i class=(format!("key {class}")) {} (name) } } }
            }
            (plot)
        }
    }
}
