//! Joins what the threads of a load report: their seconds are added up exactly, and each event is reported once.

use std::collections::VecDeque;
use std::mem::discriminant;

use crate::journal::{End, Entry, Event, ObservedEvent, Second};
use crate::stats::join_seconds;

/// What the threads have reported so far.
#[derive(Debug)]
pub(super) struct Joined {
    parts: Vec<Part>,
    /// The examples of failures that were reported.
    examples: Vec<ObservedEvent>,
    ended: bool,
}

/// What one thread has reported.
#[derive(Debug, Default)]
struct Part {
    /// Its seconds that other threads have not all reported.
    seconds: VecDeque<Second>,
    end: Option<End>,
}

impl Joined {
    pub fn new(threads: usize) -> Self {
        Self { parts: (0..threads).map(|_| Part::default()).collect(), examples: Vec::new(), ended: false }
    }

    /// Takes an entry of a thread. Returns it if it is to be reported by itself.
    pub fn take(&mut self, thread: usize, entry: Entry) -> Option<Entry> {
        match entry {
            Entry::Second(second) => self.parts[thread].seconds.push_back(second),
            Entry::End(end) => self.parts[thread].end = Some(end),
            Entry::Event(event) => return self.is_new(&event, thread).then_some(Entry::Event(event)),
            Entry::Start(_) | Entry::Scaling(_) => {}
        }
        None
    }

    /// The next second that all threads have reported, or the end of all.
    pub fn next(&mut self) -> Option<Entry> {
        let is_open = |part: &Part| part.seconds.is_empty() && part.end.is_none();
        if self.ended || self.parts.iter().any(is_open) {
            return None;
        }
        let fronts = self.parts.iter().filter_map(|part| part.seconds.front());
        if let Some(first) = fronts.map(|second| second.at).min_by(f64::total_cmp) {
            let parts = self.parts.iter_mut().filter_map(|part| part.seconds.pop_front_if(|front| front.at <= first));
            return Some(Entry::Second(join_seconds(&parts.collect::<Vec<_>>())));
        }
        self.ended = true;
        let ends = self.parts.iter().filter_map(|part| part.end.as_ref());
        let at = ends.clone().map(|end| end.at).fold(0.0, f64::max);
        Some(Entry::End(End { at, interrupted: ends.into_iter().any(|end| end.interrupted) }))
    }

    /// Whether an event is not another thread's as well. All threads look up the same names: the first one reports them.
    fn is_new(&mut self, Event { what, .. }: &Event, thread: usize) -> bool {
        let same = |other: &ObservedEvent| match (what, other) {
            (ObservedEvent::FirstFailure { failure: one, .. }, ObservedEvent::FirstFailure { failure: other, .. }) => {
                one == other
            }
            (ObservedEvent::FirstStatus { status: one, .. }, ObservedEvent::FirstStatus { status: other, .. }) => {
                one == other
            }
            _ => discriminant(what) == discriminant(other),
        };
        match what {
            ObservedEvent::FirstFailure { .. }
            | ObservedEvent::FirstStatus { .. }
            | ObservedEvent::FirstMismatch { .. } => {
                let is_new = !self.examples.iter().any(same);
                if is_new {
                    self.examples.push(what.clone());
                }
                is_new
            }
            ObservedEvent::HostResolved { .. } | ObservedEvent::HostUnresolved { .. } => thread == 0,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Failure;

    fn second(at: f64, due: u64) -> Entry {
        Entry::Second(Second { at, due, ..Second::default() })
    }

    fn end(at: f64, interrupted: bool) -> Entry {
        Entry::End(End { at, interrupted })
    }

    fn example(text: &str) -> Entry {
        let (failure, cause) = (Failure::Refused, "connection refused".to_owned());
        Entry::Event(Event { at: 0.5, what: ObservedEvent::FirstFailure { failure, cause, example: text.to_owned() } })
    }

    #[test]
    fn seconds_come_when_all_threads_have_them_and_the_end_last() {
        let mut joined = Joined::new(2);
        assert_eq!(joined.take(0, second(0.0, 3)), None);
        assert_eq!(joined.next(), None);
        for (thread, entry) in [(0, second(1.0, 1)), (1, second(0.0, 4)), (0, end(1.5, false))] {
            assert_eq!(joined.take(thread, entry), None);
        }
        assert_eq!(joined.next(), Some(second(0.0, 7)));
        assert_eq!(joined.next(), None, "the other thread may have more of the next second");
        for entry in [second(1.0, 2), second(2.0, 5), end(2.5, true)] {
            assert_eq!(joined.take(1, entry), None);
        }
        for entry in [second(1.0, 3), second(2.0, 5), end(2.5, true)] {
            assert_eq!(joined.next(), Some(entry));
        }
        assert_eq!(joined.next(), None);
    }

    #[test]
    fn each_kind_of_failure_has_one_example() {
        let mut joined = Joined::new(2);
        assert_eq!(joined.take(1, example("a")), Some(example("a")));
        assert_eq!(joined.take(0, example("b")), None);
        let what = ObservedEvent::FirstStatus { status: 500, request: "GET /".to_owned(), location: None };
        let status = Entry::Event(Event { at: 0.5, what });
        assert_eq!(joined.take(0, status.clone()), Some(status));
        let resolved = Entry::Event(Event { at: 0.5, what: ObservedEvent::HostResolved { host: "a".to_owned() } });
        assert_eq!(joined.take(1, resolved.clone()), None);
        assert_eq!(joined.take(0, resolved.clone()), Some(resolved));
    }
}
