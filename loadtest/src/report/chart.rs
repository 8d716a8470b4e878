//! Drawings over time, as SVG without a script. Shapes are stretched with the page. Text must not be stretched, so it
//! is placed beside them, in per cent.

use std::fmt::Write;

use maud::{Markup, html};

use crate::output::text::{clock, rate};

/// The width of the shapes' own coordinates; a page stretches it to its own.
const WIDTH: f64 = 1000.0;

/// The time that all drawings of a page share.
pub(crate) struct Axis {
    pub from: f64,
    pub to: f64,
}

impl Axis {
    fn part(&self, at: f64) -> f64 {
        ((at - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// The position of a moment.
    pub fn percent(&self, at: f64) -> String {
        format!("{:.2}%", 100.0 * self.part(at))
    }

    /// The width of a stretch of time.
    pub fn width(&self, from: f64, to: f64) -> String {
        format!("{:.2}%", 100.0 * (self.part(to) - self.part(from)))
    }

    /// At most ten round times, for labels.
    pub fn ticks(&self) -> Vec<f64> {
        const STEPS: [f64; 13] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= 10.0).unwrap_or(14_400.0);
        let (first, last) = ((self.from / step).ceil() as i64, (self.to / step).floor() as i64);
        (first..=last).map(|index| index as f64 * step).collect()
    }

    /// The labels of the axis.
    pub fn render(&self) -> Markup {
        html! {
            svg.plot.axis height="24" aria-hidden="true" {
                @for at in self.ticks() { text x=(self.percent(at)) y="16" text-anchor="middle" { (clock(at)) } }
            }
        }
    }
}

/// The scale of a drawing's height.
pub(crate) enum Scale {
    /// From 0 up to a round number.
    Linear { top: f64, step: f64 },
    /// From one power of ten to another.
    Log { bottom: i32, top: i32 },
}

impl Scale {
    /// From 0 to a round number at least as high as this.
    pub fn up_to(highest: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let magnitude = 10_f64.powf((highest / 4.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
        let step = steps.into_iter().find(|step| highest / step <= 4.0).unwrap_or(highest);
        Self::Linear { top: (highest / step).ceil() * step, step }
    }

    /// From 0 to a count that leaves room above this one.
    pub fn counting(highest: u32) -> Self {
        let step = f64::from(highest.div_ceil(6).max(1));
        Self::Linear { top: f64::from(highest) + 0.4 * step, step }
    }

    /// The powers of ten around these values.
    pub fn around(lowest: f64, highest: f64) -> Self {
        let bottom = lowest.log10().floor() as i32;
        Self::Log { bottom, top: (highest.log10().ceil() as i32).max(bottom + 1) }
    }

    /// From 0 at the bottom to 1 at the top.
    fn part(&self, value: f64) -> f64 {
        match self {
            Self::Linear { top, .. } => (value / top).clamp(0.0, 1.0),
            Self::Log { bottom, top } => {
                let lowest = 10_f64.powi(*bottom);
                ((value.max(lowest).log10() - f64::from(*bottom)) / f64::from(top - bottom)).clamp(0.0, 1.0)
            }
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self {
            Self::Linear { top, step } => {
                (0..=(top / step + 0.001) as u32).map(|index| f64::from(index) * step).collect()
            }
            Self::Log { bottom, top } => (*bottom..=*top).map(|power| 10_f64.powi(power)).collect(),
        }
    }
}

/// A point of a line; none is a gap in it.
pub(crate) type Point = (f64, Option<f64>);

/// One drawing.
pub(crate) struct Plot<'a> {
    axis: &'a Axis,
    scale: Scale,
    height: f64,
    /// Shapes in stretched coordinates.
    shapes: Vec<Markup>,
    /// Shapes in the page's coordinates.
    rules: Vec<Markup>,
}

impl<'a> Plot<'a> {
    pub fn new(axis: &'a Axis, scale: Scale, height: u32) -> Self {
        Self { axis, scale, height: f64::from(height), shapes: Vec::new(), rules: Vec::new() }
    }

    fn x(&self, at: f64) -> f64 {
        WIDTH * self.axis.part(at)
    }

    fn y(&self, value: f64) -> f64 {
        self.height * (1.0 - self.scale.part(value))
    }

    /// Runs of points without a gap, in coordinates.
    fn runs(&self, points: impl IntoIterator<Item = Point>) -> Vec<Vec<(f64, f64)>> {
        let mut runs = vec![Vec::new()];
        for (at, value) in points {
            match (value, runs.last_mut()) {
                (Some(value), Some(run)) => run.push((self.x(at), self.y(value))),
                _ => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        runs
    }

    fn shape(&mut self, class: &str, path: &str) {
        if !path.is_empty() {
            self.shapes.push(html! { path class=(class) d=(path) {} });
        }
    }

    /// A line through the points.
    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = Point>) {
        let path: String = self.runs(points).iter().map(|run| polyline(run)).collect();
        self.shape(class, &path);
    }

    /// The area below the points.
    pub fn area(&mut self, class: &str, points: impl IntoIterator<Item = Point>) {
        let mut path = String::new();
        for run in self.runs(points) {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            let _ = write!(path, "{}L{last:.1} {}L{first:.1} {}Z", polyline(&run), self.height, self.height);
        }
        self.shape(class, &path);
    }

    /// The area between two values, from one moment to the next of each point.
    pub fn between(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64, f64)>) {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for (at, low, high) in points {
            there.push((self.x(at), self.y(high)));
            back.push((self.x(at), self.y(low)));
        }
        back.reverse();
        there.extend(back);
        if !there.is_empty() {
            self.shape(class, &format!("{}Z", polyline(&there)));
        }
    }

    /// A bar from the bottom for each value that is not 0, as wide as this many seconds.
    pub fn bars(&mut self, class: &str, seconds: f64, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (at, value) in points.into_iter().filter(|(_, value)| *value > 0.0) {
            let (left, right) = (self.x(at), self.x(at + seconds));
            // A single failure among thousands must be visible.
            let top = self.y(value).min(self.height - 3.0);
            let _ = write!(path, "M{left:.1} {}V{top:.1}H{right:.1}V{}Z", self.height, self.height);
        }
        self.shape(class, &path);
    }

    /// A band over all the time.
    pub fn band(&mut self, class: &str, low: f64, high: f64) {
        let (top, bottom) = (self.y(high), self.y(low));
        self.rules.push(html! {
            rect class=(class) x="0" width="100%" y=(place(top)) height=(place(bottom - top)) {}
        });
    }

    /// A stretch of time over the whole height.
    pub fn stretch(&mut self, class: &str, from: f64, to: f64) {
        self.rules.push(html! {
            rect class=(class) x=(self.axis.percent(from)) width=(self.axis.width(from, to))
                y="0" height=(place(self.height)) {}
        });
    }

    /// A horizontal line with a label.
    pub fn rule(&mut self, class: &str, value: f64, name: &str) {
        let y = self.y(value);
        self.rules.push(html! {
            line class=(class) x1="0" x2="100%" y1=(place(y)) y2=(place(y)) {}
            text class=(format!("name {class}")) x="100%" dx="8" y=(place(y + 4.0)) { (name) }
        });
    }

    /// A mark on a step: whether it was expected, if that is known.
    pub fn step(&mut self, at: f64, value: f64, expected: Option<bool>) {
        let (class, mark) = match expected {
            Some(true) => ("step good", "✓"),
            Some(false) => ("step bad", "✗"),
            None => return,
        };
        self.rules.push(html! {
            text class=(class) x=(self.axis.percent(at)) y=(place(self.y(value) - 6.0)) text-anchor="middle" { (mark) }
        });
    }

    /// The drawing with these lines of events; `label` describes it in words.
    pub fn render(self, label: &str, unit: &str, events: &Markup) -> Markup {
        let height = place(self.height);
        html! {
            svg.plot height=(height) role="img" aria-label=(label) {
                g aria-hidden="true" {
                    (self.grid())
                    @for rule in &self.rules { (rule) }
                    svg.shapes width="100%" height=(height) viewBox=(format!("0 0 {WIDTH} {height}"))
                        preserveAspectRatio="none" {
                        @for shape in &self.shapes { (shape) }
                    }
                    (events)
                    (self.scale_labels(unit))
                }
            }
        }
    }

    /// Drawn last: on a phone they are inside the plot.
    fn scale_labels(&self, unit: &str) -> Markup {
        html! {
            @for tick in self.scale.ticks() {
                @let y = self.y(tick);
                text.foot[y + 12.0 > self.height] x="0" dx="-8" y=(place(y + 4.0)) text-anchor="end" { (rate(tick)) (unit) }
            }
        }
    }

    fn grid(&self) -> Markup {
        html! {
            @for tick in self.scale.ticks() {
                @let y = self.y(tick);
                line class=(if tick == 0.0 { "base" } else { "grid" }) x1="0" x2="100%" y1=(place(y)) y2=(place(y)) {}
            }
            @for at in self.axis.ticks() {
                @let x = self.axis.percent(at);
                line.grid x1=(x) x2=(x) y1="0" y2=(place(self.height)) {}
            }
        }
    }
}

/// A position or a length in pixels.
fn place(pixels: f64) -> String {
    format!("{pixels:.1}")
}

fn polyline(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    path
}

/// Points of a value that stays until the next one, and the last until `end`.
pub(crate) fn steps(points: impl IntoIterator<Item = Point>, end: f64) -> Vec<Point> {
    let mut stairs: Vec<Point> = Vec::new();
    let mut before = None;
    for (at, value) in points {
        if before.is_some() {
            stairs.push((at, before));
        }
        stairs.push((at, value));
        before = value;
    }
    if before.is_some() {
        stairs.push((end, before));
    }
    stairs
}
