//! What a terminal shows while a run goes on, and at its end; and what is printed where there is none.

use loadtest::journal::{Entry, Scaling};
use loadtest::output::live::{Lines, Live};
use loadtest::output::{Clean, live};
use loadtest::report::terminal;

use crate::{alone, broken, empty, good, journals};

#[test]
fn the_summary_fits_a_terminal() {
    for report in [good(), broken(), alone(), empty()] {
        for width in [40, 80, 120] {
            let summary = terminal::summary(&report, width);
            assert!(summary.lines().count() <= 30, "{summary}");
            assert!(summary.lines().all(|line| line.chars().count() <= width), "{summary}");
        }
    }
    let summary = terminal::summary(&broken(), 120);
    for text in
        ["FAILED", "? Scaled in", "over several generators", "--max-in-flight", "API server.", "The HPA had no value"]
    {
        assert!(summary.contains(text), "no {text} in\n{summary}");
    }
    let summary = terminal::summary(&good(), 120);
    for text in ["PASSED", "✓ Replicas reached", "HPA desires more replicas"] {
        assert!(summary.contains(text), "no {text} in\n{summary}");
    }
    assert!(!summary.contains("p99.9"), "3,396 answers are too few for it:\n{summary}");
}

#[test]
fn the_live_view_shows_the_progress_of_a_run() {
    let mut view = Live::default();
    let mut entries = journals::good();
    entries.retain(|entry| match entry {
        Entry::Second(second) => second.at < 218.0,
        Entry::Scaling(seen) => seen.at < 218.0,
        Entry::Event(event) => event.at < 218.0,
        _ => true,
    });
    for entry in entries.iter().filter(|entry| !matches!(entry, Entry::End(_))) {
        for width in [20, 80, 200] {
            let frame = view.frame(width);
            assert!(frame.lines().count() <= live::LINES, "{frame}");
            assert!(frame.lines().all(|line| line.chars().count() <= width), "{frame}");
        }
        view.take(entry);
    }
    let frame = view.frame(110);
    for text in [
        "3:38 of 13:00, 9:22 left, stage 15rps:3m",
        "offered 15/s, succeeded 15/s",
        "■■□ 2 ready of 3, 3 desired, limits 1 to 3",
        "per pod, target 2",
        "hpa        AbleToScale=True",
        "7d94b56f44-x7qzm",
        "peak 15/s",
    ] {
        assert!(frame.contains(text), "no {text} in\n{frame}");
    }
    assert_eq!(&*Clean::redrawn("a\nb\n", 0), "a\x1b[K\nb\x1b[K\n\x1b[J");
    assert!(Clean::redrawn("a\n", 2).starts_with("\x1b[2F"), "it goes back to where it began");
}

#[test]
fn without_a_terminal_the_lines_are_kubectls() {
    let mut lines = Lines::default();
    let mut start = journals::start();
    start.autoscaler.as_mut().unwrap().created = Some(start.started - 300.0);
    let mut entries = vec![Entry::Start(Box::new(start))];
    entries.extend(journals::good().into_iter().filter(|entry| matches!(entry, Entry::Second(s) if s.at < 3.0)));
    let seen = |at, value| Scaling { at, value, desired: 1, pods: 1, ready: 1, ..Scaling::default() };
    entries.extend([Entry::Scaling(seen(3.0, None)), Entry::Scaling(seen(8.0, Some(2.078)))]);
    let printed: String = entries.iter().filter_map(|entry| lines.take(entry)).collect();
    let printed: Vec<&str> = printed.lines().collect();
    let head = "NAME            REFERENCE                     TARGETS       MINPODS   MAXPODS   REPLICAS   AGE     ";
    assert_eq!(printed.len(), 3, "{printed:#?}");
    assert!(printed[0].starts_with(head), "{printed:#?}");
    let first = "shopfront-hpa   Deployment/shopfront-deploy   <unknown>/2   1         3         1          5m3s    0:03    1/s";
    assert!(printed[1].starts_with(first), "{printed:#?}");
    let second =
        "shopfront-hpa   Deployment/shopfront-deploy   2078m/2       1         3         1          5m8s    0:08    -";
    assert!(printed[2].starts_with(second), "{printed:#?}");
}
