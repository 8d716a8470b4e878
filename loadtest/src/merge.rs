//! Joins the journals of all generators of one load, exactly: counts are added, histograms bucket by bucket.

use std::collections::BTreeMap;

use crate::bounds::LOAD;
use crate::error::Error;
use crate::journal::{End, Entry, Event, ObservedEvent, Second, Start};
use crate::stats::join_seconds;

/// How long after the first generator another may start, in seconds, without an event.
const TOGETHER: f64 = 1.0;

/// Why journals cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A journal has no start entry.
    #[error("a journal does not begin with a start entry: its first line may be lost")]
    NoStart,
    /// A file has the journals of two runs.
    #[error("a journal has two start entries: put each run's journal in a file of its own")]
    TwoStarts,
    /// They are not parts of one load.
    #[error("the journals are of different loads: their targets, stages, spacing or number of generators differ")]
    DifferentLoads,
    /// The journal of one generator was not given.
    #[error("the journal of generator {generator} of {of}, counted from 0, is missing: give all of them")]
    Missing {
        /// Which.
        generator: u32,
        /// How many there are.
        of: u32,
    },
    /// The journal of one generator was given twice.
    #[error("the journal of generator {generator} of {of}, counted from 0, is given more than once")]
    Repeated {
        /// Which.
        generator: u32,
        /// How many there are.
        of: u32,
    },
    /// A generator started so late that it was another load.
    #[error("generator {generator} started {seconds:.0} s after the first: it is not part of the same load")]
    Apart {
        /// Which.
        generator: u32,
        /// How many seconds later.
        seconds: f64,
    },
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Joins several journals, one of each generator. Times count from the earliest start. The observations of the
/// autoscaler are those of one journal, the first that has any.
pub fn joined(journals: Vec<Vec<Entry>>) -> Result<Vec<Entry>, MergeError> {
    let parts = journals.into_iter().map(Part::new).collect::<Result<Vec<_>, _>>()?;
    check(&parts)?;
    let Some(first) = parts.first() else { return Ok(Vec::new()) };
    let started = parts.iter().map(|part| part.start.started).fold(f64::INFINITY, f64::min);
    let observes = |part: &Part| part.entries.iter().any(|entry| matches!(entry, Entry::Scaling(_)));
    let has_autoscaler = |part: &Part| part.start.autoscaler.is_some();
    let watcher = parts.iter().position(observes).or_else(|| parts.iter().position(has_autoscaler));
    let autoscaler = watcher.and_then(|watcher| parts[watcher].start.autoscaler.clone());
    let start = Start { started, generator: 0, generators: 1, autoscaler, ..first.start.clone() };

    let mut seconds: BTreeMap<i64, Vec<Second>> = BTreeMap::new();
    let mut all = Vec::new();
    let mut ends: Vec<Option<End>> = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let shift = (part.start.started - started) * start.speed;
        if shift > LOAD {
            return Err(MergeError::Apart { generator: part.start.generator, seconds: shift });
        }
        if shift > TOGETHER {
            let what = ObservedEvent::StartedLate { generator: part.start.generator, seconds: shift };
            all.push((shift, Entry::Event(Event { at: shift, what })));
        }
        let mut end = None;
        for entry in part.entries {
            match entry {
                Entry::Second(mut second) => {
                    second.at += shift.round();
                    seconds.entry(whole(second.at)).or_default().push(second);
                }
                Entry::Scaling(mut scaling) if watcher == Some(index) => {
                    scaling.at += shift;
                    all.push((scaling.at, Entry::Scaling(scaling)));
                }
                Entry::Event(mut event) if watcher == Some(index) || event.what.is_of_load() => {
                    event.at += shift;
                    all.push((event.at, Entry::Event(event)));
                }
                Entry::End(mut one) => {
                    one.at += shift;
                    end = Some(one);
                }
                Entry::Start(_) => {
                    return Err(MergeError::TwoStarts);
                }
                Entry::Scaling(_) | Entry::Event(_) => {}
            }
        }
        ends.push(end);
    }
    all.extend(seconds.into_values().map(|parts| {
        let second = join_seconds(&parts);
        (second.at, Entry::Second(second))
    }));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut entries = vec![Entry::Start(Box::new(start))];
    entries.extend(all.into_iter().map(|(_, entry)| entry));
    // If one has no end, the whole may be incomplete, and has none either.
    if let Some(ends) = ends.into_iter().collect::<Option<Vec<_>>>() {
        let at = ends.iter().map(|end| end.at).fold(0.0, f64::max);
        entries.push(Entry::End(End { at, interrupted: ends.iter().any(|end| end.interrupted) }));
    }
    Ok(entries)
}

/// A generator's journal.
struct Part {
    start: Start,
    /// The entries after its start.
    entries: Vec<Entry>,
}

impl Part {
    fn new(journal: Vec<Entry>) -> Result<Self, MergeError> {
        let mut entries = journal.into_iter();
        let Some(Entry::Start(start)) = entries.next() else {
            return Err(MergeError::NoStart);
        };
        Ok(Self { start: *start, entries: entries.collect() })
    }
}

/// Checks that they are the parts of one load, and that each is there once: a wrong sum would look like any other.
fn check(parts: &[Part]) -> Result<(), MergeError> {
    let Some(Part { start: first, .. }) = parts.first() else { return Ok(()) };
    let load = |start: &Start| {
        (start.profile.clone(), start.target.url.clone(), start.spacing, start.generators, start.clients)
    };
    if parts.iter().any(|part| load(&part.start) != load(first)) {
        return Err(MergeError::DifferentLoads);
    }
    for generator in 0..first.generators {
        let of = first.generators;
        match parts.iter().filter(|part| part.start.generator == generator).count() {
            0 => return Err(MergeError::Missing { generator, of }),
            1 => {}
            _ => return Err(MergeError::Repeated { generator, of }),
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a load")]
fn whole(at: f64) -> i64 {
    at.round() as i64
}
