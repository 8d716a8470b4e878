//! Journals, and the report that is made of those which are taken.

use loadtest::autoscaling::predict;
use loadtest::journal::{Entry, Reader};
use loadtest::merge::joined;
use loadtest::output::is_hidden;
use loadtest::profile::Stage;
use loadtest::report::{Report, html, json, terminal};
use loadtest::session;
use serde_json::Value;

use super::{cases, samples};

/// The most steps of a prediction that a case may take; what is beyond is a report without one.
const STEPS: f64 = 1e4;

/// A short run: its start, and what was seen around the first new pod.
fn sample() -> Vec<Value> {
    let mut entries = samples::broken();
    entries.retain(|entry| match entry {
        Entry::Second(second) => (198.0..206.0).contains(&second.at) || second.at > 327.0,
        Entry::Scaling(seen) => (195.0..220.0).contains(&seen.at),
        _ => true,
    });
    if let Entry::Start(start) = &mut entries[0] {
        start.profile = vec![Stage { from: 1.0, to: 15.0, seconds: 60.0 }];
    }
    entries.iter().map(|entry| serde_json::to_value(entry).expect("an entry is JSON")).collect()
}

#[test]
fn any_journal_is_refused_or_makes_a_report() {
    let good = sample();
    cases(400, |mutation| {
        let mut lines = good.clone();
        for _ in 0..mutation.0.usize(1..4) {
            let line = mutation.0.usize(..lines.len());
            mutation.json(&mut lines[line]);
        }
        if mutation.0.u8(..4) == 0 {
            let (from, to) = (mutation.0.usize(..lines.len()), mutation.0.usize(..lines.len()));
            lines.swap(from, to);
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut text = lines.concat().into_bytes();
        if mutation.0.u8(..4) == 0 {
            text = mutation.bytes(&String::from_utf8_lossy(&text));
        }
        read(&text);
    });
}

fn read(text: &[u8]) {
    let entries = match Reader::default().read_from(&mut &text[..], "journal") {
        Ok(entries) => entries,
        Err(fault) => {
            let error = fault.to_string();
            assert!(error.len() < 20_000 && !error.contains(is_hidden), "{error}");
            return;
        }
    };
    // What is taken can be written and taken again.
    let again: String = entries.iter().map(|entry| loadtest::output::json(entry) + "\n").collect();
    assert_eq!(Reader::default().read_from(&mut again.as_bytes(), "again").ok(), Some(entries.clone()));
    show(&entries);
    if let Ok(joined) = joined(vec![entries]) {
        show(&joined);
    }
}

fn show(entries: &[Entry]) {
    let steps = entries.iter().find_map(|entry| {
        let Entry::Start(start) = entry else { return None };
        let seconds = start.profile.iter().map(|stage| stage.seconds).sum::<f64>();
        let replicas =
            entries.iter().filter_map(|entry| if let Entry::Scaling(seen) = entry { Some(seen.ready) } else { None });
        let replicas = replicas.max().unwrap_or_default();
        Some(predict::steps(start.profile.len(), start.autoscaler.as_ref()?, replicas, seconds) + seconds)
    });
    let quick = steps.is_none_or(|steps| steps <= STEPS);
    let report = if quick { session::report(entries) } else { Report::from_entries(entries, Vec::new()) };
    let page = html::render(&report);
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    let summary = terminal::summary(&report, 100);
    assert!(summary.lines().count() <= 30 && !summary.contains(|one| one != '\n' && is_hidden(one)), "{summary}");
    serde_json::from_str::<Value>(&json::render(&report)).expect("a report is JSON");
}
