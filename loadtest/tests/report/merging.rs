//! Journals of several generators, joined.

use loadtest::journal::{Entry, Event, Feed, ObservedEvent, Start};
use loadtest::merge::joined;
use loadtest::report::Report;
use loadtest::report::warnings::About;

use crate::{abouts, journals};

/// The journal of one generator of `of`, which began `late` seconds after the others.
fn part(generator: u32, of: u32, late: f64) -> Vec<Entry> {
    let mut entries = journals::good();
    let start = start(&mut entries);
    (start.generator, start.generators) = (generator, of);
    start.started += late;
    entries
}

fn start(entries: &mut [Entry]) -> &mut Start {
    let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
    start
}

fn unseeing(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.retain(|entry| !matches!(entry, Entry::Scaling(_)));
    entries
}

fn watch_broke(at: f64) -> Entry {
    let what = ObservedEvent::WatchInterrupted { feed: Feed::Pods, why: "it ended".to_owned() };
    Entry::Event(Event { at, what })
}

fn load_failed(at: f64) -> Entry {
    Entry::Event(Event { at, what: ObservedEvent::LoadFailed { why: "it ended".to_owned() } })
}

fn is_of_watch(event: &Event) -> bool {
    matches!(event.what, ObservedEvent::WatchInterrupted { .. })
}

/// The report of what every part has.
fn alone() -> Report {
    Report::from_entries(&journals::good(), Vec::new())
}

fn report(parts: Vec<Vec<Entry>>) -> Report {
    Report::from_entries(&joined(parts).unwrap(), Vec::new())
}

#[test]
fn parts_add_up_to_one_run() {
    let whole = report(vec![part(0, 2, 0.0), part(1, 2, 0.4)]);
    assert_eq!(whole.totals.due, 2 * alone().totals.due);
    assert_eq!(whole.scaling, alone().scaling, "the autoscaler is that of one of them");
    assert_eq!(whole.events, alone().events, "and so is what happened");
    assert_eq!(abouts(&whole), [], "{:?}", whole.warnings);
    let start = whole.start.unwrap();
    assert_eq!((start.generator, start.generators), (0, 1), "it is a whole itself");
}

#[test]
fn missing_and_repeated_parts_are_refused() {
    for (parts, expected) in [
        (vec![part(0, 1, 0.0), part(0, 1, 60.0)], "generator 0 of 1, counted from 0, is given more than once"),
        (vec![part(0, 2, 0.0)], "generator 1 of 2, counted from 0, is missing"),
        (vec![part(1, 2, 0.0), part(1, 2, 0.0)], "generator 0 of 2, counted from 0, is missing"),
        (vec![part(0, 3, 0.0), part(2, 3, 0.0), part(0, 3, 0.0), part(1, 3, 0.0)], "generator 0 of 3"),
        (vec![part(0, 2, 0.0), part(1, 3, 0.0)], "number of generators"),
    ] {
        let fault = joined(parts).unwrap_err().to_string();
        assert!(fault.contains(expected) && fault.lines().count() == 1, "{fault}");
    }
    assert_eq!(report(vec![part(0, 1, 0.0)]), alone(), "a run by one generator is whole");
}

#[test]
fn times_count_from_the_earliest_start() {
    let began = journals::start().started;
    let apart = report(vec![part(1, 2, 5.0), part(0, 2, 0.0)]);
    assert_eq!(apart.start.as_ref().map(|start| start.started), Some(began));
    assert_eq!(apart.seconds.first().map(|second| second.at), Some(0.0));
    assert_eq!(apart.end.as_ref().map(|end| end.at), Some(alone().end.unwrap().at + 5.0));
    assert_eq!(abouts(&apart)[0], About::Apart, "{:?}", apart.warnings);
    assert!(apart.warnings[0].message.contains("5 s after the first"), "{:?}", apart.warnings);
    assert_eq!(report(vec![part(0, 2, 0.0), part(1, 2, 5.0)]).totals, apart.totals);
}

#[test]
fn observations_are_those_of_the_first_journal_that_has_any() {
    let (mut blind, mut seeing) = (unseeing(part(0, 2, 0.0)), part(1, 2, 0.0));
    start(&mut blind).autoscaler.as_mut().unwrap().max = 7;
    blind.extend([watch_broke(50.0), load_failed(51.0)]);
    seeing.extend([watch_broke(60.0), load_failed(61.0)]);
    let whole = report(vec![blind.clone(), seeing]);
    assert_eq!(whole.start.unwrap().autoscaler, Some(journals::autoscaler()));
    assert_eq!(whole.scaling, alone().scaling);
    let broke = |event: &&Event| is_of_watch(event) || matches!(event.what, ObservedEvent::LoadFailed { .. });
    let interrupted = whole.events.iter().filter(broke).map(|event| event.at);
    assert_eq!(interrupted.collect::<Vec<_>>(), [51.0, 60.0, 61.0], "the load's are those of all");

    // Where none saw anything, the first that looked tells why not.
    let whole = report(vec![blind, unseeing(part(1, 2, 0.0))]);
    assert_eq!(whole.start.unwrap().autoscaler.unwrap().max, 7);
    assert!(whole.scaling.is_empty() && whole.events.iter().any(is_of_watch));
}
