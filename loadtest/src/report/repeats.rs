//! Events that repeat, as one with a count: a probe that fails every two seconds is one fact.

use std::collections::BTreeMap;

use crate::journal::Event;
use crate::output::events::{self, EventText};
use crate::output::text::{clock, count, fit};
use crate::report::lanes::MESSAGE;

/// After this time without a repetition, in seconds, the same event is another one.
const GAP: f64 = 120.0;

/// From how many times on, a repeated event is drawn as a span of time.
const SPAN: usize = 3;

/// An event, and its repetitions.
pub(crate) struct Repeated<'a> {
    /// The first of them.
    pub event: &'a Event,
    /// When the last one happened.
    pub last: f64,
    /// How many there are.
    pub count: usize,
}

/// The events of a report, those with the same text as one.
pub(crate) fn folded(events: &[Event]) -> Vec<Repeated<'_>> {
    let mut all: Vec<Repeated> = Vec::new();
    let mut latest: BTreeMap<EventText, usize> = BTreeMap::new();
    for event in events {
        let text = events::text(event);
        if let Some(known) = latest.get(&text).and_then(|index| all.get_mut(*index))
            && event.at - known.last <= GAP
        {
            (known.last, known.count) = (event.at, known.count + 1);
            continue;
        }
        latest.insert(text, all.len());
        all.push(Repeated { event, last: event.at, count: 1 });
    }
    all
}

impl Repeated<'_> {
    /// Whether it is drawn as a span of time.
    pub fn is_span(&self) -> bool {
        self.count >= SPAN && self.last > self.event.at
    }

    /// When it happened.
    pub fn time(&self) -> String {
        let (first, last) = (clock(self.event.at), clock(self.last));
        if first == last { first } else { format!("{first}–{last}") }
    }

    /// It in words, with its count.
    pub fn sentence(&self) -> String {
        let sentence = fit(&events::text(self.event).sentence(), MESSAGE);
        if self.count == 1 { sentence } else { format!("{sentence} (×{}, until {})", self.times(), clock(self.last)) }
    }

    /// How many times, with separators.
    pub fn times(&self) -> String {
        count(self.count as u64)
    }
}
